//! Runs user code: catches its panics, limits its time, and moves what must not be cut short to a task.

use crate::sync::{catch_unwind, in_runtime, resume_unwind};
use std::{
    any::Any,
    future::{Future, poll_fn},
    mem,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};
use tokio::{runtime::Handle, sync::Notify};

/// The payload of a panic.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The value of a future of user code, or its panic. The call that makes the future may panic too.
pub(crate) async fn caught<F: Future>(call: impl FnOnce() -> F) -> Result<F::Output, Payload> {
    let mut future = pin!(async move { call().await });
    poll_fn(
        move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Err(payload) => Poll::Ready(Err(payload)),
        },
    )
    .await
}

/// Drops a value, and catches a panic of its drop.
pub(crate) fn drop_caught<T>(value: T) -> Result<(), Payload> {
    catch_unwind(AssertUnwindSafe(|| drop(value)))
}

/// Runs code whose panic must not reach the caller.
pub(crate) fn quietly(act: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(act)) {
        discard(payload);
    }
}

/// Drops a guard, which wakes the next caller. A panic of that waker must not reach the one that drops.
pub(crate) fn let_go<T>(guard: T) {
    quietly(|| drop(guard));
}

/// Drops the payload of a panic, which the panic hook has reported. Its drop is user code too.
pub(crate) fn discard(payload: Payload) {
    if let Err(second) = drop_caught(payload) {
        mem::forget(second);
    }
}

/// Polls once, in the context of the runtime. A future that is ready at once needs neither a timer nor a task.
pub(crate) async fn poll_once<T>(
    runtime: &Handle,
    mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> Option<T> {
    poll_fn(|cx| {
        let poll = in_runtime(runtime, || future.as_mut().poll(cx));
        Poll::Ready(match poll {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// The future's value, or `None` if the limit passes first. The timer is the runtime's, wherever this is polled.
pub(crate) async fn within<T>(
    runtime: &Handle,
    limit: Option<Duration>,
    mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> Option<T> {
    let Some(limit) = limit else {
        return Some(future.await);
    };
    if let Some(value) = poll_once(runtime, future.as_mut()).await {
        return Some(value);
    }
    let timeout = in_runtime(runtime, || tokio::time::timeout(limit, caught(|| future)));
    match caught(|| timeout).await {
        Ok(Ok(Ok(value))) => Some(value),
        Ok(Ok(Err(payload))) => resume_unwind(payload),
        Ok(Err(_)) => None,
        // The runtime is gone, and has no timer.
        Err(payload) => {
            discard(payload);
            None
        }
    }
}

/// User code that may fail, hang or panic.
pub(crate) enum Ended<T> {
    Done(T),
    Overran,
    Panicked,
}

/// Runs user code to its end or to the limit. Drops its future before this returns, and catches a panic of that drop.
pub(crate) async fn bounded<F: Future + Send>(
    runtime: &Handle,
    limit: Duration,
    call: impl FnOnce() -> F + Send,
) -> Ended<F::Output> {
    let mut future = Box::pin(caught(call));
    let ended = match within(runtime, Some(limit), future.as_mut()).await {
        Some(Ok(value)) => Ended::Done(value),
        Some(Err(payload)) => {
            discard(payload);
            Ended::Panicked
        }
        None => Ended::Overran,
    };
    if let Err(payload) = drop_caught(future) {
        discard(payload);
    }
    ended
}

/// The first of two futures to be ready; the left one if both are.
pub(crate) async fn either<A, B>(
    mut left: Pin<&mut (impl Future<Output = A> + ?Sized)>,
    right: impl Future<Output = B>,
) -> Result<A, B> {
    let mut right = pin!(right);
    poll_fn(move |cx| {
        if let Poll::Ready(value) = left.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        right.as_mut().poll(cx).map(Err)
    })
    .await
}

/// Returns what `look` finds, now or after a notification. The wait is enabled before the look, so a notification between the two
/// is not lost.
pub(crate) async fn found<T>(told: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let word = told.notified();
        let mut word = pin!(word);
        word.as_mut().enable();
        if let Some(found) = look() {
            return found;
        }
        word.await;
    }
}

/// Runs a future to its end, even if its caller goes away: if it is not ready at once, it moves to a task of its own. `None` if the
/// runtime was shut down, or if the future panicked, which the panic hook reports.
pub(crate) async fn uncut<T: Send + 'static>(
    runtime: &Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let mut future = Box::pin(future);
    match caught(|| poll_once(runtime, future.as_mut())).await {
        Ok(None) => runtime.spawn(future).await.ok(),
        Ok(value) => value,
        Err(payload) => {
            discard(payload);
            None
        }
    }
}
