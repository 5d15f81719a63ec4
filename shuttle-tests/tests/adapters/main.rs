//! The manager over shuttle's tokio, with a backend that does what a script says: the adapters' claims A1 to A17, tested and
//! not checked.
//!
//! A scenario is a few callers of one manager. It runs in random schedules and by PCT, and ends in one of the ways that it
//! lists, each of which must be seen. `world` is what it has, `backend` the script, `ledger` what must hold whatever happens,
//! `record` what a failure shows; `harness` and `schedule` are the histories'.
//!
//! Time is the scenario's: under shuttle's tokio a sleep is a yield, and a limit passes when `World::time_passes` says so.

#[path = "../histories/harness.rs"]
#[allow(dead_code)] // the histories use all of it
mod harness;
#[path = "../histories/schedule.rs"]
mod schedule;

mod a10_kept;
mod a11_discard;
mod a12_room;
mod a13_arrive;
mod a14_circle;
mod a15_catch_up;
mod a16_force;
mod a17_owned;
mod a1_timeouts;
mod a2_dirty;
mod a3_reaper;
mod a4_drain;
mod a5_start;
mod a6_abort;
mod a6_reach;
mod a7_cut;
mod a8_seen;
mod a9_first;
mod backend;
mod everything;
mod growth;
mod ledger;
mod limits;
mod listeners;
mod owner;
mod record;
mod world;
