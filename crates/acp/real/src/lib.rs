//! A world for real agents: folders of its own, and a stub of the models' services that they ask.

mod world;

pub use processes::{runs, within};
pub use world::{Make, World};
