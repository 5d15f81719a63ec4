//! How user code is run: a panic caught, a limit kept, and what must not be cut short moved to a task.

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

/// What a panic carried.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The value of the future that user code gives, or its panic: also that of the call, which need not be an `async fn`.
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

/// Drops it, and what panics in its drop goes no further.
pub(crate) fn drop_caught<T>(value: T) -> Result<(), Payload> {
    catch_unwind(AssertUnwindSafe(|| drop(value)))
}

/// Runs what must not stop its caller: should it panic, that goes no further.
pub(crate) fn quietly(act: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(act)) {
        discard(payload);
    }
}

/// The end of a turn, a start or a stop: the next in the queue is woken. Should its waker panic, that is no matter of who ends.
pub(crate) fn let_go<T>(guard: T) {
    quietly(|| drop(guard));
}

/// The panic hook has told it. Its drop is user code too.
pub(crate) fn discard(payload: Payload) {
    if let Err(second) = drop_caught(payload) {
        mem::forget(second);
    }
}

/// One poll, in the runtime: what is ready at once needs neither timer nor task.
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

/// The future's value, or `None` when the limit has passed first. The timer is the runtime's, whoever polls this.
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
        // A runtime that is gone has no time: it is over.
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

/// Runs user code to its end or to the limit. What is cut short is dropped before this returns, and a panic of that drop
/// goes no further.
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

/// The first of two; the left one if both are ready.
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

/// What `look` finds, which is asked again at each word. The wait for that is enabled before the look, so that what is told
/// between the two is not lost.
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

/// Runs to its end, also when who waits for it goes away: if it is not ready at once, in a task of its own. `None` if the
/// runtime was shut down, or the future panicked, which is told by the panic hook.
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
