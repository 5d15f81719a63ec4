//! A world for a real pi: the stub of the model's service that it asks, and folders of its own.

mod stub;
mod world;

pub use stub::Stub;
pub use world::{World, runs, within};
