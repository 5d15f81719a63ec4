//! Wakes all tasks that wait for a change, even if one of their wakers panics. (tokio's `Notify` wakes none after that one.)

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
    /// Something has changed: wakes all waiters, which check again. A panic of a waker does not reach the caller.
    pub(crate) fn ring(&self) {
        let wakers = mem::take(&mut self.0.lock().wakers);
        if let Some(payload) = each(wakers.into_values(), Waker::wake) {
            discard(payload);
        }
    }

    /// Returns what `look` finds, now or after a change. Cancel-safe.
    ///
    /// The waker is stored before the second look, so a change between the two wakes it.
    pub(crate) async fn found<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        let mut place = Place {
            bell: self,
            number: None,
        };
        poll_fn(move |cx| {
            // Usually it is there already, and no waker is cloned.
            if let Some(found) = look() {
                return Poll::Ready(found);
            }
            place.wait(cx.waker().clone());
            look().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// A waiter. Its drop removes its waker.
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
