//! Runs user code: catches its panics, limits its time, and moves what must not be cut short to a task.

use crate::sync::{catch_unwind, in_runtime, keep_spare, resume_unwind, take_spare};
use std::{
    any::Any,
    future::{Future, poll_fn},
    mem,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{runtime::Handle, sync::Notify};

/// The payload of a panic.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The value of a future of user code, or its panic. The call that makes the future may panic too, and so may the future's drop.
pub(crate) fn caught<F: Future>(
    call: impl FnOnce() -> F,
) -> impl Future<Output = Result<F::Output, Payload>> {
    let mut call = Some(call);
    async move {
        let mut future = pin!(None);
        poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| {
                if let Some(call) = call.take() {
                    future.set(Some(call()));
                }
                let polled = here(future.as_mut()).poll(cx);
                if polled.is_ready() {
                    future.set(None);
                }
                polled
            }));
            match polled {
                Ok(polled) => polled.map(Ok),
                Err(payload) => {
                    let _ = end_here(future.as_mut()).map_err(discard);
                    Poll::Ready(Err(payload))
                }
            }
        })
        .await
    }
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

/// Polls once. A future that is ready at once needs neither a timer nor a task.
pub(crate) fn poll_once<T>(
    mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> impl Future<Output = Option<T>> {
    poll_fn(move |cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
}

/// Polls a future in the context of the runtime, on any thread: for its timers, and for those that user code makes in it.
///
/// A task of the runtime is in that context already. So this wraps only futures that a caller may poll.
pub(crate) fn inside<F: Future>(runtime: &Handle, future: F) -> impl Future<Output = F::Output> {
    async move {
        let mut future = pin!(future);
        poll_fn(|cx| in_runtime(runtime, || future.as_mut().poll(cx))).await
    }
}

/// The future's value, or `None` if the limit passes or `until` resolves first. After its first poll, it is polled only if `until` is not
/// ready.
pub(crate) fn within_until<T, U: Future<Output = ()>>(
    limit: Duration,
    mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
    until: impl FnOnce() -> U,
) -> impl Future<Output = Option<T>> {
    async move {
        if let Some(value) = poll_once(future.as_mut()).await {
            return Some(value);
        }
        let rest = async { either(pin!(until()), future).await.err() };
        Box::pin(timed(Some(limit), rest)).await.flatten()
    }
}

/// The future's value, or `None` if the limit passes first.
pub(crate) fn within<T>(
    limit: Option<Duration>,
    mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> impl Future<Output = Option<T>> {
    async move {
        if let Some(value) = poll_once(future.as_mut()).await {
            return Some(value);
        }
        // In a box, so that those that are ready at once need not have room for a timer.
        Box::pin(timed(limit, future)).await
    }
}

/// The rest of a future that was just polled, in this context: the first poll does not poll it again.
pub(crate) fn polled<T>(
    mut future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
) -> impl Future<Output = T> {
    let mut again = false;
    poll_fn(move |cx| {
        if !mem::replace(&mut again, true) {
            return Poll::Pending;
        }
        future.as_mut().poll(cx)
    })
}

/// The same as [`within`], for a future that is not ready at once.
pub(crate) async fn timed<T>(
    limit: Option<Duration>,
    future: impl Future<Output = T>,
) -> Option<T> {
    let Some(limit) = limit else {
        return Some(future.await);
    };
    let timeout = tokio::time::timeout(limit, caught(|| future));
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

/// Runs user code to its end, to the limit, or `until` something. Drops its future before this returns, and catches a panic of that drop.
/// The future is in a box, because those of a start and of a stop may be large.
pub(crate) async fn bounded<F: Future + Send, U: Future<Output = ()> + Send>(
    limit: Duration,
    until: impl FnOnce() -> U + Send,
    call: impl FnOnce() -> F + Send,
) -> Ended<F::Output> {
    Box::pin(bounded_here(limit, until, call)).await
}

/// The same without a box.
pub(crate) fn bounded_here<F: Future + Send, U: Future<Output = ()> + Send>(
    limit: Duration,
    until: impl FnOnce() -> U + Send,
    call: impl FnOnce() -> F + Send,
) -> impl Future<Output = Ended<F::Output>> + Send {
    async move {
        let mut future = pin!(Some(caught(call)));
        let ended = match within_until(limit, here(future.as_mut()), until).await {
            Some(Ok(value)) => Ended::Done(value),
            Some(Err(payload)) => {
                discard(payload);
                Ended::Panicked
            }
            None => Ended::Overran,
        };
        if let Err(payload) = end_here(future) {
            discard(payload);
        }
        ended
    }
}

/// The future in a place where it can be dropped.
pub(crate) fn here<F>(place: Pin<&mut Option<F>>) -> Pin<&mut F> {
    place.as_pin_mut().expect("it is there until it is dropped")
}

/// Drops it, and catches a panic of its drop.
pub(crate) fn end_here<F>(mut place: Pin<&mut Option<F>>) -> Result<(), Payload> {
    catch_unwind(AssertUnwindSafe(|| place.set(None)))
}

/// A future in memory that this thread has used for one before, if it was of the same type.
pub(crate) struct Reused<F>(Box<Pin<Box<Option<F>>>>);

impl<F: Future + Send + 'static> Reused<F> {
    pub(crate) fn new(future: F) -> Self {
        let spare = take_spare().and_then(|spare| spare.downcast().ok());
        let mut place: Box<Pin<Box<Option<F>>>> = spare.unwrap_or_else(|| Box::new(Box::pin(None)));
        place.as_mut().as_mut().set(Some(future));
        Self(place)
    }

    /// It has ended. The memory is for the next one.
    pub(crate) fn keep(mut self) {
        self.0.as_mut().as_mut().set(None);
        keep_spare(self.0);
    }
}

impl<F: Future> Future for Reused<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        here(self.0.as_mut().as_mut()).poll(cx)
    }
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
    match inside(runtime, caught(|| poll_once(future.as_mut()))).await {
        Ok(None) => runtime.spawn(future).await.ok(),
        Ok(value) => value,
        Err(payload) => {
            discard(payload);
            None
        }
    }
}
