//! How a history is run: by which schedulers, how often, from which seed, and how a failure is run again.
//!
//! Random schedules alone do not cover (83 of 90 orders of a small example after 5,000 runs), so each history is also run by
//! PCT, which finds every bug of a given depth with a known probability, and the smallest one by depth-first search to its end.

use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

/// `SHUTTLE_RANDOM_SEED` chooses other schedules than those of every day.
const SEED: u64 = 0x7475_726e_7769_7365;

/// Schedules for each scheduler; `just prove` runs more.
const SCHEDULES: usize = if cfg!(feature = "prove") {
    80_000
} else {
    4_000
};

/// Tests the history: `SCHEDULES` random ones, and as many for each depth of PCT.
pub(crate) fn sampled(history: fn()) {
    let seed = match std::env::var("SHUTTLE_RANDOM_SEED") {
        Ok(text) => text.parse().expect("SHUTTLE_RANDOM_SEED is a number"),
        Err(_) => SEED,
    };
    let _replay = Replay { seed };
    println!("seed {seed}, {SCHEDULES} schedules for each scheduler");
    run(RandomScheduler::new_from_seed(seed, SCHEDULES), history);
    run(PctScheduler::new_from_seed(seed, 2, SCHEDULES), history);
    run(PctScheduler::new_from_seed(seed, 3, SCHEDULES), history);
}

/// Checks every schedule of the history. `recorded` is how many there were when this was written down: fewer would mean that
/// something has become invisible to the scheduler. A search that is stopped by its cap is not a search through all.
pub(crate) fn exhausted(recorded: usize, history: impl Fn() + Send + Sync + 'static) {
    let cap = 4 * recorded;
    let count = run(DfsScheduler::new(Some(cap), false), history);
    println!("{count} schedules, exhausted");
    assert!(count < cap, "not exhausted within {cap} schedules");
    assert!(
        count >= recorded,
        "{count} schedules, {recorded} recorded: has a step become invisible?"
    );
}

fn run(scheduler: impl Scheduler + 'static, history: impl Fn() + Send + Sync + 'static) -> usize {
    let mut config = Config::new();
    // Formatting a panic takes more than the default in an unoptimised build.
    config.stack_size = 0x4_0000;
    config.max_steps = MaxSteps::FailAfter(50_000);
    // The warning says that shuttle is sequentially consistent: the engine's docs say so too.
    config.silence_warnings = true;
    Runner::new(scheduler, config).run(history)
}

/// Prints the command that runs a failed test again.
struct Replay {
    seed: u64,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            let test = thread.name().unwrap_or("all");
            eprintln!(
                "replay: SHUTTLE_RANDOM_SEED={} cargo test -p shuttle-tests {test} -- --exact --nocapture",
                self.seed
            );
        }
    }
}
