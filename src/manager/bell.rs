//! Wakes all who wait for a change, also when one of their wakers panics. (tokio's `Notify` wakes none after that one.)

use crate::manager::run::discard;
use crate::registry::wake::each;
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    future::poll_fn,
    mem,
    task::{Poll, Waker},
};

#[derive(Debug, Default)]
pub(crate) struct Bell(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    wakers: BTreeMap<u64, Waker>,
    next: u64,
}

impl Bell {
    /// Something has changed: all who wait look again. A waker that panics is no matter of the one who changed it.
    pub(crate) fn ring(&self) {
        let wakers = mem::take(&mut self.0.lock().wakers);
        if let Some(payload) = each(wakers.into_values(), Waker::wake) {
            discard(payload);
        }
    }

    /// What `look` finds, now or after a change. Cancel-safe.
    ///
    /// The waker is there before the look: between the two a change wakes it.
    pub(crate) async fn found<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        let mut place = Place {
            bell: self,
            number: None,
        };
        poll_fn(move |cx| {
            // Most often it is there already, and nothing is cloned.
            if let Some(found) = look() {
                return Poll::Ready(found);
            }
            place.wait(cx.waker().clone());
            look().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// One who waits. Its waker goes with it.
struct Place<'a> {
    bell: &'a Bell,
    number: Option<u64>,
}

impl Place<'_> {
    fn wait(&mut self, waker: Waker) {
        let mut waiting = self.bell.0.lock();
        let number = *self.number.get_or_insert_with(|| {
            waiting.next += 1;
            waiting.next
        });
        let before = waiting.wakers.insert(number, waker);
        drop(waiting);
        drop(before);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let left = self.bell.0.lock().wakers.remove(&number);
            drop(left); // a waker, after the lock
        }
    }
}
