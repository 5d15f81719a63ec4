//! Wakers that watch how the core treats them, and what polls and waits with one. See `tracked`.
#![allow(unsafe_code)]

use crate::kit::{Entry, Turn};
use loom::sync::Notify;
use parking_lot::{
    assert_unlocked,
    record::{What, record},
};
use std::{
    any::Any,
    future::Future,
    mem::ManuallyDrop,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
};
use turnwise::EnterError;

/// What a waker rings. Its wakers assert at each wake, clone and drop that no lock is held.
#[derive(Clone)]
pub(crate) struct Bell(Arc<Ring>);

struct Ring {
    /// The model thread that polls or waits with it.
    actor: usize,
    wakes: AtomicUsize,
    wakers: AtomicUsize,
    /// For a thread that waits; loom sees it, so a bell without one adds no steps.
    notify: Option<Notify>,
    /// For a waker whose wake panics.
    panics: bool,
}

impl Bell {
    /// For `poll`s by hand.
    pub(crate) fn new() -> Self {
        Self::with(None, false)
    }

    /// Its wake panics, by `engine::panic_now`.
    pub(crate) fn that_panics() -> Self {
        Self::with(None, true)
    }

    fn with(notify: Option<Notify>, panics: bool) -> Self {
        Self(Arc::new(Ring {
            actor: parking_lot::actor(),
            wakes: AtomicUsize::new(0),
            wakers: AtomicUsize::new(0),
            notify,
            panics,
        }))
    }

    pub(crate) fn waker(&self) -> Waker {
        // SAFETY: the functions of the table keep the contract of a waker: see there.
        unsafe { Waker::from_raw(self.0.raw()) }
    }

    /// How often a waker was used.
    pub(crate) fn wakes(&self) -> usize {
        self.0.wakes.load(Relaxed)
    }

    /// How many wakers exist: more than the model's own means that the core keeps one.
    pub(crate) fn wakers(&self) -> usize {
        self.0.wakers.load(Relaxed)
    }

    /// Polls once with a waker of this bell.
    pub(crate) fn poll<F>(&self, future: &mut F) -> Poll<F::Output>
    where
        F: Future<Output: 'static> + Unpin,
    {
        let waker = self.waker();
        let poll = pin!(future).poll(&mut Context::from_waker(&waker));
        match &poll {
            Poll::Ready(value) => answered(value),
            Poll::Pending => record(What::Note("pending", 0)),
        }
        poll
    }
}

/// Polls once, with a waker that nobody listens to.
pub(crate) fn poll_once<F>(future: &mut F) -> Poll<F::Output>
where
    F: Future<Output: 'static> + Unpin,
{
    Bell::new().poll(future)
}

/// What a wait came to, for the trace.
fn answered(value: &dyn Any) {
    record(match value.downcast_ref::<Result<Entry, EnterError>>() {
        Some(Ok(Entry::Occupied(turn))) => What::Granted(turn.number, Turn::ticket(turn).get()),
        Some(Ok(Entry::Vacant(vacancy))) => What::Granted(0, vacancy.ticket().get()),
        Some(Err(EnterError::Closed)) => What::Note("refused: closed", 0),
        Some(Err(EnterError::Dismissed)) => What::Note("refused: dismissed", 0),
        Some(Err(_)) => What::Note("refused", 0),
        None => What::Note("ready", 0),
    });
}

/// Runs a future in this model thread, asleep until its waker is used: a lost wake-up is a deadlock, which loom reports.
pub(crate) fn block_on<F: Future<Output: 'static>>(future: F) -> F::Output {
    let bell = Bell::with(Some(Notify::new()), false);
    let waker = bell.waker();
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            answered(&value);
            return value;
        }
        // Not loom's `park`: see the parker of `engine` for its faults.
        if let Some(notify) = &bell.0.notify {
            record(What::Wait);
            notify.wait();
            record(What::Woken);
        }
    }
}

impl Ring {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        Self::clone_raw,
        Self::wake_raw,
        Self::wake_by_ref_raw,
        Self::drop_raw,
    );

    /// One more waker.
    fn raw(self: &Arc<Self>) -> RawWaker {
        self.wakers.fetch_add(1, Relaxed);
        RawWaker::new(Arc::into_raw(Arc::clone(self)).cast(), &Self::TABLE)
    }

    fn wake(&self) {
        assert_unlocked("a wake");
        record(What::Wake(self.actor));
        self.wakes.fetch_add(1, Relaxed);
        if let Some(notify) = &self.notify {
            notify.notify();
        }
        if self.panics {
            engine::panic_now();
        }
    }

    /// Ends a waker.
    ///
    /// # Safety
    ///
    /// `ring` is from [`Ring::raw`], and was not ended before.
    unsafe fn end(ring: *const ()) -> Arc<Self> {
        // SAFETY: `raw` made it by `into_raw`, and by the contract nobody has taken its reference back.
        let ring = unsafe { Arc::from_raw(ring.cast::<Self>()) };
        ring.wakers.fetch_sub(1, Relaxed);
        ring
    }

    // The table's functions. A waker calls them with the pointer that it was made with, `wake` and `drop` at most once.

    unsafe fn clone_raw(ring: *const ()) -> RawWaker {
        assert_unlocked("the clone of a waker");
        // SAFETY: as above; the reference stays with the waker that is cloned.
        let ring = ManuallyDrop::new(unsafe { Arc::from_raw(ring.cast::<Self>()) });
        ring.raw()
    }

    unsafe fn wake_raw(ring: *const ()) {
        // SAFETY: as above; a wake ends the waker.
        unsafe { Self::end(ring) }.wake();
    }

    unsafe fn wake_by_ref_raw(ring: *const ()) {
        // SAFETY: as above; the waker is borrowed, so it keeps the ring alive.
        unsafe { &*ring.cast::<Self>() }.wake();
    }

    unsafe fn drop_raw(ring: *const ()) {
        assert_unlocked("the drop of a waker");
        // SAFETY: as above; a drop ends the waker.
        drop(unsafe { Self::end(ring) });
    }
}
