//! For tests: an engine in memory, a simulated world of machines, and the checker of histories.
//!
//! | module | its one idea |
//! |---|---|
//! | `link` | the engine, as a machine of a world reaches it |
//! | `world` | machines with clocks of their own, and a network that loses, delays and doubles messages |
//! | `memory` | an engine in memory, without faults |
//! | `held` | acquisitions outside of a manager |
//! | `history` | what happened, and whether it may |
//! | `queue` | the tasks of a world |
//! | `store` | the engine itself: a sequential machine |
//! | `chance` | numbers from a seed |

mod chance;
mod held;
mod history;
mod link;
mod memory;
mod queue;
mod store;
mod world;

pub use chance::Chance;
pub use held::Held;
pub use history::{Did, History};
pub use link::Link;
pub use memory::MemoryEngine;
pub use world::{Faults, World};
