//! Explores one model within its bound, and fails if it did not explore what was recorded.
//!
//! loom can pass without having finished, and its environment can make it do so. This harness sets every field of loom's
//! builder, and asserts the number of executions and their set of outcomes. A model that always takes one side of a race fails.

use crate::{bounds::Bound, tracked};
use parking_lot::{
    Failure, in_model,
    record::{self, Events},
    tell,
};
use std::{
    any::Any,
    backtrace::{Backtrace, BacktraceStatus},
    cell::Cell,
    collections::BTreeMap,
    env,
    fmt::Write as _,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook},
    process::Command,
    sync::{
        Arc, Mutex, Once, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

/// The most steps of an execution. A model that needs more does not end, or should be two models.
const MAX_BRANCHES: usize = 2_000;

/// Explores `model` within `bound`. Each execution returns the name of its outcome.
///
/// Prints a line `model-row | ..` for `just prove`.
///
/// # Panics
///
/// If an execution fails or leaves a session or a slot behind, if the outcomes are not exactly those expected, or if the number
/// of executions is not the recorded one. The message begins with the claim and the model. A panic inside an execution prints a
/// line that begins with `FAILED`, the claim and the model, even if loom then ends the process.
pub(crate) fn check<O: AsRef<str>>(
    bound: &'static Bound,
    expected: &[&str],
    model: impl Fn() -> O + Send + Sync + 'static,
) {
    let name = format!("{} {}", bound.claim, bound.model);
    assert!(
        expected.len() > 1 || bound.one_outcome,
        "{name}: one expected outcome tells no race; say so in the bound if it is meant"
    );
    if runs_apart(bound) {
        return;
    }
    let seen = Arc::new(Seen::default());
    let begin = Instant::now();
    explore(bound, {
        let seen = Arc::clone(&seen);
        move || {
            parking_lot::begin_execution();
            tracked::begin_execution();
            SPAWNED.set(0);
            seen.add(model().as_ref());
            // Canaries leave things behind on purpose.
            if SPAWNED.get() > 0 {
                tracked::assert_nothing_left();
            }
            MOST_SPAWNED.set(MOST_SPAWNED.get().max(SPAWNED.get()));
        }
    });
    let seconds = begin.elapsed().as_secs_f64();
    // Canaries spawn by themselves, and are not counted.
    let threads = MOST_SPAWNED.take();
    assert!(
        threads == 0 || threads == bound.threads,
        "{name}: {threads} threads beside main, its bound says {}",
        bound.threads
    );

    let executions = seen.executions.load(Ordering::Relaxed);
    let outcomes = seen.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    let unlike = difference(&outcomes, expected);
    explain_outcomes(bound, &outcomes, expected);
    assert!(
        unlike.is_empty(),
        "{name}: the outcomes of {executions} executions are not the expected ones:{unlike}"
    );
    let recorded = bound.executions;
    assert!(
        executions >= recorded,
        "{name}: {executions} executions, {recorded} are recorded: less was explored than the bound says"
    );
    // With more preemptions than every day, the recorded number is a least one.
    let is_exact = bound.preemptions.is_none() || !cfg!(feature = "prove");
    assert!(
        executions == recorded || !is_exact,
        "{name}: {executions} executions, {recorded} are recorded. No claim failed, but the source takes other steps than before. If that is right, bounds.rs gets the new number"
    );
    println!(
        "model-row | {} | {} | {} | {} | {executions} | {} | {seconds:.1}",
        bound.claim,
        bound.model,
        bound.threads + 1,
        bound
            .preemptions
            .map_or_else(|| "none".to_owned(), |most| most.to_string()),
        if bound.preemptions.is_some() {
            "bounded"
        } else {
            "exhaustive"
        },
    );
}

/// Runs a model in a process of its own. Each execution maps and unmaps a stack for each thread of the model, and for that the threads of
/// one process wait for each other. In processes of their own, all models together take a third of the time.
///
/// `--exact` asks for one model, as that process does: it runs in place. So do canaries, whose tests may expect a failure.
fn runs_apart(bound: &Bound) -> bool {
    let is_test = thread::current().name() == Some(bound.model);
    if !is_test || bound.claim == "canary" || env::args().any(|argument| argument == "--exact") {
        return false;
    }
    let program = env::current_exe().expect("this program has a path");
    let mut alone = Command::new(program);
    alone.args([bound.model, "--exact", "--nocapture", "--quiet"]);
    let run = alone.output().expect("this program can be started again");
    let text = String::from_utf8_lossy(&run.stdout);
    let rows: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("model-row"))
        .collect();
    rows.iter().for_each(|row| println!("{row}"));
    eprint!("{}", String::from_utf8_lossy(&run.stderr));
    let (claim, model, status) = (bound.claim, bound.model, run.status);
    assert!(
        status.success() && !rows.is_empty(),
        "{claim} {model} fails: {status}, see above"
    );
    true
}

/// As [`check`], for models in which user code panics. `engine::unwind` runs in no other model.
///
/// The model runs while this thread unwinds, so `std::thread::panicking()` is always true for all model threads. If it changed
/// while one of them unwinds, std's locks inside loom's would be poisoned for the others. In turn, loom does not limit the steps
/// of an execution (the shims count some themselves), and tracks an access to a cell only at its beginning.
pub(crate) fn check_unwinding<O: AsRef<str>>(
    bound: &'static Bound,
    expected: &[&str],
    model: impl Fn() -> O + Send + Sync + 'static,
) {
    struct Explore<'a, F: FnOnce()> {
        run: Option<F>,
        end: &'a mut Option<thread::Result<()>>,
    }
    impl<F: FnOnce()> Drop for Explore<'_, F> {
        fn drop(&mut self) {
            if let Some(run) = self.run.take() {
                *self.end = Some(catch_unwind(AssertUnwindSafe(run)));
            }
        }
    }
    /// The payload that this thread unwinds with.
    struct Scene;

    name_failures();
    let mut end = None;
    let scene = catch_unwind(AssertUnwindSafe(|| {
        let _explore = Explore {
            run: Some(|| check(bound, expected, model)),
            end: &mut end,
        };
        resume_unwind(Box::new(Scene));
    }));
    assert!(
        scene.is_err_and(|payload: Box<dyn Any + Send>| payload.is::<Scene>()),
        "the model did not run while this thread unwound"
    );
    end.expect("the destructor has run")
        .unwrap_or_else(|payload| resume_unwind(payload));
}

/// For each outcome, the number of its executions and the events of the first.
type Outcomes = BTreeMap<String, (usize, Events)>;

/// The executions, by outcome.
#[derive(Default)]
struct Seen {
    executions: AtomicUsize,
    outcomes: Mutex<Outcomes>,
}

impl Seen {
    fn add(&self, outcome: &str) {
        self.executions.fetch_add(1, Ordering::Relaxed);
        // A failed execution of an unwinding model may have poisoned it. That model fails elsewhere.
        let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        match outcomes.get_mut(outcome) {
            Some((times, _)) => *times += 1,
            None => {
                outcomes.insert(outcome.to_owned(), (1, record::events()));
            }
        }
    }
}

fn explore(bound: &'static Bound, model: impl Fn() + Send + Sync + 'static) {
    // `new` reads the environment, so each field is set.
    let mut builder = loom::model::Builder::new();
    builder.max_threads = bound.threads + 1;
    builder.max_branches = MAX_BRANCHES;
    builder.max_permutations = None;
    builder.max_duration = None;
    builder.preemption_bound = bound.preemptions;
    builder.checkpoint_file = None;
    builder.checkpoint_interval = usize::MAX;
    builder.expect_explicit_explore = false;
    builder.location = false;
    builder.log = false;

    name_failures();
    RUNNING.set(Some(bound));
    parking_lot::model(|| builder.check(model));
}

thread_local! {
    /// The model that this thread explores.
    static RUNNING: Cell<Option<&'static Bound>> = const { Cell::new(None) };
    /// The threads of this execution, and the most of any execution.
    static SPAWNED: Cell<usize> = const { Cell::new(0) };
    static MOST_SPAWNED: Cell<usize> = const { Cell::new(0) };
}

/// Counts a model thread.
pub(crate) fn spawned() {
    SPAWNED.set(SPAWNED.get() + 1);
}

/// Prints the first panic of an execution with the model's name, in a hook: a panic in a destructor, or a deadlock, may end the
/// process before it unwinds to the harness. Scripted panics do not call the hook.
fn name_failures() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        // loom's coroutines set a hook at their first use, and a thread that unwinds can set none.
        loom::model::Builder::new().check(|| ());
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            let words = panic
                .payload()
                .downcast_ref::<&'static str>()
                .copied()
                .or_else(|| panic.payload().downcast_ref().map(String::as_str));
            // loom's coroutines end by a panic without words.
            let (true, Some(words)) = (in_model(), words) else {
                return before(panic);
            };
            parking_lot::fail();
            let bound = RUNNING.get().expect("a model is run by `explore`");
            let Bound { claim, model, .. } = bound;
            let place = panic.location().map(ToString::to_string);
            let place = place.unwrap_or_default();
            eprintln!("FAILED {claim} {model}: {words}\n  at {place}");
            let trace = Backtrace::capture();
            if trace.status() == BacktraceStatus::Captured {
                eprintln!("{trace}");
            }
            explain(bound, None, "", record::events(), Some(words));
        }));
    });
}

/// Prints the table of an execution on stderr, and writes its picture to a file with the name of the model and the outcome's number.
fn explain(bound: &Bound, number: Option<usize>, note: &str, events: Events, words: Option<&str>) {
    let failure = words.map(|words| Failure::here(&events, words));
    let name = format!(
        "{}{}",
        bound.model.replace("::", "."),
        number.map_or_else(String::new, |number| format!(".{number}"))
    );
    let note = match env::var(EXPLAIN) {
        Ok(of) if !of.is_empty() && !note.is_empty() => format!("{of}; {note}"),
        Ok(of) if !of.is_empty() => of,
        _ => note.to_owned(),
    };
    let model = bound.model;
    // The stacks of loom's threads are too small for this.
    let drawing = thread::spawn(move || {
        let trace = tell(model, &note, &events, failure.as_ref());
        format!("\n{}", trace.tell(&name))
    });
    let drawn = drawing.join();
    eprintln!(
        "{}",
        drawn.as_deref().unwrap_or("the trace cannot be drawn")
    );
}

/// Set by the `explain` tool to its note on the run. A model that passes then shows an execution for each outcome.
const EXPLAIN: &str = "TURNWISE_EXPLAIN";

/// Shows an execution for each unexpected outcome, or for each outcome if `explain` asks.
fn explain_outcomes(bound: &Bound, outcomes: &Outcomes, expected: &[&str]) {
    let asked = env::var_os(EXPLAIN).is_some();
    for (index, (outcome, (times, events))) in outcomes.iter().enumerate() {
        let is_expected = expected.contains(&outcome.as_str());
        if is_expected && !asked {
            continue;
        }
        let not = if is_expected { "" } else { ", not expected" };
        let note = format!("the first of {times} executions that end in \"{outcome}\"{not}");
        explain(bound, Some(index + 1), &note, events.clone(), None);
    }
}

/// One line for each outcome that was seen and not expected, or expected and not seen.
fn difference(seen: &Outcomes, expected: &[&str]) -> String {
    let mut lines = String::new();
    for (outcome, (times, _)) in seen {
        if !expected.contains(&outcome.as_str()) {
            let _infallible = write!(lines, "\n  not expected, seen {times} times: {outcome}");
        }
    }
    for outcome in expected {
        if !seen.contains_key(*outcome) {
            let _infallible = write!(lines, "\n  expected, never seen: {outcome}");
        }
    }
    lines
}
