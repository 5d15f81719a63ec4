//! The end of what a process wrote to stderr.

use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    fmt::{self, Write},
    sync::Arc,
};

/// The end of what a process wrote to stderr. Clones are of the same process.
///
/// `Display` writes it in one line, with control characters escaped, for logs and errors.
#[derive(Clone, Debug)]
pub struct Stderr(Arc<Mutex<Tail>>);

#[derive(Debug)]
struct Tail {
    bytes: VecDeque<u8>,
    limit: usize,
}

impl Stderr {
    pub(crate) fn new(limit: usize) -> Self {
        let bytes = VecDeque::new();
        Self(Arc::new(Mutex::new(Tail { bytes, limit })))
    }

    pub(crate) fn push(&self, bytes: &[u8]) {
        let Tail { bytes: kept, limit } = &mut *self.0.lock();
        let bytes = &bytes[bytes.len().saturating_sub(*limit)..];
        let over = (kept.len() + bytes.len()).saturating_sub(*limit);
        kept.drain(..over);
        kept.extend(bytes);
    }

    /// Returns the end of stderr as text, without surrounding whitespace. Invalid UTF-8 is replaced by U+FFFD, so the text may have up to
    /// three times the bytes of [`stderr_limit`](crate::Launcher::stderr_limit). It may contain terminal escape sequences.
    pub fn text(&self) -> String {
        let kept = self.0.lock();
        // A letter that was cut in two at the begin is left out.
        let cut = kept.bytes.iter().take_while(|byte| **byte & 0xC0 == 0x80);
        let bytes: Vec<u8> = kept.bytes.iter().skip(cut.count()).copied().collect();
        drop(kept);
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

impl fmt::Display for Stderr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.text().chars() {
            match char {
                '\\' | '\'' | '"' => f.write_char(char)?,
                char => write!(f, "{}", char.escape_debug())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Stderr;

    const KEPT: usize = 16 << 10;

    #[test]
    fn the_end_is_kept_and_no_more() {
        let tail = Stderr::new(KEPT);
        assert_eq!(tail.text(), "");
        for number in 0..100_000 {
            tail.push(format!("line {number}\n").as_bytes());
        }
        let text = tail.text();
        assert!(text.len() <= KEPT, "{}", text.len());
        assert!(text.ends_with("line 99998\nline 99999"), "{text}");
        tail.push(&vec![b'x'; 10 * KEPT]);
        assert_eq!(tail.text(), "x".repeat(KEPT));
    }

    #[test]
    fn what_is_not_text_is_shown_as_such() {
        let tail = Stderr::new(KEPT);
        tail.push(b" \xFF\xFEa\x80 \n");
        assert_eq!(tail.text(), "\u{FFFD}\u{FFFD}a\u{FFFD}");
        tail.push("ö".repeat(KEPT).as_bytes());
        tail.push(b"!");
        let text = tail.text();
        assert!(text.starts_with('ö') && text.ends_with("ö!"), "{text}");
    }

    #[test]
    fn what_moves_a_cursor_is_escaped() {
        let tail = Stderr::new(KEPT);
        tail.push("a\\ö '\u{1F600}'\x1b[2J\r\n\u{202E}x".as_bytes());
        assert_eq!(
            tail.to_string(),
            "a\\ö '\u{1F600}'\\u{1b}[2J\\r\\n\\u{202e}x"
        );
    }
}
