//! Property tests: random sequences of steps on a registry and on the sequential model, every answer compared.
//!
//! *Tested*, not checked: a sample. Fixed seeds, so that a change of the source is what makes a difference, and a
//! fresh one, so that the sample grows. A failure prints its seed and the shortest sequence that still fails:
//!
//! - `TURNWISE_SEED=<seed> cargo test --test properties` runs that seed alone, and finds it again;
//! - the list of steps, pasted into `replays.rs`, is run by every later `cargo test`.
//!
//! Claims: C1, C3, C5, C6, C7, C11, C12, C13, C14, C15.

#![allow(unreachable_pub)] // A test program exports nothing: `pub` says what its modules share.

// A test that hangs fails within a minute, and is named.
#[macro_use]
extern crate deadline_attribute;

#[path = "../oracle/mod.rs"]
mod oracle;

// The canary needs thousands of cases; Miri is for the memory, not for the comparison.
#[cfg(not(miri))]
mod canary;
mod counted;
mod op;
mod replays;
mod world;

use std::hash::{BuildHasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};

use op::Op;
use proptest::prelude::*;
use proptest::strategy::Union;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use world::{Checked, End, Lie, Setup, World};

/// Miri takes seconds for a sequence: one seed, and few cases.
const FIXED_SEEDS: &[u64] = if cfg!(miri) { &[1] } else { &[1, 2, 3] };
const CASES_PER_SEED: u32 = if cfg!(miri) { 1 } else { 1_000 };
/// In phrases of one to four steps.
const LONGEST: usize = if cfg!(miri) { 6 } else { 50 };
const LAST: usize = if cfg!(miri) { 2 } else { 10 };

const ONE_SHARD: Setup = Setup {
    shards: 1,
    max_sessions: None,
    max_waiting: None,
    first_incarnation: 1,
};
const FOUR_SHARDS: Setup = Setup {
    shards: 4,
    ..ONE_SHARD
};
const ONE_SHARD_LIMITED: Setup = Setup {
    max_sessions: Some(2),
    max_waiting: Some(2),
    first_incarnation: 1_000,
    ..ONE_SHARD
};
const FOUR_SHARDS_LIMITED: Setup = Setup {
    shards: 4,
    ..ONE_SHARD_LIMITED
};

#[test]
fn one_shard() {
    property(ONE_SHARD);
}

#[test]
fn four_shards() {
    property(FOUR_SHARDS);
}

#[test]
fn one_shard_with_limits() {
    property(ONE_SHARD_LIMITED);
}

#[test]
fn four_shards_with_limits() {
    property(FOUR_SHARDS_LIMITED);
}

fn property(setup: Setup) {
    let seeds = match std::env::var("TURNWISE_SEED") {
        Ok(seed) => vec![seed.parse().expect("TURNWISE_SEED is a number")],
        Err(_) if cfg!(miri) => FIXED_SEEDS.to_vec(),
        Err(_) => [FIXED_SEEDS, &[fresh_seed()]].concat(),
    };
    for seed in seeds {
        if let Err(failure) = sample(setup, seed, CASES_PER_SEED, None) {
            panic!("{failure}");
        }
    }
}

/// So many sequences from this seed.
fn sample(setup: Setup, seed: u64, cases: u32, lie: Option<Lie>) -> Checked {
    let config = Config {
        cases,
        max_shrink_iters: 100_000,
        failure_persistence: None, // The seed and the list of steps are what persists.
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let ends = prop::sample::select(&[End::InOrder, End::RegistryFirst]);
    let steps = prop::collection::vec(phrase(), 1..=LONGEST);
    let case = (steps, prop::collection::vec(last_phrase(), 0..=LAST), ends);
    let run = |(steps, last, end): (Vec<Vec<Op>>, Vec<Vec<Op>>, End)| {
        let compared = World::run(setup, &[steps, last].concat().concat(), end, lie);
        compared.map_err(TestCaseError::fail)
    };
    match TestRunner::new_with_rng(config, rng).run(&case, run) {
        Ok(()) => Ok(()),
        Err(TestError::Fail(_, (steps, last, end))) => {
            let ops = shortest([steps, last].concat().concat(), |ops| {
                fails(setup, ops, end, lie).is_some()
            });
            let why = fails(setup, &ops, end, lie).unwrap_or_default();
            Err(format!(
                "{why}\nTURNWISE_SEED={seed}\n({setup:?}, End::{end:?}, &{ops:?}),"
            ))
        }
        Err(TestError::Abort(why)) => Err(format!("the runner gave up: {why}")),
    }
}

/// A step, or a few that lead where a random one seldom does.
fn phrase() -> impl Strategy<Value = Vec<Op>> {
    use Op::{Advance, Claim, DropTurn, Fill, Observe, RemoveSeen, ReplaceSeen, TryEnter};
    let key = any::<u8>;
    let acts: [op::Make; 3] = [Claim, ReplaceSeen, RemoveSeen];
    let act = prop::sample::select(acts.to_vec());
    prop_oneof![
        12 => any_op().prop_map(|op| vec![op]),
        // A session is busy, or at rest for a while.
        1 => key().prop_map(|key| vec![TryEnter(key), Fill(0)]),
        1 => (key(), any::<u8>()).prop_map(|(key, time)| vec![TryEnter(key), Fill(0), DropTurn(0), Advance(time)]),
        // Something happens between a look and an act.
        1 => (key(), any_op(), act).prop_map(|(key, op, act)| vec![Observe(key), op, act(0)]),
    ]
}

/// A registry is drained only at the end: little can happen after it was closed.
fn last_phrase() -> impl Strategy<Value = Vec<Op>> {
    use Op::{Closed, Drain, DropTurn, Fill};
    prop_oneof![
        2 => Just(vec![Drain(0)]),
        2 => any::<u8>().prop_map(|turn| vec![DropTurn(turn)]),
        2 => any_op().prop_map(|op| vec![op]),
        1 => any::<u8>().prop_map(|closing| vec![Closed(closing), Fill(0), DropTurn(0)]),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    let one = |&(weight, make): &(u32, op::Make)| (weight, any::<u8>().prop_map(make));
    Union::new_weighted(op::MIX.iter().map(one).collect())
}

/// Why these steps fail, if they do: by a difference, or by a panic.
fn fails(setup: Setup, ops: &[Op], end: End, lie: Option<Lie>) -> Option<String> {
    let run = AssertUnwindSafe(|| World::run(setup, ops, end, lie));
    let panicked = |_| Err("panicked, see above".to_owned());
    catch_unwind(run).unwrap_or_else(panicked).err()
}

/// The steps without those that the failure does not need.
fn shortest(mut ops: Vec<Op>, still: impl Fn(&[Op]) -> bool) -> Vec<Op> {
    let mut index = ops.len();
    while index > 0 {
        index -= 1;
        let mut fewer = ops.clone();
        fewer.remove(index);
        if still(&fewer) {
            ops = fewer;
            index = ops.len().min(index + 1);
        }
    }
    ops
}

fn fresh_seed() -> u64 {
    RandomState::new().hash_one("a fresh seed")
}
