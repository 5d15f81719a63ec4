//! The slot of one key.
//!
//! | module | its one idea |
//! |---|---|
//! | `transitions`, `outcome`, `state` | the transitions of a slot; what they return; its states, and the slot lock |
//! | `queue`, `leaves`, `status` | who waits; what a call leaves for others; what anyone may read without the lock |

pub(crate) mod leaves;
pub(crate) mod outcome;
pub(crate) mod queue;
pub(crate) mod state;
pub(crate) mod status;
mod transitions;
