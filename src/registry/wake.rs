//! Waking and waiting: always outside all locks.

use crate::sync::{Deadline, Parker, catch_unwind, panicking, resume_unwind};
use std::{
    any::Any,
    mem,
    panic::AssertUnwindSafe,
    task::{Context, Poll, Waker},
};

/// Wakes everybody, also when a waker panics; the first panic then goes on, unless this thread unwinds already.
#[inline]
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    raise(each(wakers, Waker::wake));
}

/// Does it to every item, whatever panics; the first panic is returned, to be raised when all that must be done is done.
pub(crate) fn each<T>(items: impl IntoIterator<Item = T>, mut act: impl FnMut(T)) -> Panicked {
    let mut first = None;
    for item in items {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| act(item))) {
            match first {
                None => first = Some(panic),
                // Its drop is user code too, and may panic.
                Some(_) => mem::forget(panic),
            }
        }
    }
    first
}

/// What a panic carried, if there was one.
pub(crate) type Panicked = Option<Box<dyn Any + Send>>;

/// The panic goes on, unless this thread unwinds already: a second one would end the process.
#[inline]
pub(crate) fn raise(panicked: Panicked) {
    match panicked {
        Some(panic) if panicking() => mem::forget(panic),
        Some(panic) => resume_unwind(panic),
        None => {}
    }
}

/// Polls until there is a value, this thread asleep in between; `None` when the deadline passed first.
pub(crate) fn block_on<T>(
    deadline: Option<&Deadline>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    let parker = Parker::current();
    let waker = parker.waker();
    let mut cx = Context::from_waker(&waker);
    loop {
        // The look comes before the clock: who is granted at the deadline is granted.
        if let Poll::Ready(value) = poll(&mut cx) {
            return Some(value);
        }
        if deadline.is_some_and(Deadline::passed) {
            return None;
        }
        parker.park(deadline);
    }
}
