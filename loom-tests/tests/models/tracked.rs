//! What the models give to the core, and what watches how the core treats it: sessions, keys and handles; wakers are in
//! `bell`.
//!
//! Each of them is user code to the core. Each asserts that it runs without a lock (C9), counts what happens to it, and a
//! session writes a memory cell at each use, so that a use that is not ordered after the one before is found (C1).
//!
//! The counters are std's: loom does not see them, and they add no steps. All model threads are one thread of the system.
//!
//! `unsafe`, of loom-tests, stands here and in `bell`: a memory cell that loom watches, and a waker that sees its clones.
#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use parking_lot::{
    assert_unlocked, in_model,
    record::{What, record},
};
use std::{
    cell::Cell,
    hash::{BuildHasher, Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

thread_local! {
    /// The sessions and the copies of keys that are alive in the running execution.
    static ALIVE: Cell<[isize; 2]> = const { Cell::new([0; 2]) };
}

fn count(sessions: isize, keys: isize) {
    let [s, k] = ALIVE.get();
    ALIVE.set([s + sessions, k + keys]);
}

pub(crate) fn begin_execution() {
    ALIVE.set([0; 2]);
}

/// Every session was dropped, and with each slot its key, which is a copy. A slot of a registry that is gone would be kept
/// by its shard, and the shard by the slot.
pub(crate) fn assert_nothing_left() {
    let [sessions, keys] = ALIVE.get();
    assert_eq!(
        (sessions, keys),
        (0, 0),
        "C12: sessions and keys that outlive the registry"
    );
}

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
        count(1, 0);
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
        count(-1, 0);
        if self.panics && in_model() {
            engine::panic_now();
        }
    }
}

/// The `K` of the models. Its number is its hash, see [`Plain`]. A copy has a mark, by which copies are counted.
#[derive(Debug)]
pub(crate) struct Key(pub(crate) u64);

impl Key {
    const COPY: u64 = 1 << 63;

    pub(crate) fn number(&self) -> u64 {
        self.0 & !Self::COPY
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        // The only user code that may run under the map lock.
        parking_lot::assert_no_slot_lock("the comparison of keys");
        self.number() == other.number()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert_unlocked("the hash of a key");
        state.write_u64(self.number());
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        assert_unlocked("the clone of a key");
        count(0, 1);
        Self(self.0 | Self::COPY)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        assert_unlocked("the drop of a key");
        if self.0 & Self::COPY != 0 {
            count(0, -1);
        }
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
