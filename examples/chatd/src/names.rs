//! Which names a session may have: those that can be shown, told apart and addressed.
//!
//! Letters that look alike (Latin `a`, Cyrillic `а`) are not told apart here.

use crate::limits;
use std::{fmt, ops::RangeInclusive};

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum BadName {
    Empty,
    TooLong,
    /// `.` and `..` are parts of an address, which a browser takes away.
    Dots,
    /// A terminal takes it away, and nobody sees it.
    SpaceAtEnd,
    Control,
    /// A character that shows nothing, or that changes how its neighbours are shown.
    Invisible(char),
    /// A space that is not the one of the keyboard.
    OtherSpace(char),
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name of a session is empty"),
            Self::TooLong => {
                let most = limits::KEY;
                write!(f, "the name of a session has more than {most} bytes")
            }
            Self::Dots => {
                f.write_str("a session cannot be named `.` or `..`: no address leads to it")
            }
            Self::SpaceAtEnd => f.write_str("the name of a session begins or ends with a space"),
            Self::Control => f.write_str("the name of a session has control characters"),
            Self::Invisible(char) => {
                let code = u32::from(*char);
                write!(
                    f,
                    "the name of a session has the invisible character U+{code:04X}"
                )
            }
            Self::OtherSpace(char) => {
                let code = u32::from(*char);
                write!(
                    f,
                    "the name of a session has the unusual space U+{code:04X}"
                )
            }
        }
    }
}

impl std::error::Error for BadName {}

/// The name of a session, from outside.
pub(crate) fn check(name: &str) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty);
    }
    if name.len() > limits::KEY {
        return Err(BadName::TooLong);
    }
    if name == "." || name == ".." {
        return Err(BadName::Dots);
    }
    for char in name.chars() {
        if char.is_control() {
            return Err(BadName::Control);
        }
        if INVISIBLE.iter().any(|range| range.contains(&char)) {
            return Err(BadName::Invisible(char));
        }
        if char != ' ' && char.is_whitespace() {
            return Err(BadName::OtherSpace(char));
        }
    }
    if name.starts_with(' ') || name.ends_with(' ') {
        return Err(BadName::SpaceAtEnd);
    }
    Ok(())
}

/// From the Unicode Character Database, 16.0: `Default_Ignorable_Code_Point` of DerivedCoreProperties.txt (among them the
/// variation selectors and the Hangul fillers), the rest of the general categories Cf, Zl and Zp of UnicodeData.txt, and
/// two symbols whose picture is blank.
const INVISIBLE: &[RangeInclusive<char>] = &[
    '\u{ad}'..='\u{ad}',
    '\u{34f}'..='\u{34f}',
    '\u{600}'..='\u{605}',
    '\u{61c}'..='\u{61c}',
    '\u{6dd}'..='\u{6dd}',
    '\u{70f}'..='\u{70f}',
    '\u{890}'..='\u{891}',
    '\u{8e2}'..='\u{8e2}',
    '\u{115f}'..='\u{1160}',
    '\u{17b4}'..='\u{17b5}',
    '\u{180b}'..='\u{180f}',
    '\u{200b}'..='\u{200f}',
    '\u{2028}'..='\u{202e}',
    '\u{2060}'..='\u{206f}',
    '\u{2800}'..='\u{2800}', // a braille pattern without dots
    '\u{3164}'..='\u{3164}',
    '\u{fe00}'..='\u{fe0f}',
    '\u{feff}'..='\u{feff}',
    '\u{ffa0}'..='\u{ffa0}',
    '\u{fff0}'..='\u{fffb}',
    '\u{110bd}'..='\u{110bd}',
    '\u{110cd}'..='\u{110cd}',
    '\u{13430}'..='\u{1343f}',
    '\u{1bca0}'..='\u{1bca3}',
    '\u{1d159}'..='\u{1d159}', // a note without a head
    '\u{1d173}'..='\u{1d17a}',
    '\u{e0000}'..='\u{e0fff}',
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_shown_or_addressed_are_refused() {
        for (name, why) in [
            ("", BadName::Empty),
            (".", BadName::Dots),
            ("..", BadName::Dots),
            (" ", BadName::SpaceAtEnd),
            ("a ", BadName::SpaceAtEnd),
            (" a", BadName::SpaceAtEnd),
            ("a\nb", BadName::Control),
            ("a\u{7f}", BadName::Control),
            ("a\u{9b}b", BadName::Control),
            ("a\u{200b}", BadName::Invisible('\u{200b}')),
            ("a\u{202e}b", BadName::Invisible('\u{202e}')),
            ("a\u{2066}b", BadName::Invisible('\u{2066}')),
            ("a\u{2028}b", BadName::Invisible('\u{2028}')),
            ("\u{ad}", BadName::Invisible('\u{ad}')),
            ("\u{feff}a", BadName::Invisible('\u{feff}')),
            ("a\u{fe0f}", BadName::Invisible('\u{fe0f}')),
            ("a\u{e0101}", BadName::Invisible('\u{e0101}')),
            ("a\u{e0061}", BadName::Invisible('\u{e0061}')),
            ("\u{3164}", BadName::Invisible('\u{3164}')),
            ("\u{115f}", BadName::Invisible('\u{115f}')),
            ("\u{2800}", BadName::Invisible('\u{2800}')),
            ("a\u{a0}b", BadName::OtherSpace('\u{a0}')),
            ("a\u{3000}b", BadName::OtherSpace('\u{3000}')),
        ] {
            assert_eq!(check(name), Err(why), "{name:?}");
        }
        assert_eq!(check(&"x".repeat(129)), Err(BadName::TooLong));
        for name in [
            "main",
            "second one",
            "ü /?",
            "...",
            ".a",
            "日本語",
            "🦀",
            "x.y",
            "한글",
        ] {
            assert_eq!(check(name), Ok(()), "{name:?}");
        }
        assert_eq!(check(&"x".repeat(128)), Ok(()));
    }

    #[test]
    fn the_ranges_stand_in_order() {
        let ordered = |pair: &[RangeInclusive<char>]| pair[0].end() < pair[1].start();
        assert!(INVISIBLE.windows(2).all(ordered));
    }
}
