//! That a failure is had again: the command that it prints, run, fails with the same words and the same history.

use crate::harness::{Failure, History, REPLAY, attempt};
use crate::ledger::Lives;
use crate::schedule::Choices;
use crate::steps::Key;
use crate::world::{NOT_LINEARIZABLE, Shape, World};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::thread;
use std::env;
use std::process::Command;

static SHAPE: Shape = Shape {
    tasks: 2,
    keys: 1,
    shards: 1,
    calls: 2,
    rounds: 1,
    max_sessions: None,
    max_waiting: None,
    lives: Lives::One,
    acts: &[crate::caller::Act::EnterBlocking],
};

const KEY: Key = 0;

/// The planted bug is in the caller: it keeps a status, and gives it out once more.
const CACHED: History = History {
    name: "replays::a_failure_is_had_again",
    claims: "C14",
    tasks: 3,
    schedules: 600,
    run: || {
        let (world, _) = World::new(&SHAPE);
        let tasks: Vec<_> = (1..=2)
            .map(|task| {
                let caller = world.caller(task);
                thread::spawn(move || caller.act())
            })
            .collect();
        world.caller(3).cached_status(KEY);
        for task in tasks {
            task.join().expect("a panic has failed the run already");
        }
        world.settle();
    },
};

fn fails(history: &History) -> [Failure; 2] {
    let random = attempt(RandomScheduler::new_from_seed(1, 600), history.run);
    let pct = attempt(PctScheduler::new_from_seed(1, 3, 600), history.run);
    [random, pct].map(|end| end.expect_err("the planted bug is found"))
}

/// The printed command is taken apart and run: the test that it names, in a process of its own, with the variable that it
/// sets. (There this very test is the history that fails.)
#[test]
fn a_failure_is_had_again() {
    if env::var_os(REPLAY).is_some() {
        return CACHED.sampled();
    }
    for failure in fails(&CACHED) {
        assert_eq!(failure.words, NOT_LINEARIZABLE);
        let report = failure.report(&CACHED, "seed: 1");
        let line = |begin| report.lines().find_map(|line| line.strip_prefix(begin));
        assert!(line("picture: target/explain/").is_some(), "{report}");
        let command = line("replay: ");
        let command = command.expect("a report has the command");
        let (variable, command) = command.split_once(' ').expect("the variable, then cargo");
        let (name, value) = variable.split_once('=').expect("it has a value");
        let arguments = command
            .strip_prefix("cargo test -p shuttle-tests --test histories ")
            .expect("it runs this test program");
        let (test, options) = arguments.split_once(" -- ").expect("a test, and how");
        let mut program = Command::new(env::current_exe().expect("it is running"));
        program.arg(test).args(options.split(' ')).env(name, value);
        let output = program.output().expect("it ran before");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "the replay passes:\n{said}");
        // The name and the words, the table, and the command itself.
        let again = failure.report(&CACHED, "replayed");
        assert!(
            said.contains(&again),
            "the replay says something else:\n{said}\nthan\n{again}"
        );
    }
}

/// In this process: the same failure, down to the last row of its table.
#[test]
fn a_schedule_is_a_word() {
    for failure in fails(&CACHED) {
        let word = failure.choices.to_string();
        let choices = Choices::parse(&word).expect("it was printed");
        assert_eq!(choices, failure.choices);
        let again = attempt(choices.replay(), CACHED.run).expect_err("it fails again");
        assert_eq!(again, failure);
    }
    let many = "12-abA_26_a_107_";
    let many = Choices::parse(many).map(|choices| choices.to_string() == many);
    assert_eq!(many, Some(true), "more tasks than letters");
    assert_eq!(Choices::parse("12-abA?"), None);
    assert_eq!(Choices::parse("abA"), None);
}

/// A history that waits for ever is shown too: who waits has no answer.
#[test]
fn a_deadlock_is_shown() {
    let run: fn() = || {
        let (world, _) = World::new(&SHAPE);
        let caller = world.caller(1);
        let held = world.sessions.try_enter(&KEY);
        drop(caller.enter_blocking(KEY));
        drop(held);
    };
    let failure = attempt(RandomScheduler::new_from_seed(1, 1), run).expect_err("nobody lets go");
    assert!(failure.words.contains("deadlock"), "{}", failure.words);
    let waits = "enter_blocking(0) ...waits";
    let table = failure.trace.table();
    assert!(table.contains(waits), "{table}");
}
