//! Models that fail on purpose, to show that a failure can be seen: what the threads did stands in a table, and in a picture.
//!
//! Each runs in an executable of its own: its output is what is looked at.

use crate::{
    bounds::{self, Bound},
    canaries_runs::fails,
    harness,
    kit::{block_on, spawn},
};
use engine::{Arc, atomic::AtomicU64, atomic::Ordering};
use parking_lot::{Mutex, RwLock};
use std::{fs, future::poll_fn, path::PathBuf, task::Poll};

const ASSERTION: Bound = bounds::exhaustive(
    "canary",
    "canaries_trace::an_assertion_is_told",
    1,
    0,
    "fails in its first execution",
);
const OUTCOME: Bound = bounds::exhaustive(
    "canary",
    "canaries_trace::an_outcome_is_told",
    1,
    0,
    "fails after its last execution",
);
const SLEEP: Bound = bounds::exhaustive(
    "canary",
    "canaries_trace::a_lost_wake_up_is_told",
    1,
    0,
    "fails in the first execution in which the waker comes too late",
);

/// Where the harness draws a model.
fn picture(file: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("target/explain").join(file)
}

/// A picture of an earlier run is not taken for one of this.
fn forget(file: &str) {
    let gone = fs::remove_file(picture(file));
    assert!(gone.is_ok() || !picture(file).exists(), "{gone:?}");
}

fn assert_drawn(file: &str, words: &[&str]) {
    let drawn = fs::read_to_string(picture(file)).expect("the harness writes it");
    for word in words.iter().chain(&["<svg ", "</svg>"]) {
        assert!(drawn.contains(word), "no {word:?} in {file}:\n{drawn}");
    }
}

/// A lock that others wait for, one that nobody does, what is published, who was spawned, and whose assertion failed.
#[test]
fn an_assertion_is_told() {
    const FILE: &str = "canaries_trace.an_assertion_is_told.svg";
    forget(FILE);
    let rows = [
        "canaries_trace::an_assertion_is_told\n      FAILED on purpose\n",
        "      main                                            poster\n",
        "   1  make slot 1\n",
        "   2  spawn poster\n",
        "   3                                                  [map write] post [slot 1]; publish: post\n",
        "                                                  FAILED on purpose\n",
        "picture: target/explain/canaries_trace.an_assertion_is_told.svg\n",
    ];
    fn post(map: &RwLock<()>, slot: &Mutex<u64>, board: &AtomicU64) {
        let _map = map.write();
        let posted = slot.lock();
        board.store(*posted, Ordering::Release);
    }
    fails("canaries_trace::an_assertion_is_told", &rows, || {
        harness::check(&ASSERTION, &["one", "two"], || {
            let map = Arc::new(RwLock::new(()));
            let slot = Arc::new(Mutex::new(1));
            let board = Arc::new(AtomicU64::new(0));
            let poster = spawn({
                let (map, slot, board) = (Arc::clone(&map), Arc::clone(&slot), Arc::clone(&board));
                move || {
                    post(&map, &slot, &board);
                    assert!(board.load(Ordering::Relaxed) > 1, "on purpose");
                }
            });
            poster.join().expect("poster");
            "one"
        });
    });
    assert_drawn(FILE, &["map write", "slot 1", "poster", "on purpose"]);
}

/// An outcome that is not expected: the table is of an execution that ended in it, not of the last one.
#[test]
fn an_outcome_is_told() {
    const FILE: &str = "canaries_trace.an_outcome_is_told.2.svg";
    forget(FILE);
    let rows = [
        "executions that end in \"taken\", not expected\n",
        "      main                                            taker\n",
        "   3                                                  [slot 1] an_outcome_is_told\n",
        "picture: target/explain/canaries_trace.an_outcome_is_told.2.svg\n",
        "not expected, seen ",
    ];
    fails("canaries_trace::an_outcome_is_told", &rows, || {
        harness::check(&OUTCOME, &["left", "lost"], || {
            let slot = Arc::new(Mutex::new("left"));
            let taker = spawn({
                let slot = Arc::clone(&slot);
                move || *slot.lock() = "taken"
            });
            let found = *slot.lock();
            taker.join().expect("taker");
            found
        });
    });
    assert_drawn(FILE, &["slot 1", "taker", "not expected"]);
}

/// A wait without end ends the process; what came before is told all the same, and the failure is nobody's alone.
#[test]
fn a_lost_wake_up_is_told() {
    const FILE: &str = "canaries_trace.a_lost_wake_up_is_told.svg";
    forget(FILE);
    let rows = [
        "      main                                            sleeper\n",
        "                                                  wait\n",
        "  FAILED deadlock; threads = ",
        "picture: target/explain/canaries_trace.a_lost_wake_up_is_told.svg\n",
    ];
    fails("canaries_trace::a_lost_wake_up_is_told", &rows, || {
        harness::check(&SLEEP, &["one", "two"], || {
            let sleeper = spawn(|| block_on(poll_fn(|_| Poll::<()>::Pending)));
            sleeper.join().expect("sleeper");
            "one"
        });
    });
    assert_drawn(FILE, &["wait", "sleeper", "FAILED deadlock"]);
}
