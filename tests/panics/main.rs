//! User code that panics: keys, closures, sessions, wakers. Each leaves the registry usable and its counts right.
//!
//! The panics call no hook, so that the output of the tests stays readable.
//!
//! Claims: C2, C4, C9, C11, C12.

// A test that hangs fails within a minute, and is named.
#[macro_use]
extern crate deadline_attribute;

mod closures;
mod keys;
mod sessions;
mod wakers;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use turnwise::{Enter, EnterError, Entry, Registry};

fn explode() -> ! {
    resume_unwind(Box::new("user code panics"))
}

fn panics(act: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(act)).is_err()
}

fn poll<K, V>(enter: &mut Enter<K, V>, waker: &Waker) -> Poll<Result<Entry<K, V>, EnterError>> {
    Pin::new(enter).poll(&mut Context::from_waker(waker))
}

/// Room for this many more keys, no more and no less: the limit's count is exact.
fn assert_room<V>(sessions: &Registry<u8, V>, room: usize) {
    sessions.check_invariants();
    let before = sessions.len();
    let probes: Vec<_> = (100..=255)
        .map_while(|key| sessions.try_enter(&key).ok())
        .collect();
    assert_eq!(probes.len(), room, "room for other keys");
    drop(probes);
    assert_eq!(sessions.len(), before);
    sessions.check_invariants();
}

const ROOM: usize = 8;

fn limited<V>() -> Registry<u8, V> {
    Registry::builder().max_sessions(ROOM).build()
}

#[derive(Default)]
struct Wakes {
    count: AtomicUsize,
    explodes: AtomicBool,
}

impl Wakes {
    fn bomb() -> Arc<Self> {
        Arc::new(Self {
            explodes: true.into(),
            ..Self::default()
        })
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.count.fetch_add(1, Ordering::Relaxed);
        if self.explodes.load(Ordering::Relaxed) {
            explode();
        }
    }
}
