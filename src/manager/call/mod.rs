//! How a call gets its turn, and uses it.
//!
//! | module | its one idea |
//! |---|---|
//! | `sending` | a message: the future of its sender |
//! | `deliver` | the task of a message |
//! | `parcel` | what these two share |
//! | `entering` | the future of a plain turn |
//! | `place` | a call's position in the queue |
//! | `establish` | how that becomes the turn of a healthy session |
//! | `start` | the start of a session, and how it is cut short |
//! | `own` | how a start acquires its key, if several processes share the keys |
//! | `room` | how a start waits for room, and which session makes it |
//! | `held` | what a call holds before its turn begins, and the session that it wants |
//! | `turn` | that turn, and how user code runs in it |

mod deliver;
pub(crate) mod entering;
mod establish;
mod held;
mod own;
mod parcel;
pub(crate) mod place;
mod room;
pub(crate) mod sending;
mod start;
pub(crate) mod turn;
