//! What users call.
//!
//! | module | its one idea |
//! |---|---|
//! | `builder` | the settings, and how a registry is made |
//! | `invariants` | what must hold between any two calls, as code |
//! | `idle`, `drain` | scans: idle sessions, all sessions; the end of the registry |
//! | `look` | every call that asks about a key, or changes it, without its turn |
//! | `reach` | every call that finds another call by its ticket |
//! | `registry` | every call that enters a key, replaces or removes it |

pub(crate) mod builder;
pub(crate) mod drain;
pub(crate) mod idle;
mod invariants;
mod look;
mod reach;
pub(crate) mod registry;
