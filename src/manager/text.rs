//! Texts from outside: bounded in bytes, and escaped where they are logged.
//!
//! An error, a note or a key may come from an agent, a model or a stranger. Its text may be of any length, may never end, and may
//! contain escape sequences of a terminal.

use crate::sync::Arc;
use std::fmt::{self, Write as _};

/// The most bytes that are kept of an error with its causes.
pub(crate) const ERROR_BYTES: usize = 4 << 10;

/// The most bytes that are kept of a note.
pub(crate) const NOTE_BYTES: usize = 1 << 10;

/// The most bytes that are kept of a key, in the log and in errors.
pub(crate) const KEY_BYTES: usize = 1 << 10;

/// The most pieces of a text, which bounds the time. A text that fits has fewer, unless some are empty.
const PIECES: usize = 64 << 10;

/// The length of the longest remark about what was cut.
const CUT: usize = " [more than 18446744073709551615 bytes cut]".len();

/// Keeps the beginning of the text that is written into it, and counts the rest. The writer of an endless text gets an error.
pub(crate) struct Bounded {
    text: String,
    most: usize,
    /// The number of bytes that were written and not kept.
    cut: usize,
    pieces: usize,
    /// There was more text, which was not written.
    more: bool,
}

impl Bounded {
    /// Of at most this many bytes, with the remark about what was cut.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            text: String::new(),
            most,
            cut: 0,
            pieces: 0,
            more: false,
        }
    }

    /// The text, with the number of bytes that were cut.
    pub(crate) fn finish(mut self) -> Arc<str> {
        if self.cut > 0 || self.more {
            let kept = boundary(&self.text, self.most - CUT);
            let cut = self.cut.saturating_add(self.text.len() - kept);
            self.text.truncate(kept);
            let words = if self.more {
                format!(" [more than {cut} bytes cut]")
            } else {
                format!(" [{cut} bytes cut]")
            };
            self.text.push_str(&words);
        }
        self.text.into()
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.pieces += 1;
        if self.pieces > PIECES {
            self.more = true;
            return Err(fmt::Error);
        }
        let full = self.cut > 0;
        let room = if full { 0 } else { self.most - self.text.len() };
        let kept = boundary(piece, room);
        self.text.push_str(&piece[..kept]);
        self.cut = self.cut.saturating_add(piece.len() - kept);
        Ok(())
    }
}

/// The last boundary of a character within so many bytes.
fn boundary(text: &str, most: usize) -> usize {
    let mut within = (0..=most.min(text.len())).rev();
    within.find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// The part of a note that is kept.
pub(crate) fn note(note: Arc<str>) -> Arc<str> {
    if note.len() <= NOTE_BYTES {
        return note;
    }
    let mut text = Bounded::new(NOTE_BYTES);
    // The first piece is never refused.
    let _ = text.write_str(&note);
    text.finish()
}

/// The text of an error in the log: one line of printable characters.
#[cfg(feature = "tracing")]
pub(crate) struct Shown<'a>(pub(crate) &'a str);

#[cfg(feature = "tracing")]
impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, f)
    }
}

/// A key in the log: the beginning of its `Debug` text, escaped in the same way.
#[cfg(feature = "tracing")]
pub(crate) struct ShownKey<'a, K>(pub(crate) &'a K);

#[cfg(feature = "tracing")]
impl<K: fmt::Debug> fmt::Display for ShownKey<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Bounded::new(KEY_BYTES);
        // The result is ignored: what was written is shown.
        let _ = write!(text, "{:?}", self.0);
        escape(&text.finish(), f)
    }
}

/// Escapes control characters, invisible ones, and those that reverse the direction of a text: `\n`, `\u{1b}`. Quotes and
/// backslashes stay, because they cannot forge anything.
#[cfg(feature = "tracing")]
fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const STAY: [char; 3] = ['"', '\'', '\\'];
    for piece in text.split_inclusive(STAY) {
        let plain = piece.trim_end_matches(STAY);
        write!(f, "{}{}", plain.escape_debug(), &piece[plain.len()..])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Bounded, PIECES};
    use std::fmt::Write as _;

    #[test]
    fn a_text_of_as_many_pieces_as_are_taken_is_whole() {
        let mut text = Bounded::new(100);
        for _ in 1..PIECES {
            text.write_str("").expect("it is taken");
        }
        text.write_str("end").expect("it is taken");
        assert_eq!(&*text.finish(), "end");
    }

    #[test]
    fn every_piece_after_those_is_refused() {
        let mut text = Bounded::new(100);
        for _ in 0..PIECES {
            text.write_str("").expect("it is taken");
        }
        for _ in 0..2 {
            text.write_str("more").expect_err("it is one too many");
        }
        assert_eq!(&*text.finish(), " [more than 0 bytes cut]");
    }
}
