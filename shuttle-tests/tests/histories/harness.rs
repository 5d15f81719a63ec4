//! How a history is run: by which schedulers, how often, from which seeds, and how a failure is shown and run again.
//!
//! Random schedules alone do not cover (83 of 90 orders of a small example after 5,000 runs), so each history is also run by
//! PCT, which finds every bug of a given depth with a known probability, and the smallest ones by depth-first search to its
//! end.

use crate::record::Recorder;
use crate::schedule::{Choices, Written};
use shuttle::scheduler::{
    DfsScheduler, PctScheduler, RandomScheduler, Scheduler,
    UncontrolledNondeterminismCheckScheduler,
};
use shuttle::{Config, FailurePersistence, MaxSteps, Runner};
use std::any::Any;
use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Instant;
use trace::Trace;

/// The seeds of every day. Each run has one more, which it draws and prints; `TURNWISE_SEED` says which.
const SEEDS: [u64; 3] = [0x7475_726e, 0x7769_7365, 0x0c14];

/// How often `just prove` runs what `cargo test` runs once.
const TIMES: usize = if cfg!(feature = "prove") { 10 } else { 1 };

/// A history, and what it is a test of.
#[derive(Clone, Copy)]
pub(crate) struct History<F = fn()> {
    /// The path of its test.
    pub(crate) name: &'static str,
    pub(crate) claims: &'static str,
    /// Those that act: where the main one only waits for the others, it is not counted.
    pub(crate) tasks: usize,
    /// Schedules in all, but for `just prove`.
    pub(crate) schedules: usize,
    pub(crate) run: F,
}

impl<F: Fn() + Clone + Send + Sync + 'static> History<F> {
    /// Tests it in random schedules and by PCT, from each of the seeds. Prints a row for the table of histories.
    pub(crate) fn sampled(&self) {
        self.is_named();
        if let Some(choices) = replay() {
            return self.replayed(&choices);
        }
        assert!(
            std::env::var_os("SHUTTLE_RANDOM_SEED").is_none(),
            "SHUTTLE_RANDOM_SEED is put in the place of every seed; TURNWISE_SEED adds one"
        );
        let begin = Instant::now();
        let fresh = match std::env::var("TURNWISE_SEED") {
            Ok(text) => text.parse().expect("TURNWISE_SEED is a number"),
            Err(_) => RandomState::new().hash_one(begin),
        };
        println!("fresh seed {fresh}");
        let each = (self.schedules * TIMES).div_ceil((SEEDS.len() + 1) * 3);
        let mut count = 0;
        for seed in SEEDS.into_iter().chain([fresh]) {
            let seeded = format!("seed: {seed}");
            let random = RandomScheduler::new_from_seed(seed, each);
            count += self.must(attempt(random, self.run.clone()), &seeded);
            for depth in [2, 3] {
                let pct = PctScheduler::new_from_seed(seed, depth, each);
                count += self.must(attempt(pct, self.run.clone()), &seeded);
            }
        }
        self.row("random, pct 2, pct 3", count, "sampled", begin);
    }

    /// Checks every schedule. `recorded` is how many there were when this was written down: fewer would mean that something
    /// has become invisible to the scheduler. A search that is stopped by its cap is not a search through all.
    pub(crate) fn exhausted(&self, recorded: usize) {
        self.is_named();
        if let Some(choices) = replay() {
            return self.replayed(&choices);
        }
        let begin = Instant::now();
        let count = self.must(exhaust(recorded, self.run.clone()), "every schedule");
        self.row("dfs", count, "exhaustive", begin);
    }

    /// Runs each of some schedules twice, and fails if anything but the scheduler decides what happens.
    pub(crate) fn determined(&self, schedules: usize) {
        let random = RandomScheduler::new_from_seed(SEEDS[0], schedules);
        let twice = UncontrolledNondeterminismCheckScheduler::new(random);
        let count = self.must(attempt(twice, self.run.clone()), "each schedule twice");
        assert_eq!(count, 2 * schedules, "each schedule runs twice");
    }

    fn replayed(&self, choices: &Choices) {
        let count = self.must(attempt(choices.replay(), self.run.clone()), "replayed");
        println!("{count} schedule, replayed");
    }

    /// The name is what a replay is asked for.
    fn is_named(&self) {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("main");
        assert!(
            thread == "main" || thread == self.name,
            "{} is run by the test {thread}",
            self.name
        );
    }

    fn must(&self, end: Result<usize, Failure>, how: &str) -> usize {
        end.unwrap_or_else(|failure| panic!("{}", failure.report(self, how)))
    }

    fn row(&self, schedulers: &str, count: usize, kind: &str, begin: Instant) {
        let Self {
            name,
            claims,
            tasks,
            ..
        } = self;
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "history-row | {claims} | {name} | {tasks} | {schedulers} | {count} | {kind} | {seconds:.1}"
        );
    }
}

/// What is needed to understand a failure, and to have it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Those of the panic.
    pub(crate) words: String,
    /// The history, a column for each task.
    pub(crate) trace: Box<Trace>,
    pub(crate) choices: Choices,
}

impl Failure {
    /// All of it, in words; the last line is the command that runs it again.
    pub(crate) fn report<F>(&self, history: &History<F>, how: &str) -> String {
        let Self {
            words,
            trace,
            choices,
        } = self;
        let (name, claims) = (history.name, history.claims);
        let mut trace = Trace::clone(trace).failed(None, words);
        trace.title = name.to_owned();
        let told = trace.tell(&name.replace("::", "."));
        format!(
            "FAILED {claims} {name}: {words}\n\n{told}\n{how}\n\
             replay: {REPLAY}={choices} cargo test -p {PACKAGE} --test {PROGRAM} {name} -- --exact --nocapture\n"
        )
    }
}

/// The package and the test program that this is compiled into.
const PACKAGE: &str = env!("CARGO_PKG_NAME");
const PROGRAM: &str = env!("CARGO_CRATE_NAME");

/// The variable that holds a schedule to be run again.
pub(crate) const REPLAY: &str = "TURNWISE_REPLAY";

/// Is one schedule run again, and no others?
#[allow(dead_code)] // of the programs that this is compiled into, one asks
pub(crate) fn is_replay() -> bool {
    std::env::var_os(REPLAY).is_some()
}

fn replay() -> Option<Choices> {
    let word = std::env::var(REPLAY).ok()?;
    Some(Choices::parse(&word).expect("TURNWISE_REPLAY is a schedule that was printed"))
}

/// Runs it until the scheduler has no more schedules, or one has failed.
pub(crate) fn attempt(
    scheduler: impl Scheduler + 'static,
    run: impl Fn() + Send + Sync + 'static,
) -> Result<usize, Failure> {
    let (scheduler, choices) = Written::new(scheduler);
    let mut config = Config::new();
    // Formatting a panic takes more than the default in an unoptimised build.
    config.stack_size = 0x4_0000;
    config.max_steps = MaxSteps::FailAfter(50_000);
    config.failure_persistence = FailurePersistence::None;
    // The warning says that shuttle is sequentially consistent: the engine's docs say so too.
    config.silence_warnings = true;
    // What another execution has left there is not this one's history.
    Recorder::begin();
    let runner = Runner::new(scheduler, config);
    catch_unwind(AssertUnwindSafe(|| runner.run(run))).map_err(|payload| {
        let choices = choices.lock().unwrap_or_else(PoisonError::into_inner);
        let recorder = Recorder::current();
        Failure {
            words: recorder.words(words(&*payload)),
            trace: Box::new(recorder.trace("")),
            choices: choices.clone(),
        }
    })
}

/// Runs every schedule, and says how many there are.
pub(crate) fn exhaust(
    recorded: usize,
    run: impl Fn() + Send + Sync + 'static,
) -> Result<usize, Failure> {
    let cap = 4 * recorded;
    let count = attempt(DfsScheduler::new(Some(cap), false), run)?;
    println!("{count} schedules, exhausted");
    assert!(count < cap, "not exhausted within {cap} schedules");
    assert!(
        count >= recorded,
        "{count} schedules, {recorded} recorded: has a step become invisible?"
    );
    Ok(count)
}

fn words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

/// The outcomes that some schedule led to; plain std, invisible to the scheduler.
pub(crate) type Outcomes<T> = Arc<std::sync::Mutex<std::collections::BTreeSet<T>>>;
