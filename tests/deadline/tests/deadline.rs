//! Tests that hang on purpose, each in a process of its own: it fails within its limit, and its name is printed. And no test
//! program does without the deadline.

extern crate deadline as tokio;
#[macro_use]
extern crate deadline_attribute;

use std::{
    env, fs,
    future::pending,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

/// Set for the children, which hang; otherwise the tests that hang do nothing.
const HANGS: &str = "TURNWISE_TEST_HANGS";

fn is_to_hang() -> bool {
    env::var_os(HANGS).is_some()
}

/// Runs the test of this name in a process of its own, which has so many seconds.
fn hang(name: &str, seconds: &str) -> (Output, String) {
    let this = env::current_exe().expect("a test is a program");
    let begin = Instant::now();
    let child = Command::new(this)
        .args([name, "--exact"])
        .env(HANGS, "1")
        .env(deadline::SECONDS, seconds)
        .output()
        .expect("it can be started");
    assert!(begin.elapsed() < deadline::LIMIT, "{name} took a minute");
    let mut words = String::from_utf8_lossy(&child.stdout).into_owned();
    words += &String::from_utf8_lossy(&child.stderr);
    (child, words)
}

#[tokio::test(start_paused = true)]
async fn hang_without_a_wake_up() {
    if is_to_hang() {
        // As a reaper does: the clock has always somewhere to go.
        tokio::spawn(async {
            loop {
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        });
        pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn hang_with_a_blocked_thread() {
    while is_to_hang() {
        thread::park();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hang_on_many_threads() {
    if is_to_hang() {
        pending::<()>().await;
    }
}

#[tokio::test]
async fn hang_in_the_end_of_the_runtime() {
    tokio::task::spawn_blocking(|| {
        while is_to_hang() {
            thread::park();
        }
    });
}

#[test]
fn hang_without_a_runtime() {
    while is_to_hang() {
        thread::park();
    }
}

#[test]
fn a_lost_wake_up_fails_its_test_at_once() {
    let (child, words) = hang("hang_without_a_wake_up", "50");
    assert!(!child.status.success(), "{words}");
    assert!(
        words.contains("hang_without_a_wake_up hangs: nothing ends it"),
        "{words}"
    );
    // By a panic: the other tests of the program go on.
    assert!(words.contains("1 failed"), "{words}");
}

#[test]
fn a_hang_ends_the_process_and_is_named() {
    for name in [
        "hang_with_a_blocked_thread",
        "hang_on_many_threads",
        "hang_in_the_end_of_the_runtime",
        "hang_without_a_runtime",
    ] {
        let (child, words) = hang(name, "1");
        assert_eq!(child.status.code(), Some(101), "{name}: {words}");
        let named = format!("\n{name} hangs: it has not ended after 1s\n");
        assert!(words.contains(&named), "{name}: {words}");
    }
}

/// Every file of Rust below a folder.
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

/// The root of the test program that a file belongs to.
fn root_of(file: &Path) -> PathBuf {
    let above = file.ancestors().skip(1);
    let mains = above.map(|folder| folder.join("main.rs"));
    let main = mains.take(3).find(|main| main.exists());
    main.unwrap_or_else(|| file.to_owned())
}

/// Those that use tokio, or have a plain test, without the line of their root. `read` reads a file.
fn without(files: &[PathBuf], read: impl Fn(&Path) -> String) -> Vec<&Path> {
    let lines = [
        (
            "extern crate deadline as tokio;",
            &["#[tokio::test", "tokio::runtime", "#[tokio::main"][..],
        ),
        ("extern crate deadline_attribute;", &["\n#[test]\n"]),
    ];
    let lacks = |file: &&PathBuf| {
        let (text, root) = (read(file), read(&root_of(file)));
        let mut lines = lines.iter();
        let watches = text.contains("deadline::watch"); // by itself, for longer
        !watches
            && lines.any(|(line, uses)| {
                uses.iter().any(|what| text.contains(what)) && root.lines().all(|it| it != *line)
            })
    };
    files.iter().filter(lacks).map(PathBuf::as_path).collect()
}

#[test]
fn every_test_has_a_deadline() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all = Vec::new();
    for folder in ["tests", "examples/chatd/tests", "examples/checked/tests"] {
        files(&project.join(folder), &mut all);
    }
    // What the others use, and what has a deadline for each input.
    let own = ["deadline/src/lib.rs", "fuzz_replay/tests/fuzz_replay.rs"];
    all.retain(|file| !own.iter().any(|name| file.ends_with(name)));
    let read = |file: &Path| fs::read_to_string(file).expect("a file of text");
    assert!(all.len() > 50, "the tests have moved");
    assert_eq!(without(&all, read), Vec::<&Path>::new());
    // It would be noticed.
    let forgotten = |file: &Path| read(file).replace("extern crate deadline as tokio;", "");
    let noticed = without(&all, forgotten);
    assert!(noticed.len() > 30, "{noticed:#?}");
}
