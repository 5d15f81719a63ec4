//! The official clients in TypeScript and Python, and the protocol's conformance suite, against a server that is killed meanwhile.
//!
//! A tool counts the calls of its handler. So the counts of calls at once show that one handler has answered them all.

// A test that hangs fails, and is named.
#[macro_use]
extern crate deadline_attribute;

mod program;
mod server;

use program::{Program, installed, node, python, typescript};
use server::Server;
use std::{process::Command, thread::sleep, time::Duration};

/// Each test with each client.
macro_rules! with_both_clients {
    ($($test:ident),* $(,)?) => {
        mod with_typescript { $(#[test] fn $test() { super::$test(concat!(stringify!($test), "-ts"), super::typescript()); })* }
        mod with_python { $(#[test] fn $test() { super::$test(concat!(stringify!($test), "-py"), super::python()); })* }
    };
}

with_both_clients!(
    sessions_survive_kills,
    bursts_around_the_idle_limit_are_all_answered,
    a_call_that_a_kill_cut_fails_and_gets_no_other_answer,
);

fn sessions_survive_kills(test: &str, client: Command) {
    let mut server = Server::start(test, &[]);
    let mut program = Program::start(client, &server.url());
    let names = ["a", "b", "c"];
    let opened = names.map(|name| program.begin_open(name));
    for begun in opened {
        assert_eq!(program.answers(&begun), [""; 0]);
    }
    let stored = server.stored();
    assert_eq!(stored.len(), 3);
    for _ in 0..5 {
        let begun = names.map(|name| program.begin_calls(name, "count", 4));
        // One that comes on a connection that broke fails in the client, and is made again.
        for (name, begun) in names.iter().zip(begun) {
            let mut counts = program.counts(&begun);
            let all = counts.len();
            counts.retain(|answer| !broke(answer));
            counts.extend(program.count(name, all - counts.len()));
            counts.sort();
            assert_eq!(counts, ["1", "2", "3", "4"], "{name}");
        }
        server.restart();
    }
    assert_eq!(server.stored(), stored);
    for name in names {
        program.end(name);
    }
    assert_eq!(server.stored(), [""; 0]);
}

/// A client has used a connection to a server that was killed.
fn broke(answer: &str) -> bool {
    ["fetch failed", "ReadError", "RemoteProtocolError"]
        .iter()
        .any(|error| answer.contains(error))
}

fn bursts_around_the_idle_limit_are_all_answered(test: &str, client: Command) {
    // An open stream for notifications would keep the session.
    let server = Server::start(test, &["--no-get", "--idle-ms=200"]);
    let mut program = Program::start(client, &server.url());
    program.open("a");
    let mut began_anew = false;
    for pause in [190, 195, 200, 205, 210, 220].repeat(5) {
        let counts = program.count("a", 4);
        assert!(
            counts.iter().all(|count| count.parse::<u32>().is_ok()),
            "{counts:?}"
        );
        began_anew |= counts[0] == "1";
        sleep(Duration::from_millis(pause));
    }
    assert!(began_anew, "it has expired in between");
    program.end("a");
    assert_eq!(server.stored(), [""; 0]);
}

fn a_call_that_a_kill_cut_fails_and_gets_no_other_answer(test: &str, client: Command) {
    let mut server = Server::start(test, &[]);
    let mut program = Program::start(client, &server.url());
    program.open("a");
    let slow = program.begin_calls("a", "slow", 1);
    assert_eq!(program.count("a", 1), ["1"]); // the server has received the slow call
    server.restart();
    while program.count("a", 1).iter().any(|answer| broke(answer)) {}
    let answers = program.answers(&slow);
    assert!(answers[0].contains("the call was lost"), "{answers:?}");
    assert_eq!(program.count("a", 1).len(), 1);
    program.end("a");
    assert_eq!(server.stored(), [""; 0]);
}

/// All that the suite has for servers of 2025-11-25, the newest protocol with sessions. Of its other scenarios, those of 2026-07-28 and
/// the extensions have none, so this crate has no part in them.
#[test]
fn the_conformance_suite_passes() {
    let server = Server::start("conformance", &[]);
    let output = node()
        .arg(installed().join("node_modules/.bin/conformance"))
        .args(["server", "--suite", "all", "--spec-version", "2025-11-25"])
        .args(["--url", &server.url()])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    assert!(text.contains("(33 scenarios)"));
    assert!(text.contains("server-session-lifecycle: 3 passed, 0 failed"));
}
