//! What the models give to the core, and what watches how the core treats it: sessions, keys, handles and wakers.
//!
//! Each of them is user code to the core. Each asserts that it runs without a lock (C9), counts what happens to it, and a
//! session writes a memory cell at each use, so that a use that is not ordered after the one before is found (C1).
//!
//! The counters are std's: loom does not see them, and they add no steps. All model threads are one thread of the system.
//!
//! The one file with `unsafe` of loom-tests: a memory cell that loom watches, and a waker that sees its clones.
#![allow(unsafe_code)]

use crate::kit::{Entry, Turn};
use loom::{cell::UnsafeCell, sync::Notify};
use parking_lot::{
    assert_unlocked, in_model,
    record::{What, record},
};
use std::{
    any::Any,
    future::Future,
    hash::{BuildHasher, Hash, Hasher},
    mem::ManuallyDrop,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Waker},
};
use turnwise::EnterError;

/// A memory cell that loom watches: two accesses that are not ordered fail the model ("Causality violation").
#[derive(Debug)]
pub(crate) struct Memory(UnsafeCell<u64>);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(0))
    }

    /// One more, and how many there were.
    pub(crate) fn write(&self) -> u64 {
        self.0.with_mut(|value| {
            // SAFETY: loom hands out the pointer only if every earlier access is ordered before this one, and the closure
            // contains no step at which another model thread could go on.
            unsafe {
                *value += 1;
                *value - 1
            }
        })
    }
}

/// What became of the sessions of one execution.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
    /// Written at the start and at the end of each session, where they must come one after the other.
    life: Option<Mutex<Memory>>,
}

impl Tally {
    /// For claims about one session at a time. The counts are std's, and loom takes executions for the same that differ in
    /// them alone: of a start that comes before an end, and could come after it, it may show one. This memory cell tells:
    /// a start, or a look at none alive, that is not ordered after the last end is a causality violation, whichever came
    /// first.
    pub(crate) fn one_at_a_time() -> Self {
        Self(Arc::new(Counts {
            life: Some(Mutex::new(Memory::new())),
            ..Counts::default()
        }))
    }

    /// A session, numbered in the order made: 1, 2, ..
    pub(crate) fn session(&self) -> Session {
        assert_unlocked("the start of a session");
        let number = self.0.made.fetch_add(1, Relaxed) + 1;
        record(What::Note("start session", number));
        Session {
            number,
            memory: Memory::new(),
            counts: Arc::clone(&self.0),
            panics: false,
        }
    }

    /// Its drop panics, by `engine::panic_now`.
    pub(crate) fn session_whose_drop_panics(&self) -> Session {
        let mut session = self.session();
        session.panics = true;
        session
    }

    /// As [`Tally::session`], where claim C2 holds: no other session is alive.
    pub(crate) fn only_session(&self) -> Session {
        let alive = self.alive();
        assert!(alive == 0, "C2: a session starts while {alive} are alive");
        self.0.write_life();
        self.session()
    }

    /// All that were made are gone, and this moment is ordered after their ends.
    pub(crate) fn none_alive(&self, words: &str) {
        self.0.write_life();
        assert_eq!(self.alive(), 0, "{words}");
    }

    pub(crate) fn made(&self) -> usize {
        self.0.made.load(Relaxed)
    }

    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.load(Relaxed)
    }

    /// Made, and not dropped.
    pub(crate) fn alive(&self) -> usize {
        self.made() - self.dropped()
    }
}

impl Counts {
    fn write_life(&self) {
        if let (Some(life), true) = (&self.life, in_model()) {
            life.lock().unwrap_or_else(PoisonError::into_inner).write();
        }
    }
}

/// The `V` of the models.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) number: usize,
    memory: Memory,
    counts: Arc<Counts>,
    panics: bool,
}

impl Session {
    /// Uses the session: how often it was used before.
    pub(crate) fn work(&self) -> u64 {
        record(What::Note("use session", self.number));
        self.memory.write()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        record(What::Note("drop session", self.number));
        assert_unlocked("the drop of a session");
        if in_model() {
            // The end is a use: it comes after all others.
            self.memory.write();
        }
        self.counts.write_life();
        self.counts.dropped.fetch_add(1, Relaxed);
        if self.panics && in_model() {
            engine::panic_now();
        }
    }
}

/// The `K` of the models. Its value is its hash, see [`Plain`].
#[derive(Debug)]
pub(crate) struct Key(pub(crate) u64);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        // The only user code that may run under the map lock.
        parking_lot::assert_no_slot_lock("the comparison of keys");
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert_unlocked("the hash of a key");
        state.write_u64(self.0);
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        assert_unlocked("the clone of a key");
        Self(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        assert_unlocked("the drop of a key");
    }
}

/// The hasher of the models. A random one would make loom silently wrong: an execution must be the same each time.
///
/// The hash of a number is that number, also in the bits above 40 (where shards are chosen) and 57 (where hashbrown takes
/// its tag): neighbours are in different shards, 0 and 2 in the same of two.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plain;

impl BuildHasher for Plain {
    type Hasher = PlainHasher;

    fn build_hasher(&self) -> PlainHasher {
        PlainHasher(0)
    }
}

#[derive(Debug)]
pub(crate) struct PlainHasher(u64);

impl Hasher for PlainHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("keys of models are numbers");
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number << 57 | number << 40 | number;
    }
}

/// The `H` of the models.
#[derive(Debug)]
pub(crate) struct Handle(pub(crate) u64);

impl Drop for Handle {
    fn drop(&mut self) {
        assert_unlocked("the drop of a handle");
    }
}

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
