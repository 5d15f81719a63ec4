//! Texts of pi that are kept: bounded in bytes.

/// Most of an error's text that is kept, in bytes.
pub(crate) const ERROR: usize = 16 << 10;
/// Most of a note or a short text.
pub(crate) const SHORT: usize = 1 << 10;

/// The begin of a text, with a mark if there is more. At most `limit` bytes and the mark.
pub(crate) fn bounded(mut text: String, limit: usize) -> String {
    const MORE: &str = " ...";
    if text.len() <= limit {
        return text;
    }
    let cut = (0..=limit).rev().find(|cut| text.is_char_boundary(*cut));
    text.truncate(cut.unwrap_or_default());
    text.push_str(MORE);
    // The rest of the allocation may be megabytes.
    text.shrink_to_fit();
    text
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn a_long_text_is_cut_between_two_letters() {
        let cut = |text: &str, limit| bounded(text.to_owned(), limit);
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "abc ...");
        assert_eq!(cut("aöö", 2), "a ...");
        assert_eq!(cut("aöö", 3), "aö ...");
        assert_eq!(cut("ö", 0), " ...");
        let long = bounded("x".repeat(1 << 20), 16);
        assert!(long.capacity() < 1 << 10, "{}", long.capacity());
    }
}
