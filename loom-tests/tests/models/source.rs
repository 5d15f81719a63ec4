//! What the source may not name: a checker sees only what comes through `src/sync.rs`.
//!
//! Looked for in every file below `src` but `sync.rs`, in code only: not in comments, not in strings. `use` trees are
//! written out before the look, so that `use std::{fmt, sync::Arc}` hides nothing. The core knows no adapter and no runtime;
//! the manager names of tokio what shuttle's tokio models.

use crate::{
    files::{read, sources, sources_of},
    paths::{code_of, paths, words},
};
use std::path::{Path, PathBuf};

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
    ("std::hash::RandomState", "another order in each run"),
    (
        "std::collections::hash_map::RandomState",
        "another order in each run",
    ),
    ("HashMap::new", "another order in each run"),
    ("HashSet::new", "another order in each run"),
];

/// What only adapters may name.
const NOT_OF_THE_CORE: &[(&str, &str)] = &[
    ("tokio", "the core knows no runtime"),
    ("futures_core", "the core knows no runtime"),
    ("tracing", "the core tells nobody"),
    ("crate::manager", "the core knows no adapter"),
];

/// What the manager may not name of a runtime.
const NOT_OF_THE_MANAGER: &[(&str, &str)] = &[
    (
        "tokio::spawn",
        "tasks are the manager's runtime's, wherever the call is made",
    ),
    (
        "tokio::task::spawn",
        "tasks are the manager's runtime's, wherever the call is made",
    ),
    (
        "Handle::current",
        "tasks are the manager's runtime's, wherever the call is made",
    ),
    (
        "tokio::task::spawn_blocking",
        "threads that no checker sees",
    ),
    (
        "tokio::task::block_in_place",
        "threads that no checker sees",
    ),
    ("tokio::select!", "a choice that is another in each run"),
    ("tokio::time::interval", "ticks that no model can move"),
    ("tokio::sync::Mutex", "a lock that is held across waits"),
    ("tokio::sync::RwLock", "a lock that is held across waits"),
    ("tokio::sync::broadcast", "shuttle's tokio has none"),
];

/// The rules for a file, by where it lies.
fn forbidden(file: &Path) -> Vec<(&'static str, &'static str)> {
    let lies_in = |folder: &str| file.iter().any(|part| part == folder);
    let is_root = file.file_name().is_some_and(|name| name == "lib.rs");
    let more = match () {
        () if is_root => &[][..],
        () if lies_in("manager") || lies_in("testing") || lies_in("cluster") => NOT_OF_THE_MANAGER,
        () => NOT_OF_THE_CORE,
    };
    [FORBIDDEN, more].concat()
}

/// What stands: the file, the path, the reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "key.rs",
        "std::sync::Arc",
        "users' keys, such as `Arc<str>`; nothing is shared by it",
    ),
    (
        "builder.rs",
        "std::thread::available_parallelism",
        "how many shards there are unless somebody says: a number, not a thread",
    ),
    (
        "circle.rs",
        "thread_local!",
        "its name comes from sync.rs, which gives shuttle's",
    ),
];

#[test]
fn nothing_but_sync_names_an_engine() {
    let mut faults = Vec::new();
    let mut used = vec![false; ALLOWED.len()];
    // The cluster's simulated world is not to be seen by a checker.
    let is_world = |file: &PathBuf| file.iter().any(|part| part == "testing");
    let mut cluster = sources_of("crates/cluster");
    cluster.retain(|file| !is_world(file));
    for file in sources().into_iter().chain(cluster) {
        let name = file
            .file_name()
            .expect("a source has a name")
            .to_string_lossy();
        if name == "sync.rs" {
            continue;
        }
        for (line, path) in paths(&read(&file)) {
            for (forbidden, hides) in forbidden(&file) {
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

/// Each part of the source has rules of its own.
#[test]
fn adapters_may_name_more() {
    let is_refused = |file: &str, path| {
        let rules = forbidden(Path::new(file));
        rules.iter().any(|(forbidden, _)| names(path, forbidden))
    };
    for (file, may, may_not) in [
        (
            "src/registry/slot/queue.rs",
            "std::task::Waker",
            "tokio::sync::Notify",
        ),
        (
            "src/manager/call/place.rs",
            "tokio::sync::Notify",
            "tokio::spawn",
        ),
        (
            "src/manager/end/stop.rs",
            "tokio::task::JoinHandle",
            "tokio::select!",
        ),
    ] {
        assert!(!is_refused(file, may), "{file} may name {may}");
        assert!(is_refused(file, may_not), "{file} may not name {may_not}");
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
