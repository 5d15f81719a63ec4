//! What the fuzzer keeps, replayed on stable: its corpus, and every input that ever failed.
//!
//! `just fuzz` looks for new ones. An input that fails goes into `fuzz/regressions/` under a name that says what it broke.
//! `TURNWISE_INPUT=<hex> cargo test -p fuzz-replay -- --exact <target> --nocapture` runs that input alone, and prints its steps.

#[path = "../../../fuzz/src/lib.rs"]
mod fuzz;

// The modules of the property tests call each other by these paths.
use fuzz::{counted, op, oracle};

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use fuzz::acp;
use fuzz::hostile::Fault;
use fuzz::jsonl;
use fuzz::manager::words::Lie as Rule;
use fuzz::table::Log;
use fuzz::world::Lie;
use fuzz::{TARGETS, Target};

/// An input takes milliseconds. One that takes this long waits for what never comes.
const DEADLINE: Duration = Duration::from_secs(60);

type Input = (String, Vec<u8>);

#[test]
fn operations() {
    replay("operations");
}

#[test]
fn schedule() {
    replay("schedule");
}

#[test]
fn hostile_keys() {
    replay("hostile_keys");
}

#[test]
fn manager() {
    replay("manager");
}

#[test]
fn jsonl() {
    replay("jsonl");
}

#[test]
fn acp() {
    replay("acp");
}

/// Every input is run, so that one failure does not hide the next; then the row for the tables, and a look at what the
/// corpus reaches.
fn replay(name: &str) {
    let target = target(name);
    if let Ok(hex) = env::var("TURNWISE_INPUT") {
        let bytes = bytes_of(&hex);
        let (log, end) = run(target.run, &bytes, DEADLINE);
        println!("{}", log.story(target, &bytes));
        return assert_eq!(end, Ok(()), "this input fails, as shown above");
    }
    let begin = Instant::now();
    let corpus = inputs(&format!("corpus/{name}"));
    let regressions = inputs(&format!("regressions/{name}"));
    let mut failures = String::new();
    let mut reached = BTreeSet::new();
    for (file, bytes) in corpus.iter().chain(&regressions) {
        let (log, end) = run(target.run, bytes, DEADLINE);
        reached.extend(log.kinds());
        if let Err(why) = end {
            failures += &format!("\n{file}: {why}\n{}\n", log.story(target, bytes));
        }
    }
    assert!(failures.is_empty(), "these inputs fail:\n{failures}");
    let missed: Vec<_> = (target.kinds)()
        .into_iter()
        .filter(|kind| !reached.contains(kind))
        .collect();
    // A corpus that leaves a step out would replay nothing of it.
    assert!(missed.is_empty(), "no input of the corpus has: {missed:#?}");
    println!(
        "fuzz-row | {} | {name} | {} | {:.1}",
        target.claims,
        corpus.len() + regressions.len(),
        begin.elapsed().as_secs_f64()
    );
}

/// The replay can fail: with a fault put into what is expected, it says the right words, draws the steps, and tells how to
/// replay them.
#[test]
fn a_model_that_lets_the_wrong_one_go_next_is_noticed() {
    let story = lie(Lie::FirstIsNotFirst, "step 2: ahead: 1, not 0");
    let rows: Vec<Vec<&str>> = story
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for row in [
        "1 try_enter 0 -> vacancy",
        "2 enter 0 -> place",
        "3 enter_first 0 -> place",
        "picture: target/explain/fuzz.schedule.svg",
    ] {
        let row: Vec<&str> = row.split_whitespace().collect();
        assert!(rows.contains(&row), "{row:?} is not told:\n{story}");
    }
    let hex = story.split("TURNWISE_INPUT=").nth(1);
    let hex = hex.and_then(|rest| rest.split(' ').next());
    assert_eq!(hex.map(bytes_of), Some(overtaken()), "the same bytes");
}

#[test]
fn a_wake_that_is_swallowed_is_noticed() {
    lie(Lie::WakesAreSwallowed, "a place is ready and was not woken");
}

/// Two wait for a vacancy, one in the first lane; it goes on, and the first looks.
fn overtaken() -> Vec<u8> {
    let steps = [
        (0, "try_enter"),
        (1, "enter"),
        (2, "enter_first"),
        (2, "place: poll"),
        (0, "vacancy: drop"),
        (2, "place: poll"),
    ];
    let bytes = steps.map(|(actor, name)| [fuzz::schedule::acts::byte(actor, name), 0]);
    [&[0, 0], bytes.as_flattened()].concat()
}

/// Runs it on a lying model, which must be noticed with these words; without the lie nothing is.
fn lie(lie: Lie, words: &str) -> String {
    let (target, bytes) = (target("schedule"), overtaken());
    let (_, honest) = run(target.run, &bytes, DEADLINE);
    assert_eq!(honest, Ok(()));
    let lying = move |bytes: &[u8], log: &Log| fuzz::schedule::run(bytes, log, Some(lie));
    let (log, end) = run(lying, &bytes, DEADLINE);
    let why = end.expect_err("the lie is not noticed");
    assert!(
        why.contains(words),
        "{lie:?} was noticed in other words: {why}"
    );
    log.story(target, &bytes)
}

#[test]
fn what_hostile_values_leave_is_noticed() {
    let call = fuzz::hostile::calls::byte;
    // A trap: at the next hash, enter the key again.
    let reentered = [0, 0, 0, 0, 0, call("try_enter"), 0];
    let entered = [0, call("try_enter"), 0, call("fill"), 0];
    let minute = Duration::from_secs(60);
    let faults: [(Fault, &[u8], Duration, &str); 3] = [
        (
            Fault::GuardForgotten,
            &entered,
            minute,
            "C11: 0 is Busy by ticket 1, which nobody has",
        ),
        (
            Fault::SessionForgotten,
            &entered,
            minute,
            "C12: 1 slots, 1 at rest, 2 sessions alive",
        ),
        (
            Fault::Deadlock,
            &reentered,
            Duration::from_millis(200),
            "a deadlock: no end after 200ms",
        ),
    ];
    for (fault, bytes, deadline, words) in faults {
        let target = target("hostile_keys");
        let (_, honest) = run(target.run, bytes, DEADLINE);
        assert_eq!(honest, Ok(()));
        let faulty = move |bytes: &[u8], log: &Log| fuzz::hostile::run(bytes, log, Some(fault));
        let (_, end) = run(faulty, bytes, deadline);
        let why = end.expect_err("the fault is not noticed");
        assert!(
            why.contains(words),
            "{fault:?} was noticed in other words: {why}"
        );
    }
}

#[test]
fn what_a_pi_must_not_be_told_is_noticed() {
    let step = |name| [jsonl::byte(name), 0];
    let bytes = ["begin", "cancel", "accept"].map(step);
    let bytes = [&[0], bytes.as_flattened()].concat();
    let faults = [
        (
            jsonl::Fault::NothingIsAccepted,
            "step 2: clear_queue is said while Asked, cancelled: true",
        ),
        (
            jsonl::Fault::SettledIsLost,
            "at the end: the turn never ends",
        ),
    ];
    let target = target("jsonl");
    let (_, honest) = run(target.run, &bytes, DEADLINE);
    assert_eq!(honest, Ok(()));
    for (fault, words) in faults {
        let faulty = move |bytes: &[u8], log: &Log| jsonl::run(bytes, log, Some(fault));
        let (_, end) = run(faulty, &bytes, DEADLINE);
        assert_eq!(end, Err(words.to_owned()), "{fault:?}");
    }
}

#[test]
fn what_an_agent_and_its_sessions_must_not_see_is_noticed() {
    let step = |name| [acp::byte(name), 0];
    let steps = ["open", "respond", "respond", "prompt", "call"].map(step);
    let bytes = [&[0], steps.as_flattened()].concat();
    let faults = [
        (acp::Fault::CutsLoseBytes, "step 1: at once None, in pieces"),
        (
            acp::Fault::RefusalsAreLost,
            "at the end: 1 requests 1 are not answered",
        ),
        (acp::Fault::EndsAreLost, "at the end: a turn is lost"),
    ];
    let target = target("acp");
    let (_, honest) = run(target.run, &bytes, DEADLINE);
    assert_eq!(honest, Ok(()));
    for (fault, words) in faults {
        let faulty = move |bytes: &[u8], log: &Log| acp::run(bytes, log, Some(fault));
        let (_, end) = run(faulty, &bytes, DEADLINE);
        let why = end.expect_err("the fault is not noticed");
        assert!(
            why.contains(words),
            "{fault:?} was noticed in other words: {why}"
        );
    }
}

/// A model of the manager with one rule broken: the replay says what is wrong, and so does an input that is kept.
#[test]
fn a_broken_rule_of_the_manager_is_noticed() {
    let hangs = 3;
    let obeys = 4;
    let panics = 2;
    let rules: [(Rule, &[(&str, usize)], &str); 6] = [
        (
            Rule::LastGoesFirst,
            &[
                ("turn", 0),
                ("send_message", hangs),
                ("send_message", hangs),
                ("end a turn", 0),
            ],
            "step 3: A6: key 0: turn:",
        ),
        (
            Rule::FailureIsNotShared,
            &[
                ("the next start", hangs),
                ("send_message", 0),
                ("send_message", 0),
                ("until something ends", 0),
            ],
            "step 3: key 0: phase: None, not Some(Idle)",
        ),
        (
            Rule::DirtyGoesOn,
            &[("send_message", panics)],
            "step 0: key 0: phase: None, not Some(Idle)",
        ),
        (
            Rule::StopIsPatient,
            &[("send_message", obeys), ("stop", 0)],
            "step 1: key 0: phase: None, not Some(Busy)",
        ),
        (
            Rule::StopsDoNotJoin,
            &[("turn", 0), ("stop", 0), ("stop", 0)],
            "step 2: key 0: waiting: 1, not 2",
        ),
        (
            Rule::DismissTakesTheGranted,
            &[
                ("turn", 0),
                ("turn, not polled", 0),
                ("end a turn", 0),
                ("dismiss", 0),
            ],
            "step 3: key 0: phase: Some(Busy), not Some(Idle)",
        ),
    ];
    let target = target("manager");
    let mut kept = inputs("corpus/manager");
    kept.extend(inputs("regressions/manager"));
    for (rule, steps, words) in rules {
        let steps = steps
            .iter()
            .flat_map(|&(name, act)| fuzz::manager::steps::bytes(name, 0, act));
        let bytes: Vec<u8> = [12, 0].into_iter().chain(steps).collect();
        let (_, honest) = run(target.run, &bytes, DEADLINE);
        assert_eq!(honest, Ok(()), "{rule:?}");
        let broken = move |bytes: &[u8], log: &Log| fuzz::manager::run(bytes, log, Some(rule));
        let (_, end) = run(broken, &bytes, DEADLINE);
        let why = end.expect_err("the broken rule is not noticed");
        assert!(
            why.contains(words),
            "{rule:?} was noticed in other words: {why}"
        );
        let noticed = |(_, bytes): &&Input| run(broken, bytes, DEADLINE).1.is_err();
        assert!(
            kept.iter().any(|input| noticed(&input)),
            "no input that is kept notices {rule:?}"
        );
    }
}

/// Runs an input in a thread of its own, so that a hang is a failure with words. What is wrong comes with the steps.
fn run(
    run: impl FnOnce(&[u8], &Log) -> Result<(), String> + Send + 'static,
    bytes: &[u8],
    deadline: Duration,
) -> (Log, Result<(), String>) {
    let log = Log::default();
    let (done, ended) = mpsc::channel();
    let (steps, input) = (log.clone(), bytes.to_vec());
    thread::spawn(move || {
        let end = catch_unwind(AssertUnwindSafe(|| run(&input, &steps)));
        // Nobody listens when it took too long.
        let _ = done.send(end.unwrap_or_else(|panic| Err(words(&*panic))));
    });
    let end = match ended.recv_timeout(deadline) {
        Ok(end) => end,
        Err(RecvTimeoutError::Timeout) => Err(format!(
            "a deadlock: no end after {deadline:?}, in the last step below"
        )),
        Err(RecvTimeoutError::Disconnected) => Err("its thread has gone".to_owned()),
    };
    (log, end)
}

/// What a panic says.
fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without words"))
}

fn target(name: &str) -> &'static Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    found.expect("the targets are listed")
}

/// The inputs in a folder, by name.
fn inputs(folder: &str) -> Vec<Input> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz")
        .join(folder);
    let files = fs::read_dir(&folder).expect("the folder is committed");
    let mut inputs: Vec<Input> = files
        .map(|file| file.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "md"))
        .map(|path| {
            let bytes = fs::read(&path).expect("the file can be read");
            (path.display().to_string(), bytes)
        })
        .collect();
    inputs.sort();
    inputs
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("TURNWISE_INPUT is text");
            u8::from_str_radix(pair, 16).expect("TURNWISE_INPUT is hexadecimal")
        })
        .collect()
}
