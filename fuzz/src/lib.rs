//! Bytes as steps: what the fuzzer mutates, and what `cargo test` replays on stable.
//!
//! The first byte chooses the settings and the end; of each pair that follows, the first chooses a call and the second its
//! key, or the guard it is made on. Every input is a valid sequence, so no run is wasted on refusing one. The calls, the
//! model and the comparison after each step are those of the property tests.

#[path = "../../tests/properties/counted.rs"]
#[allow(dead_code, unreachable_pub)] // The property tests use the rest.
pub(crate) mod counted;
#[path = "../../tests/properties/op.rs"]
#[allow(dead_code, unreachable_pub)]
pub(crate) mod op;
#[path = "../../tests/oracle/mod.rs"]
pub(crate) mod oracle;
#[path = "../../tests/properties/world/mod.rs"]
#[allow(dead_code, unreachable_pub)]
pub(crate) mod world;

use op::{MIX, Op};
use world::{End, Setup, World};

/// Longer inputs find nothing that shorter ones do not, and take longer.
const LONGEST: usize = 200;

/// Makes the steps on a registry and on the model.
///
/// # Panics
///
/// When they differ, or an invariant is broken: with the steps, ready for the replays of the property tests.
#[allow(unreachable_pub)] // The fuzz target calls it; in the replay it is a module's.
pub fn operations(bytes: &[u8]) {
    let (setup, end, ops) = decode(bytes);
    if let Err(why) = World::run(setup, &ops, end, None) {
        panic!("{why}\n({setup:?}, End::{end:?}, &{ops:?}),");
    }
}

/// Settings, steps and the end.
pub(crate) fn decode(bytes: &[u8]) -> (Setup, End, Vec<Op>) {
    let (&settings, pairs) = bytes.split_first().unwrap_or((&0, &[]));
    let limited = settings & 2 != 0;
    let setup = Setup {
        shards: if settings & 1 == 0 { 1 } else { 4 },
        max_sessions: limited.then_some(2),
        max_waiting: limited.then_some(2),
        first_incarnation: if limited { 1_000 } else { 1 },
    };
    let end = if settings & 4 == 0 {
        End::InOrder
    } else {
        End::RegistryFirst
    };
    let op = |pair: &[u8]| MIX[usize::from(pair[0]) % MIX.len()].1(pair[1]);
    (
        setup,
        end,
        pairs.chunks_exact(2).map(op).take(LONGEST).collect(),
    )
}
