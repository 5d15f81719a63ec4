//! Bytes as steps: what the fuzzer mutates, and what `cargo test` replays on stable.
//!
//! | target | the bytes choose | against |
//! |---|---|---|
//! | `operations` | calls, one after the other | the sequential model |
//! | `schedule` | which of eight actors is begun, polled, woken, cancelled or timed out next | the sequential model |
//! | `hostile_keys` | calls, and what user values do meanwhile: panic, or call the registry | invariants, and who has what |
//! | `manager` | calls of a session manager, what its backend does, and the passing of time | a sequential model of the manager |
//! | `jsonl` | what a pi writes, in order or not, and what a turn does meanwhile | what may be said when, and that it ends |
//! | `acp` | what an agent writes, in order or not and in pieces, and what its sessions do meanwhile | the same, and the same bytes at once |
//!
//! Every input is a valid sequence, so no run is wasted on refusing one. A failure says what is wrong, draws the steps as a
//! table with a column for each who acts, and prints the command that replays the input on stable.

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

pub(crate) mod acp;
pub(crate) mod hostile;
pub(crate) mod jsonl;
pub(crate) mod manager;
pub(crate) mod operations;
pub(crate) mod schedule;
pub(crate) mod table;

use table::Log;

/// What a failing input is replayed as, how its bytes are run, and who its columns are.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code)] // The replay reads it all.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// The claims of PROOFS.md that it tests.
    pub(crate) claims: &'static str,
    pub(crate) columns: &'static [&'static str],
    /// Every kind of step: the corpus must take each.
    pub(crate) kinds: fn() -> Vec<&'static str>,
    /// `Err` says what is wrong. The log has the steps, also if this panics or hangs.
    pub(crate) run: fn(&[u8], &Log) -> Result<(), String>,
}

pub(crate) const TARGETS: [Target; 6] = [
    operations::TARGET,
    schedule::TARGET,
    hostile::TARGET,
    manager::TARGET,
    jsonl::TARGET,
    acp::TARGET,
];

/// For the fuzzer: runs the bytes.
///
/// # Panics
///
/// When something is wrong, with the table of the steps and the command that replays them.
#[allow(dead_code, unreachable_pub)] // The fuzz targets call it; in the replay it is a module's.
pub fn fuzz(target: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|known| known.name == target);
    let target = target.expect("the targets are listed");
    let log = Log::default();
    // Says the steps also if the library panics, in whose hook the fuzzer ends the process.
    let _told = log.told_in_panics(target, bytes);
    if let Err(why) = (target.run)(bytes, &log) {
        panic!("{why}");
    }
}
