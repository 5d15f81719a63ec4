//! Texts of others, bounded in bytes; and escaped, where they are logged.
//!
//! An error, a note or a key may come from an agent, from a model or from a stranger. Its text may be of any length, may be
//! written without an end, and may hold the escape sequences of a terminal.

use crate::sync::Arc;
use std::fmt::{self, Write as _};

/// How many bytes of an error's text are kept, with its causes.
pub(crate) const ERROR_BYTES: usize = 4 << 10;

/// How many bytes of a note are kept.
pub(crate) const NOTE_BYTES: usize = 1 << 10;

/// How many pieces of a text are taken. More than a text that fits can have, unless it has empty ones; it bounds the time.
const PIECES: usize = 64 << 10;

/// The longest of the words for what was cut.
const CUT: usize = " [more than 18446744073709551615 bytes cut]".len();

/// Keeps the beginning of a text that is written into it, and counts the rest. The writer of an endless text gets an error.
pub(crate) struct Bounded {
    text: String,
    most: usize,
    /// So many bytes were written and not kept.
    cut: usize,
    pieces: usize,
    /// There is more than was written.
    more: bool,
}

impl Bounded {
    /// Of so many bytes at most, with the words for what was cut.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            text: String::new(),
            most,
            cut: 0,
            pieces: 0,
            more: false,
        }
    }

    /// There is more, which will not be written.
    pub(crate) fn leave_off(&mut self) {
        self.more = true;
    }

    /// The text, with the number of bytes that were cut.
    pub(crate) fn finish(mut self) -> Arc<str> {
        if self.cut > 0 || self.more {
            let kept = boundary(&self.text, self.most - CUT);
            let cut = self.cut.saturating_add(self.text.len() - kept);
            self.text.truncate(kept);
            let words = match (cut, self.more) {
                (0, _) => " [more causes cut]".to_owned(),
                (_, true) => format!(" [more than {cut} bytes cut]"),
                (_, false) => format!(" [{cut} bytes cut]"),
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

/// A note as it is kept.
pub(crate) fn note(note: Arc<str>) -> Arc<str> {
    if note.len() <= NOTE_BYTES {
        return note;
    }
    let mut text = Bounded::new(NOTE_BYTES);
    // It never refuses the first piece.
    let _ = text.write_str(&note);
    text.finish()
}

/// An error's text as it is logged: one line of what can be printed.
#[cfg(feature = "tracing")]
pub(crate) struct Shown<'a>(pub(crate) &'a str);

#[cfg(feature = "tracing")]
impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, f)
    }
}

/// A key as it is logged: the beginning of its `Debug`, the same way. That of a `String` is escaped already; that of other
/// keys may be anything.
#[cfg(feature = "tracing")]
pub(crate) struct ShownKey<'a, K>(pub(crate) &'a K);

/// How many bytes of a key are logged.
#[cfg(feature = "tracing")]
const KEY_BYTES: usize = 1 << 10;

#[cfg(feature = "tracing")]
impl<K: fmt::Debug> fmt::Display for ShownKey<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Bounded::new(KEY_BYTES);
        // What could be written is shown.
        let _ = write!(text, "{:?}", self.0);
        escape(&text.finish(), f)
    }
}

/// Writes control characters, and all that is invisible or turns a text around, as `\n`, `\u{1b}`. Quotes and backslashes stay, for
/// they forge nothing.
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
        assert_eq!(&*text.finish(), " [more causes cut]");
    }
}
