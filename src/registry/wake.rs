//! Waking and waiting, always outside all locks.

use crate::sync::{Deadline, Parker, catch_unwind, panicking, resume_unwind};
use std::{
    any::Any,
    mem,
    panic::AssertUnwindSafe,
    task::{Context, Poll, Waker},
};

/// Wakes all, even if a waker panics. Then the first panic continues, unless this thread is unwinding already.
#[inline]
pub(crate) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    raise(each(wakers, Waker::wake));
}

/// Calls `act` with every item, even after a panic. Returns the first panic, which the caller raises when the rest is done.
pub(crate) fn each<T>(items: impl IntoIterator<Item = T>, mut act: impl FnMut(T)) -> Panicked {
    let mut first = None;
    for item in items {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| act(item))) {
            match first {
                None => first = Some(panic),
                // Its drop is user code too, and could panic.
                Some(_) => mem::forget(panic),
            }
        }
    }
    first
}

/// The payload of a panic, if there was one.
pub(crate) type Panicked = Option<Box<dyn Any + Send>>;

/// Continues the panic, unless this thread is unwinding already: a second panic would abort the process.
#[inline]
pub(crate) fn raise(panicked: Panicked) {
    match panicked {
        Some(panic) if panicking() => mem::forget(panic),
        Some(panic) => resume_unwind(panic),
        None => {}
    }
}

/// Polls until there is a value, and parks this thread in between. Returns `None` if the deadline passes first.
pub(crate) fn block_on<T>(
    deadline: Option<&Deadline>,
    mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Option<T> {
    let parker = Parker::current();
    let waker = parker.waker();
    let mut cx = Context::from_waker(&waker);
    loop {
        // Poll before the clock is read: a call that is granted at the deadline is granted.
        if let Poll::Ready(value) = poll(&mut cx) {
            return Some(value);
        }
        if deadline.is_some_and(Deadline::passed) {
            return None;
        }
        parker.park(deadline);
    }
}
