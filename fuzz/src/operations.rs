//! Target `operations`: calls one after the other, each compared with the sequential model.
//!
//! The first byte chooses the settings and the end; of each pair that follows, the first chooses a call and the second its
//! key, or the guard it is made on. The calls, the model and the comparison after each step are those of the property tests.

use std::mem::discriminant;
use std::sync::LazyLock;

use super::Target;
use super::op::{MIX, Op};
use super::table::Log;
use super::world::{End, Setup, World};

pub(crate) const TARGET: Target = Target {
    name: "operations",
    claims: "C2 C3 C4 C5 C6 C7 C12 C13 C14",
    columns: &["caller"],
    kinds: || NAMES.iter().map(String::as_str).collect(),
    run,
};

/// Longer inputs find nothing that shorter ones do not, and take longer.
const LONGEST: usize = 200;

/// Makes the steps on a registry and on the model. What differs comes with the steps, ready for the replays of the property
/// tests.
fn run(bytes: &[u8], log: &Log) -> Result<(), String> {
    let (setup, end, ops) = decode(bytes);
    for &op in &ops {
        log.note(0, name(op), None);
    }
    World::run(setup, &ops, end, None)
        .map_err(|why| format!("{why}\n({setup:?}, End::{end:?}, &{ops:?}),"))
}

/// What the calls are called: as they are written.
static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let written = MIX.iter().map(|(_, make)| format!("{:?}", make(0)));
    written.map(|name| name.replace("(0)", "")).collect()
});

fn name(op: Op) -> &'static str {
    let is_it = |(_, make): &(u32, fn(u8) -> Op)| discriminant(&make(0)) == discriminant(&op);
    &NAMES[MIX
        .iter()
        .position(is_it)
        .expect("every call is in the mix")]
}

/// Settings, steps and the end.
fn decode(bytes: &[u8]) -> (Setup, End, Vec<Op>) {
    let (&settings, pairs) = bytes.split_first().unwrap_or((&0, &[]));
    let end = if settings & 4 == 0 {
        End::InOrder
    } else {
        End::RegistryFirst
    };
    let op = |pair: &[u8]| MIX[usize::from(pair[0]) % MIX.len()].1(pair[1]);
    (
        setup(settings),
        end,
        pairs.chunks_exact(2).map(op).take(LONGEST).collect(),
    )
}

/// Of the two lowest bits: shards, and limits.
pub(crate) fn setup(settings: u8) -> Setup {
    let limited = settings & 2 != 0;
    Setup {
        shards: if settings & 1 == 0 { 1 } else { 4 },
        max_sessions: limited.then_some(2),
        max_waiting: limited.then_some(2),
        first_incarnation: if limited { 1_000 } else { 1 },
    }
}
