//! What the manager reports.
//!
//! | module | its one idea |
//! |---|---|
//! | `trace`, `reports`, `events` | the log; the values; the subscriptions |

pub(crate) mod events;
pub(crate) mod reports;
pub(crate) mod trace;
