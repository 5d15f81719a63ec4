//! A world for a real pi: folders of its own, and a stub of the model's service that it asks.

mod world;

pub use processes::{runs, within};
pub use world::World;
