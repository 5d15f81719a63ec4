//! What comes from outside, where people read it. Nothing in it moves the cursor, hides, turns the text around it, or looks
//! like a line of the daemon's.
//!
//! Backslashes stay as they are: what is escaped is to be read, not to be restored.

use std::fmt::{self, Write};

/// For one line: a log line, a remark, a line of a report.
pub(crate) fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    // A string takes all.
    let _ = Escaping(&mut line).write_str(text);
    line
}

/// For a text of several lines. Tabs stay; each line after the first is indented, so that it does not look like another
/// line of the terminal or the log.
pub(crate) fn text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => shown.push_str("\n  "),
            '\t' => shown.push('\t'),
            char => push(&mut shown, char),
        }
    }
    shown
}

/// Escapes what is written to it, as [`line`] does.
pub(crate) struct Escaping<W>(pub(crate) W);

impl<W: Write> Write for Escaping<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(|char| !is_plain(char)) {
            let (plain, odd) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut odd = odd.chars();
            for char in odd.by_ref().take(1).flat_map(char::escape_default) {
                self.0.write_char(char)?;
            }
            rest = odd.as_str();
        }
        self.0.write_str(rest)
    }
}

fn push(shown: &mut String, char: char) {
    if is_plain(char) {
        shown.push(char);
    } else {
        shown.extend(char.escape_default());
    }
}

/// No control character, and none of those that hide, break a line or change the direction of the text. The joiners
/// U+200C and U+200D are plain: Persian words and emoji are made with them.
fn is_plain(char: char) -> bool {
    let odd = matches!(
        char,
        '\u{ad}'
            | '\u{61c}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    );
    !odd && !char.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_plain_text_is_left() {
        let odd = "a\u{1b}]0;b\u{7}\r\n\u{9b}2J\u{202e}\u{2066}\u{200b}\u{2028}\u{7f}\u{0}\\n";
        let shown = r"a\u{1b}]0;b\u{7}\r\n\u{9b}2J\u{202e}\u{2066}\u{200b}\u{2028}\u{7f}\u{0}\n";
        assert_eq!(line(odd), shown);
        assert_eq!(line("\tüñ 語 👨\u{200d}👩"), "\\tüñ 語 👨\u{200d}👩");
        // What is shown once may be shown again.
        assert_eq!(line(shown), shown);
    }

    #[test]
    fn a_text_keeps_its_lines() {
        assert_eq!(
            text("a\tb\n\nchatd: c\u{8}\n"),
            "a\tb\n  \n  chatd: c\\u{8}\n  "
        );
    }
}
