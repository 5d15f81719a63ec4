//! Nodes over a simulated engine and network, from thousands of seeds: clocks of other rates, stopped machines, cut links, messages that
//! are lost, late, doubled and out of order. Nothing here is a copy of the protocol: the nodes are those that ship.
//!
//! Claims: B1, B2, B4, B8, B12.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;
#[macro_use]
extern crate deadline_attribute;

mod b01_exclusion;
mod b02_fence;
mod b04_loss;
mod b08_unknown;
mod b12_register;
mod ships;
mod swarm;
