//! pi's names of sessions, out of keys.

use sha2::{Digest, Sha256};

/// How long a key may be that is a name itself.
const PLAIN: usize = 63;
/// How much of another key is readable in its name.
const READABLE: usize = 32;

/// The name of a key's session: letters, digits and `-_.`, the first and the last a letter or a digit, and at most 97 of
/// them. Two keys have two names.
///
/// A key of at most 63 letters is its own name, if it could be one and has no capitals (file systems may not tell them from
/// small letters). Every other has what is readable of it, a dot and its SHA-256 in hexadecimal: 65 letters at least.
pub(crate) fn of(key: &str) -> String {
    if is_plain(key) {
        return key.to_owned();
    }
    let mut readable: String = key.chars().map(kept).take(READABLE).collect();
    // The begin must be a letter or a digit; the end is.
    let first = readable.find(|letter: char| letter.is_ascii_alphanumeric());
    readable.drain(..first.unwrap_or(readable.len()));
    let digest = Sha256::digest(key.as_bytes());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if readable.is_empty() {
        "key".clone_into(&mut readable);
    }
    format!("{readable}.{digest}")
}

fn is_plain(key: &str) -> bool {
    let small = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let inside = |letter: u8| small(letter) || b"-_.".contains(&letter);
    let key = key.as_bytes();
    let ends = [key.first(), key.last()];
    key.len() <= PLAIN
        && ends.iter().all(|end| end.is_some_and(|&end| small(end)))
        && key.iter().all(|&letter| inside(letter))
}

fn kept(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || "-_.".contains(letter) {
        letter
    } else {
        '_'
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use std::collections::BTreeMap;

    /// What pi accepts.
    fn is_name(name: &str) -> bool {
        let end = |letter: Option<char>| letter.is_some_and(|end| end.is_ascii_alphanumeric());
        end(name.chars().next())
            && end(name.chars().last())
            && name.len() <= 97
            && name
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
    }

    #[test]
    fn every_key_has_a_name_of_its_own() {
        let long = "a".repeat(1 << 20);
        let almost = format!("{}b", &long[1..]);
        let at_the_limit = "a".repeat(63);
        let over_it = "a".repeat(64);
        let keys = [
            "",
            " ",
            ".",
            "..",
            "-",
            "_",
            "a",
            "A",
            "a.",
            ".a",
            "a-",
            "-a",
            "a b",
            "a_b",
            "a/b",
            "../../etc/passwd",
            "chat-42",
            "Chat-42",
            "chat:42",
            "ключ",
            "键",
            "\u{2028}",
            "a\0b",
            "a\nb",
            "key",
            "--session",
            "con",
            &long,
            &almost,
            &at_the_limit,
            &over_it,
        ];
        let mut names = BTreeMap::new();
        for key in keys {
            let name = of(key);
            assert!(is_name(&name), "{key:?} is named {name:?}");
            // Names that differ in case alone would be one file somewhere.
            let other = names.insert(name.to_lowercase(), key);
            assert_eq!(other, None, "{key:?} has the name of {other:?}: {name}");
            assert_eq!(of(key), name, "a key has one name");
        }
    }

    #[test]
    fn a_key_cannot_have_the_name_of_another_on_purpose() {
        for key in ["Chat-42", "", "a b"] {
            let name = of(key);
            assert_ne!(of(&name), name, "{key:?}'s name, as a key");
        }
    }

    #[test]
    fn names_can_be_read() {
        assert_eq!(of("chat-42"), "chat-42");
        assert!(of("Chat 42").starts_with("Chat_42."), "{}", of("Chat 42"));
    }
}
