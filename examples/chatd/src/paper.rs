//! What the terminal prints on: answers that come in parts, and lines between them.

use std::{
    io::{self, Write},
    mem,
};

/// Whose answer stands on a line that is not over: the session's name, and which of the messages.
type Whose = (String, u64);

pub(crate) struct Paper<W = io::Stdout> {
    out: W,
    open: Option<Whose>,
}

impl Paper {
    pub(crate) fn new() -> Self {
        Self::on(io::stdout())
    }
}

/// Nobody has to read: what cannot be written is not.
impl<W: Write> Paper<W> {
    fn on(out: W) -> Self {
        Self { out, open: None }
    }

    /// A part of an answer: on its line, if that is open; else on a new one, with its session's name.
    pub(crate) fn part(&mut self, key: &str, number: u64, text: &str) {
        let whose = (key.to_owned(), number);
        if self.open.as_ref() != Some(&whose) {
            self.close();
            drop(write!(self.out, "[{key}] "));
            self.open = Some(whose);
        }
        drop(write!(self.out, "{}", printable(text)));
        drop(self.out.flush());
    }

    /// An answer is complete.
    pub(crate) fn over(&mut self, key: &str, number: u64) {
        let ours = |open: &Whose| open.0 == key && open.1 == number;
        if self.open.as_ref().is_some_and(ours) {
            self.close();
        }
    }

    /// A line of its own.
    pub(crate) fn line(&mut self, text: &str) {
        self.close();
        drop(writeln!(self.out, "{}", printable(text)));
    }

    fn close(&mut self) {
        if mem::take(&mut self.open).is_some() {
            drop(writeln!(self.out));
        }
    }
}

/// Without what would move the cursor or dress up as something else.
fn printable(text: &str) -> String {
    let safe = |char: char| char == '\n' || char == '\t' || !char.is_control();
    text.chars()
        .map(|char| if safe(char) { char } else { '\u{fffd}' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_cross_stay_apart() {
        let mut written = Vec::new();
        let mut paper = Paper::on(&mut written);
        paper.part("a", 1, "one ");
        paper.part("a", 1, "two ");
        paper.part("b", 2, "uno ");
        paper.over("a", 1);
        paper.line("status");
        paper.part("b", 2, "dos\u{1b}[2J");
        paper.over("b", 2);
        let text = String::from_utf8(written).expect("it was text");
        assert_eq!(text, "[a] one two \n[b] uno \nstatus\n[b] dos\u{fffd}[2J\n");
    }
}
