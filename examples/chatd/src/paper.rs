//! What the terminal prints on: answers that come in parts, and lines between them.

use crate::{escape, output::Output};
use std::{io::Write, mem};

/// Whose answer stands on a line that is not over: the session's name, and which of the messages.
type Whose = (String, u64);

pub(crate) struct Paper<W = Output> {
    out: W,
    open: Option<Whose>,
}

/// Nobody has to read: what cannot be written is not. Each call writes once.
impl<W: Write> Paper<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, open: None }
    }

    /// A part of an answer: on its line, if that is open; else on a new one, with its session's name.
    pub(crate) fn part(&mut self, key: &str, number: u64, part: &str) {
        let whose = (key.to_owned(), number);
        let mut text = String::new();
        if self.open.as_ref() != Some(&whose) {
            text += self.close();
            text += &format!("[{}] ", escape::line(key));
            self.open = Some(whose);
        }
        text += &escape::text(part);
        self.write(&text);
    }

    /// An answer is complete.
    pub(crate) fn over(&mut self, key: &str, number: u64) {
        let ours = |open: &Whose| open.0 == key && open.1 == number;
        if self.open.as_ref().is_some_and(ours) {
            let end = self.close();
            self.write(end);
        }
    }

    /// A line of its own.
    pub(crate) fn line(&mut self, line: &str) {
        let text = format!("{}{}\n", self.close(), escape::line(line));
        self.write(&text);
    }

    /// What ends the line that is open.
    fn close(&mut self) -> &'static str {
        if mem::take(&mut self.open).is_some() {
            "\n"
        } else {
            ""
        }
    }

    fn write(&mut self, text: &str) {
        drop(self.out.write_all(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_cross_stay_apart() {
        let mut written = Vec::new();
        let mut paper = Paper::new(&mut written);
        paper.part("a", 1, "one ");
        paper.part("a", 1, "two ");
        paper.part("b", 2, "uno ");
        paper.over("a", 1);
        paper.line("status");
        paper.part("b", 2, "dos\u{1b}[2J\n[a] three");
        paper.over("b", 2);
        paper.line("no\nlines");
        let text = String::from_utf8(written).expect("it was text");
        assert_eq!(
            text,
            "[a] one two \n[b] uno \nstatus\n[b] dos\\u{1b}[2J\n  [a] three\nno\\nlines\n"
        );
    }
}
