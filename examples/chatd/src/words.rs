//! Texts of a bounded length. What is cut off is counted, and the text says how much it was.

use crate::limits;
use std::{
    error::Error,
    fmt::{self, Write},
    sync::Arc,
};

/// An error with its causes: `cannot connect: connection refused`. Of at most [`limits::ERROR`] bytes and a remark.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut text = Begin::new(limits::ERROR);
    let mut next = Some(error);
    // A chain of causes may be a ring.
    for depth in 0..limits::CAUSES {
        let Some(error) = next else { break };
        let colon = if depth > 0 { ": " } else { "" };
        // Whatever an error fails to write is missing in the text.
        let _ = write!(text, "{colon}{error}");
        next = error.source();
    }
    text.finish()
}

/// Bytes that a remark has at most.
pub(crate) const REMARK: usize = " … (18446744073709551615 bytes cut)".len();

/// The begin of a text, of so many bytes at most; then a remark, if something was cut off.
pub(crate) fn begin_of(text: &str, most: usize) -> String {
    let mut begin = Begin::new(most);
    let _ = begin.write_str(text);
    begin.finish()
}

/// The same of a text that is shared, and mostly short enough.
pub(crate) fn begin_of_shared(text: &Arc<str>, most: usize) -> Arc<str> {
    if text.len() <= most {
        return Arc::clone(text);
    }
    Arc::from(begin_of(text, most))
}

/// Adds to a text of which the end is kept, of so many bytes at most: how many bytes were cut off at its begin.
pub(crate) fn add_keeping_end(text: &mut String, more: &str, most: usize) -> usize {
    let end = &more[ceil(more, more.len().saturating_sub(most))..];
    let cut = if end.len() < more.len() {
        text.len()
    } else {
        ceil(text, (text.len() + end.len()).saturating_sub(most))
    };
    text.drain(..cut);
    text.push_str(end);
    cut + more.len() - end.len()
}

/// Writes the begin of what is written to it, and counts the rest.
struct Begin {
    text: String,
    most: usize,
    cut: usize,
}

impl Begin {
    fn new(most: usize) -> Self {
        Self {
            text: String::new(),
            most,
            cut: 0,
        }
    }

    fn finish(mut self) -> String {
        if self.cut > 0 {
            let remark = format!(" … ({} bytes cut)", self.cut);
            self.text.push_str(&remark);
        }
        self.text
    }
}

impl Write for Begin {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = if self.cut > 0 {
            0
        } else {
            self.most - self.text.len()
        };
        let begin = &more[..floor(more, room)];
        self.text.push_str(begin);
        self.cut += more.len() - begin.len();
        Ok(())
    }
}

/// The nearest boundary of a character at or before this byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The nearest boundary of a character at or after this byte.
fn ceil(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_begin_ends_with_a_whole_character_and_a_count() {
        assert_eq!(begin_of("müde", 5), "müde");
        assert_eq!(begin_of("müde", 2), "m … (4 bytes cut)");
        assert_eq!(begin_of("müde", 0), " … (5 bytes cut)");
        let short: Arc<str> = "short".into();
        assert!(Arc::ptr_eq(&begin_of_shared(&short, 5), &short));
        assert_eq!(&*begin_of_shared(&short, 4), "shor … (1 bytes cut)");
    }

    #[test]
    fn nothing_is_kept_after_a_cut() {
        let mut begin = Begin::new(3);
        for text in ["ab", "üü", "c"] {
            begin.write_str(text).expect("it takes everything");
        }
        assert_eq!(begin.finish(), "ab … (5 bytes cut)");
    }

    #[test]
    fn an_end_keeps_no_room_for_what_was_cut() {
        let mut text = String::new();
        assert_eq!(add_keeping_end(&mut text, "one", 5), 0);
        assert_eq!(add_keeping_end(&mut text, "two", 5), 1);
        assert_eq!(text, "netwo");
        assert_eq!(add_keeping_end(&mut text, &"ü".repeat(1000), 5), 5 + 1996);
        assert_eq!(text, "üü");
        assert!(text.capacity() < 100);
        assert_eq!(add_keeping_end(&mut text, "abc", 5), 2);
        assert_eq!(text, "üabc");
    }

    #[test]
    fn an_error_of_any_length_is_told_in_few_words() {
        let long = io::Error::other("x".repeat(20 << 20));
        let text = told(&long);
        assert!(text.len() < limits::ERROR + 50, "{}", text.len());
        let cut = (20 << 20) - limits::ERROR;
        assert!(text.ends_with(&format!(" … ({cut} bytes cut)")));
    }
}
