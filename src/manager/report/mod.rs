//! What the manager reports.
//!
//! | module | its one idea |
//! |---|---|
//! | `stats` | the counters |
//! | `trace`, `reports`, `events` | the log; the values; the subscriptions |

pub(crate) mod events;
pub(crate) mod reports;
pub(crate) mod stats;
pub(crate) mod trace;
