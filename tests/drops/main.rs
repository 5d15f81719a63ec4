//! User values whose drop panics at a moment when a guard, a session or a place in the line could be lost with it; and drops
//! that wait. Each was found by somebody who set out to break the crate.
//!
//! A fact of the language behind several: if a local or an argument panics in its drop while a function returns, the value
//! that is being returned is leaked. A guard that is leaked is a key that is stuck.
//!
//! Claims: C4, C5, C9, C11, C12.

// A test that hangs fails within a minute, and is named.
#[macro_use]
extern crate deadline_attribute;

mod bombs;
mod entries;
mod gone;
mod lines;
mod times;
