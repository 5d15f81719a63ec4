//! What the manager reports.
//!
//! | module | its one idea |
//! |---|---|
//! | `trace`, `reports`, `events` | to the log; as values; to subscribers |

pub(crate) mod events;
pub(crate) mod reports;
pub(crate) mod trace;
