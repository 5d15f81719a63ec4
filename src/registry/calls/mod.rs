//! What users call.
//!
//! | module | its one idea |
//! |---|---|
//! | `builder` | the settings of a registry |
//! | `invariants` | the invariants between any two calls, as code |
//! | `idle`, `drain` | scans: idle sessions, all sessions; the end of the registry |
//! | `look` | the calls that read a key, or change it, without its turn |
//! | `reach` | the calls that find another call by its ticket |
//! | `arrive` | how a call arrives at its key |
//! | `registry` | every call that enters a key, or replaces or removes its session |

// The documentation shows the calls of `Registry` in the order of these modules.
pub(crate) mod registry;

mod arrive;
mod look;

pub(crate) mod idle;

mod reach;

pub(crate) mod builder;

pub(crate) mod drain;
mod invariants;
