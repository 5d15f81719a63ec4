//! State that may be waited for.

use crate::sync::{PoisonError, Unseen};
use std::{
    future::poll_fn,
    mem,
    task::{Poll, Waker},
};

#[derive(Debug, Default)]
pub(super) struct Watched<T>(Unseen<(T, Vec<Waker>)>);

impl<T> Watched<T> {
    pub(super) fn new(state: T) -> Self {
        Self(Unseen::new((state, Vec::new())))
    }

    fn with<R>(&self, act: impl FnOnce(&mut T, &mut Vec<Waker>) -> R) -> R {
        // A closure of a test may panic under the lock. It has changed nothing then.
        let mut locked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (state, waiting) = &mut *locked;
        act(state, waiting)
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        self.with(|state, _| look(state))
    }

    pub(super) fn change<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let (changed, waiting) = self.with(|state, waiting| (change(state), mem::take(waiting)));
        waiting.into_iter().for_each(Waker::wake);
        changed
    }

    /// Resolves when the state is so.
    pub(super) async fn until(&self, mut is_so: impl FnMut(&T) -> bool) {
        poll_fn(|cx| {
            self.with(|state, waiting| {
                if is_so(state) {
                    return Poll::Ready(());
                }
                if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                    waiting.push(cx.waker().clone());
                }
                Poll::Pending
            })
        })
        .await;
    }
}
