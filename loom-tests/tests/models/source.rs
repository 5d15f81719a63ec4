//! What the source may not name: a checker sees only what comes through `src/sync.rs`.
//!
//! Looked for in every file below `src` but `sync.rs`, in code only: not in comments, not in strings. `use` trees are
//! written out before the look, so that `use std::{fmt, sync::Arc}` hides nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Paths that only `src/sync.rs` may name, and what they would hide from the checkers.
const FORBIDDEN: &[(&str, &str)] = &[
    (
        "std::sync",
        "atomics, locks and counts that no checker sees",
    ),
    ("core::sync", "atomics that no checker sees"),
    ("alloc::sync", "counts that no checker sees"),
    ("std::thread", "threads, and whether they unwind"),
    ("thread::panicking", "true for innocent model threads"),
    ("std::panic::catch_unwind", "an unwinding that ends unseen"),
    (
        "std::panic::resume_unwind",
        "an unwinding that begins unseen",
    ),
    ("std::panic::panic_any", "an unwinding that begins unseen"),
    ("thread_local!", "shared by all model threads"),
    ("std::cell::UnsafeCell", "memory that no checker watches"),
    ("std::time::Instant", "time that no model can move"),
    ("std::time::SystemTime", "time that no model can move"),
    ("static mut", "memory that no checker watches"),
    ("crossbeam_utils::sync", "waits that no checker sees"),
    ("crossbeam_utils::atomic", "atomics that no checker sees"),
    ("coarsetime", "time that no model can move"),
    ("loom", "the source knows no engine"),
    ("shuttle", "the source knows no engine"),
];

/// What stands: the file, the path, the reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "key.rs",
        "std::sync::Arc",
        "users' keys: `Arc<str>` is looked up by `&str`; the registry shares nothing by it",
    ),
    (
        "builder.rs",
        "std::thread::available_parallelism",
        "how many shards there are unless somebody says: a number, not a thread",
    ),
];

#[test]
fn nothing_but_sync_names_an_engine() {
    let mut faults = Vec::new();
    let mut used = vec![false; ALLOWED.len()];
    for file in sources() {
        let name = file
            .file_name()
            .expect("a source has a name")
            .to_string_lossy();
        if name == "sync.rs" {
            continue;
        }
        for (line, path) in paths(&read(&file)) {
            for (forbidden, hides) in FORBIDDEN {
                if !names(&path, forbidden) {
                    continue;
                }
                let allowed = ALLOWED
                    .iter()
                    .position(|(of, exactly, _)| *of == name && *exactly == path);
                match allowed {
                    Some(index) => used[index] = true,
                    None => faults.push(format!("{}:{line}: {path}: {hides}", file.display())),
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "through sync.rs alone:\n{}",
        faults.join("\n")
    );
    for ((file, path, _), used) in ALLOWED.iter().zip(used) {
        assert!(
            used,
            "{file} does not name {path} any more: the exception can go"
        );
    }
}

/// `unsafe` stands in the source once: where it is forbidden.
#[test]
fn nothing_is_unsafe() {
    let mut forbids = 0;
    for file in sources() {
        let code = code_of(&read(&file));
        for (index, line) in code.lines().enumerate() {
            if line.contains("#![forbid(unsafe_code)]") {
                forbids += 1;
            } else {
                assert!(
                    !words(line).any(|word| word == "unsafe" || word == "unsafe_code"),
                    "{}:{}: {line}",
                    file.display(),
                    index + 1
                );
            }
        }
    }
    assert_eq!(forbids, 1, "the library forbids unsafe code, in one place");
}

/// The look itself: what it must see, and what it must not.
#[test]
fn the_look_sees_what_it_must() {
    let code = r##"
//! std::sync::Mutex in docs
/* and /* nested */ std::thread::spawn */
use std::{fmt, sync::{Arc, atomic::{self, AtomicU64 as Counter}}, time::Duration};
const WORDS: &str = "std::thread \" std::sync"; const RAW: &str = r#"std::sync"#;
fn f<'a>(x: &'a char) -> bool { *x == '"' || std::thread::panicking() }
thread_local!(static X: u8 = 0);
use crate::sync::panicking;
pub(crate) use std::panic as
    calm;
"##;
    let found: Vec<String> = paths(code).into_iter().map(|(_, path)| path).collect();
    for path in [
        "std::fmt",
        "std::sync::Arc",
        "std::sync::atomic",
        "std::sync::atomic::AtomicU64",
        "std::time::Duration",
        "std::thread::panicking",
        "thread_local!",
        "crate::sync::panicking",
        "std::panic",
    ] {
        assert!(
            found.iter().any(|found| found == path),
            "{path} in {found:?}"
        );
    }
    let sees = |forbidden| found.iter().filter(|path| names(path, forbidden)).count();
    assert_eq!(sees("std::sync"), 3, "{found:?}");
    assert_eq!(sees("std::thread"), 1, "{found:?}");
    assert_eq!(sees("thread::panicking"), 1, "{found:?}");
    assert_eq!(sees("thread_local!"), 1, "{found:?}");
    assert_eq!(
        sees("sync"),
        0,
        "a part of a path is not its begin: {found:?}"
    );
    // A module that is imported whole could be reached through: it counts as all that is in it.
    assert!(names("std::panic", "std::panic::catch_unwind"));
    assert!(!names("std::panicky", "std::panic::catch_unwind"));
    assert!(!names("std", "std::sync"));
}

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("the source is beside loom-tests") {
            let path = entry.expect("a folder that is readable").path();
            if path.is_dir() {
                walk(&path, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                into.push(path);
            }
        }
    }
    let mut files = Vec::new();
    walk(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../src"),
        &mut files,
    );
    files.sort();
    assert!(files.len() > 5, "too few files to be the source: {files:?}");
    files
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("a source is text")
}

/// Does `path` name `forbidden`, something in it, or a module through which it can be reached?
fn names(path: &str, forbidden: &str) -> bool {
    let within = |outer: &str, inner: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    // `thread::panicking` by whatever way it is reached.
    let by_its_end = path.ends_with(forbidden) && path.ends_with(&format!("::{forbidden}"));
    let through = path.contains("::") && within(path, forbidden);
    within(forbidden, path) || through || by_its_end
}

/// The paths of a source, those of `use` trees written out, each with its line.
fn paths(source: &str) -> Vec<(usize, String)> {
    let code = code_of(source);
    let mut found = Vec::new();
    let mut rest = code.as_str();
    let mut line = 1;
    while !rest.is_empty() {
        let head = rest.chars().next().expect("it is not empty");
        let token = word_at(rest);
        let length = if token == "use" {
            let end = rest.find(';').unwrap_or(rest.len());
            write_out("", &rest[token.len()..end], line, &mut found);
            end
        } else if token == "static" && rest[token.len()..].trim_start().starts_with("mut ") {
            found.push((line, "static mut".to_owned()));
            token.len()
        } else if !token.is_empty() {
            let path = path_at(rest);
            let called = rest[path.len()..].starts_with('!');
            found.push((
                line,
                if called {
                    format!("{path}!")
                } else {
                    path.to_owned()
                },
            ));
            path.len()
        } else {
            head.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// One tree of a `use`: `a::{b, c as d}` is `a::b` and `a::c`.
fn write_out(before: &str, tree: &str, line: usize, into: &mut Vec<(usize, String)>) {
    let tree = tree.trim();
    let Some(brace) = tree.find('{') else {
        let name = tree.split_whitespace().next().unwrap_or_default();
        let path = format!("{before}{name}");
        let path = path.trim_end_matches("::*").trim_end_matches("::self");
        if !name.is_empty() {
            into.push((line, path.to_owned()));
        }
        return;
    };
    let inside = tree[brace + 1..].trim_end().trim_end_matches('}');
    // `trim_end_matches` takes the braces of inner trees too: put back what is missing.
    let missing = inside.matches('{').count() - inside.matches('}').count();
    let inside = inside.to_owned() + &"}".repeat(missing);
    let before = format!("{before}{}", tree[..brace].trim());
    let mut depth = 0;
    let mut begin = 0;
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                write_out(&before, &inside[begin..at], line, into);
                begin = at + 1;
            }
            _ => {}
        }
    }
    write_out(&before, &inside[begin..], line, into);
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn word_at(code: &str) -> &str {
    &code[..code.find(|letter| !is_word(letter)).unwrap_or(code.len())]
}

fn path_at(code: &str) -> &str {
    let mut length = word_at(code).len();
    while let Some(rest) = code[length..].strip_prefix("::") {
        let word = word_at(rest);
        if word.is_empty() {
            break;
        }
        length += 2 + word.len();
    }
    &code[..length]
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter| !is_word(letter))
}

/// The code of a source: comments and what stands in quotes replaced by blanks, lines kept.
fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(head) = rest.chars().next() {
        let length = aside(rest);
        if length == 0 {
            // A word is taken whole: the `r` of `for"` is no raw string's.
            let length = word_at(rest).len().max(head.len_utf8());
            code.push_str(&rest[..length]);
            rest = &rest[length..];
        } else {
            code.push(' ');
            code.extend(rest[..length].chars().filter(|letter| *letter == '\n'));
            rest = &rest[length..];
        }
    }
    code
}

/// How long the comment or literal is that begins here; 0 if there is none.
fn aside(rest: &str) -> usize {
    let upto = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return upto(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        let mut depth = 0;
        let mut at = 0;
        while at < rest.len() {
            if rest[at..].starts_with("/*") {
                depth += 1;
                at += 2;
            } else if rest[at..].starts_with("*/") {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            } else {
                at += rest[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        return rest.len();
    }
    let raw = rest.strip_prefix('b').unwrap_or(rest);
    if let Some(raw) = raw.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let begin = rest.len() - raw.len() + hashes + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            return upto(rest[begin..].find(&end).map(|at| begin + at + end.len()));
        }
    }
    if rest.starts_with('"') {
        return quoted(rest, '"').unwrap_or(rest.len());
    }
    // A letter in quotes, or a lifetime: a lifetime has no quote after its first letter.
    let mut letters = rest.chars();
    if letters.next() == Some('\'') {
        let escaped = letters.next() == Some('\\');
        if escaped || letters.next() == Some('\'') {
            return quoted(rest, '\'').unwrap_or(rest.len());
        }
    }
    0
}

/// How long the literal is, with both quotes.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return Some(at + letter.len_utf8()),
            _ => {}
        }
    }
    None
}
