//! The end of what pi wrote to stderr.

use std::collections::VecDeque;

/// How much is kept, in bytes.
const KEPT: usize = 16 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Tail(VecDeque<u8>);

impl Tail {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(KEPT)..];
        let over = (self.0.len() + bytes.len()).saturating_sub(KEPT);
        self.0.drain(..over);
        self.0.extend(bytes);
    }

    /// As text; a letter that was cut in two at the begin is left out.
    pub(crate) fn text(&self) -> String {
        let cut = self.0.iter().take_while(|byte| **byte & 0xC0 == 0x80);
        let bytes: Vec<u8> = self.0.iter().skip(cut.count()).copied().collect();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Tail};

    #[test]
    fn the_end_is_kept_and_no_more() {
        let mut tail = Tail::default();
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
        let mut tail = Tail::default();
        tail.push(b" \xFF\xFEa\x80 \n");
        assert_eq!(tail.text(), "\u{FFFD}\u{FFFD}a\u{FFFD}");
        tail.push("ö".repeat(KEPT).as_bytes());
        tail.push(b"!");
        let text = tail.text();
        assert!(text.starts_with('ö') && text.ends_with("ö!"), "{text}");
    }
}
