//! The slot of one key.
//!
//! | module | its one idea |
//! |---|---|
//! | `transitions`, `claims` | the transitions of a slot; those by which policy ends an idle session, and what prevents that |
//! | `outcome`, `state` | their results; its states, and the slot lock |
//! | `queue`, `leaves`, `status` | the queue of a slot; what a call leaves for others; what anyone can read without the lock |
//! | `number` | the numbers of sessions and of calls |

mod claims;
pub(crate) mod leaves;
pub(crate) mod number;
pub(crate) mod outcome;
pub(crate) mod queue;
pub(crate) mod state;
pub(crate) mod status;
mod transitions;
