//! Bugs that shipped elsewhere, one test for each: what happened there, and that it does not happen here.
//!
//! The cases that concern what runs in a session (dirty turns, process groups) are the adapters'.
//!
//! Claims: C1, C2, C3, C4, C5, C6, C7, C8, C9, C11.

// A test that hangs fails within a minute, and is named.
#[macro_use]
extern crate deadline_attribute;

mod actors;
mod crates;
mod programs;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use turnwise::*;

type Sessions<V = u32> = Registry<&'static str, V, u32>;
type Place<V = u32> = Enter<&'static str, V, u32>;

/// Long enough for any machine: only a failure waits for it.
const GENEROUS: Duration = Duration::from_secs(60);
const MINUTE: Duration = Duration::from_secs(60);

/// One shard, so that all keys meet under one lock.
fn on_one_shard<V>() -> (Sessions<V>, ClockHand) {
    let (clock, hand) = Clock::manual();
    (Registry::builder().shards(1).clock(clock).build(), hand)
}

fn started(sessions: &Sessions, key: &'static str) -> Turn<&'static str, u32, u32> {
    let entry = sessions.enter_blocking(&key).expect("the registry is open");
    entry.or_insert(1)
}

fn phase<V>(sessions: &Sessions<V>, key: &'static str) -> Option<Phase> {
    sessions.status(&key).map(|status: Status| status.phase)
}

fn poll<V>(place: &mut Place<V>) -> Poll<Result<Entry<&'static str, V, u32>, EnterError>> {
    Pin::new(place).poll(&mut Context::from_waker(Waker::noop()))
}

fn vacancy<V>(
    entry: Result<Entry<&'static str, V, u32>, EnterError>,
) -> Vacancy<&'static str, V, u32> {
    match entry {
        Ok(Entry::Vacant(vacancy)) => vacancy,
        _ => panic!("a vacancy was expected"),
    }
}
