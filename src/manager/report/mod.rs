//! What the manager reports.
//!
//! | module | its one idea |
//! |---|---|
//! | `stats` | the counters |
//! | `trace`, `reports` | the log; the values |
//! | `events`, `ring`, `unread` | the subscriptions; the last events of a session; the events that one reader has not read |

pub(crate) mod events;
pub(crate) mod reports;
pub(crate) mod ring;
pub(crate) mod stats;
pub(crate) mod trace;
pub(crate) mod unread;
