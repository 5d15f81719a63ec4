//! That `layers` sees what it must, and nothing else.

use crate::layers::House;
use std::collections::BTreeMap;

/// A small house, in order. `low` and `inner` are what is tried.
const SMALL: &[(&str, &str)] = &[
    (
        "lib.rs",
        "\
//! | module | its one idea |
//! |---|---|
//! | `top` (feature `nest`) | uses all |
//! | `nest` | has modules of its own |
//! | `left`, `right` | |
//! | `low` | |
mod left;
pub use nest::{Inner, Outer as Wide};
pub use top::Top;
",
    ),
    (
        "top.rs",
        "use crate::{Inner, Wide, left::Left}; pub struct Top;",
    ),
    (
        "nest/mod.rs",
        "\
//! | module | |
//! |---|---|
//! | `outer` | |
//! | `inner` | |
pub use self::{inner::Inner, outer::Outer};
use crate::left;
pub struct Facade;
",
    ),
    (
        "nest/outer.rs",
        "use super::inner::Inner; pub struct Outer;",
    ),
    ("left.rs", "use super::right::Right; pub struct Left;"),
    ("right.rs", "use crate::low; pub struct Right;"),
];

fn faults_with(file: &str, source: &str) -> Vec<String> {
    let mut files: BTreeMap<_, _> = SMALL.iter().copied().collect();
    files.extend([("low.rs", ""), ("nest/inner.rs", "pub struct Inner;")]);
    files.insert(file, source);
    House::of(files.into_iter()).faults()
}

#[test]
fn upward_uses_are_seen() {
    for (file, source, words) in [
        (
            "low.rs",
            "use crate::left::Left;",
            "`low` (row 4) uses `left` (row 3): above it",
        ),
        // Through what is re-exported, by its name or another.
        (
            "low.rs",
            "use crate::{\n    Top,\n};",
            "low.rs:1: crate::Top: `low` (row 4) uses `top` (row 1)",
        ),
        (
            "low.rs",
            "use crate::Wide;",
            "`low` (row 4) uses `nest` (row 2): above it",
        ),
        (
            "nest/inner.rs",
            "use crate::Wide;",
            "`inner` (row 2) uses `outer` (row 1): above it",
        ),
        (
            "nest/inner.rs",
            "use super::Outer;",
            "`inner` (row 2) uses `outer` (row 1): above it",
        ),
        (
            "nest/inner.rs",
            "use super::super::top::Top;",
            "`nest` (row 2) uses `top` (row 1): above it",
        ),
        // Not in a `use`, and from a module within the file.
        (
            "low.rs",
            "fn f() {\n    crate::right::Right::new()\n}",
            "low.rs:2: crate::right::Right::new: `low`",
        ),
        (
            "low.rs",
            "mod own {\n    use super::super::Top;\n}",
            "low.rs:2: super::super::Top: `low` (row 4)",
        ),
        // A neighbour.
        (
            "right.rs",
            "use crate::left::*;",
            "`right` (row 3) uses `left` (row 3): left of it",
        ),
        // What the facade itself defines, and whatever it may hold.
        (
            "nest/inner.rs",
            "use super::Facade;",
            "`inner` uses what its own `mod.rs` or `lib.rs` defines",
        ),
        (
            "nest/inner.rs",
            "use super::*;",
            "`inner` uses what its own `mod.rs` or `lib.rs` defines",
        ),
        (
            "low.rs",
            "use crate::Nothing;",
            "`low` uses what its own `mod.rs` or `lib.rs` defines",
        ),
    ] {
        let faults = faults_with(file, source);
        let is_told = matches!(&*faults, [fault] if fault.contains(words));
        assert!(is_told, "{file}, {source}: {faults:?}");
    }
}

#[test]
fn what_is_no_upward_use_is_let_be() {
    for (file, source) in [
        (
            "low.rs",
            "//! [`Top`](crate::Top)\n/* crate::Top */ const WORDS: &str = \"crate::Top\";",
        ),
        (
            "low.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::Top;\n}\n#[cfg(all(test, unix))]\nuse crate::Top;",
        ),
        (
            "low.rs",
            "pub(crate) struct Low; mod own {\n    use super::Low;\n    use self::super::Low as Other;\n}",
        ),
        (
            "nest/inner.rs",
            "use super::super::left; use crate::right::Right; pub(super) struct Inner;",
        ),
        (
            "nest/mod.rs",
            "//! | module | |\n//! |---|---|\n//! | `outer`, `inner` | |\npub use outer::Outer; use crate::low;",
        ),
    ] {
        let faults = faults_with(file, source);
        assert!(faults.is_empty(), "{file}, {source}: {faults:?}");
    }
}

#[test]
fn a_table_lists_each_module_once() {
    for (rows, words) in [
        (
            "//! | `outer` | |",
            "nest/mod.rs: the table lists `inner` 0 times",
        ),
        (
            "//! | `outer`, `inner` | |\n//! | `inner` | |",
            "nest/mod.rs: the table lists `inner` 2 times",
        ),
        (
            "//! | `outer`, `inner`, `gone` | |",
            "nest/mod.rs: the table lists `gone`, which is not there",
        ),
    ] {
        let source = format!("//! | module | |\n//! |---|---|\n{rows}\npub use outer::Outer;");
        assert_eq!(faults_with("nest/mod.rs", &source), [words]);
    }
}
