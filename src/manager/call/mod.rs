//! How a call gets its turn, and uses it.
//!
//! | module | its one idea |
//! |---|---|
//! | `sending` | a message, in a task of its own |
//! | `entering` | the future of a plain turn |
//! | `place` | a call's position in the queue, and how it becomes the turn of a healthy session |
//! | `turn` | that turn, and how user code runs in it |
//! | `room` | room for one more session, and which session makes room |

pub(crate) mod entering;
pub(crate) mod place;
mod room;
pub(crate) mod sending;
pub(crate) mod turn;
