//! What the manager reports.
//!
//! | module | its one idea |
//! |---|---|
//! | `stats` | the counters |
//! | `trace`, `reports` | the log; the values |
//! | `events`, `unread`, `ring` | the subscriptions; the events that one reader has not read; the last events of a session |

pub(crate) mod events;
pub(crate) mod reports;
pub(crate) mod ring;
pub(crate) mod stats;
pub(crate) mod trace;
pub(crate) mod unread;
