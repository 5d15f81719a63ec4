//! Bugs that shipped elsewhere, one test for each: what happened there, and that it does not happen to a manager's users.
//! (`tests/peers` has those of the registry alone; that a child's children go with it is the agent's to see to.)

mod actors;
mod crates;
mod programs;
