//! The slot of one key.
//!
//! | module | its one idea |
//! |---|---|
//! | `transitions`, `outcome`, `state` | the transitions of a slot; their results; its states, and the slot lock |
//! | `queue`, `leaves`, `status` | the queue of a slot; what a call leaves for others; what anyone can read without the lock |
//! | `number` | the numbers of sessions and of calls |

pub(crate) mod leaves;
pub(crate) mod number;
pub(crate) mod outcome;
pub(crate) mod queue;
pub(crate) mod state;
pub(crate) mod status;
mod transitions;
