//! A world for real agents: the stub of the models' services that they ask, and folders of its own.

mod dialects;
mod stub;
mod world;

pub use stub::Stub;
pub use world::{Make, World, runs, within};
