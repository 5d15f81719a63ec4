//! The one file that differs between what ships and what is checked.
//!
//! All that a model checker must see or decide is imported from here and nowhere else: atomics, posted words, `Arc` and
//! `Weak`, whether this thread unwinds, the parker of a waiting thread, the two clocks, the step of a scan, and the seed of
//! the hashes.
//! Locks are imported from `parking_lot`; loom-tests and shuttle-tests put their own crate under that name.

/// The crate `engine` of loom-tests or of shuttle-tests.
#[cfg(feature = "model")]
pub(crate) use engine::{
    Arc, Deadline, Parker, Posted, RandomState, SCAN_STEP, atomic, catch_unwind, coarse_millis,
    panicking, resume_unwind,
};

#[cfg(all(feature = "model", feature = "tokio"))]
pub(crate) use self::unkept::{keep_spare, take_spare};
#[cfg(all(feature = "model", feature = "testing"))]
pub(crate) use engine::panic_now;
/// Only in shuttle-tests: loom's models are of the core.
#[cfg(all(feature = "model", feature = "tokio"))]
pub(crate) use engine::{Weak, in_runtime, thread_local};

#[cfg(all(not(feature = "model"), feature = "testing"))]
pub(crate) use self::real::panic_now;
#[cfg(not(feature = "model"))]
pub(crate) use self::real::{Deadline, Parker, Posted, SCAN_STEP, coarse_millis};
#[cfg(all(not(feature = "model"), feature = "tokio"))]
pub(crate) use self::real::{in_runtime, keep_spare, take_spare};
#[cfg(not(feature = "model"))]
pub(crate) use std::{
    hash::RandomState,
    panic::{catch_unwind, resume_unwind},
    sync::{Arc, atomic},
    thread::panicking,
};
#[cfg(all(not(feature = "model"), feature = "tokio"))]
pub(crate) use std::{sync::Weak, thread_local};

/// The lock of what tests record. No checker sees it, so the record adds no schedules. It is not held across a wait.
#[cfg(feature = "testing")]
pub(crate) use std::sync::{Mutex as Unseen, PoisonError};

/// `std::task::Wake` needs std's, so every build has std's. Such a waker works under a lock, which every checker sees.
pub(crate) use std::sync::Arc as WakerArc;

/// All tasks of a model are one thread, so memory that a thread keeps would be all theirs. There none is kept.
#[cfg(all(feature = "model", feature = "tokio"))]
mod unkept {
    use std::any::Any;

    pub(crate) fn take_spare() -> Option<Box<dyn Any + Send>> {
        None
    }

    pub(crate) fn keep_spare(_: Box<dyn Any + Send>) {}
}

#[cfg(not(feature = "model"))]
mod real {
    #[cfg(feature = "tokio")]
    use std::any::Any;
    use std::{
        cell::Cell,
        sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        task::{Wake, Waker},
        time::{Duration, Instant},
    };

    /// Buckets that a scan visits under one hold of the map lock. If each slot is a cache miss, they take some 50 us.
    pub(crate) const SCAN_STEP: usize = 512;

    /// A word that is written under a lock and read without it. The holder of the lock may read it back.
    ///
    /// A type of its own for loom's sake: loom takes any load by the writer for the last access to the word, and then misses
    /// the race of the next write with an earlier reader. There the word is read back from a copy beside it.
    #[derive(Debug)]
    pub(crate) struct Posted(AtomicU64);

    impl Posted {
        pub(crate) fn new(value: u64) -> Self {
            Self(AtomicU64::new(value))
        }

        /// Under the lock.
        #[inline]
        pub(crate) fn store(&self, value: u64, order: Ordering) {
            self.0.store(value, order);
        }

        /// Under the lock: what was stored last.
        #[inline]
        pub(crate) fn read_back(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        #[inline]
        pub(crate) fn load(&self, order: Ordering) -> u64 {
            self.0.load(order)
        }
    }

    /// The platform's coarse monotonic clock, in milliseconds.
    #[inline]
    pub(crate) fn coarse_millis() -> u64 {
        // Ticks of 2^-32 s. `now` would also store the time into a global that all threads share.
        let ticks = coarsetime::Instant::now_without_cache_update().as_ticks();
        ((u128::from(ticks) * 1000) >> 32) as u64
    }

    /// Runs `act` in the context of this runtime, for the timers and sockets that it makes.
    #[cfg(feature = "tokio")]
    pub(crate) fn in_runtime<R>(runtime: &tokio::runtime::Handle, act: impl FnOnce() -> R) -> R {
        let _within = runtime.enter();
        act()
    }

    #[cfg(feature = "tokio")]
    thread_local! {
        static SPARE: Cell<Option<Box<dyn Any + Send>>> = const { Cell::new(None) };
    }

    /// Memory that this thread keeps from one future to the next.
    #[cfg(feature = "tokio")]
    pub(crate) fn take_spare() -> Option<Box<dyn Any + Send>> {
        SPARE.try_with(Cell::take).ok().flatten()
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn keep_spare(memory: Box<dyn Any + Send>) {
        // If the thread-local is gone, the memory is freed.
        let _ = SPARE.try_with(|spare| spare.set(Some(memory)));
    }

    /// A panic that a script asks for. It prints nothing, because nothing is wrong.
    #[cfg(feature = "testing")]
    pub(crate) fn panic_now() -> ! {
        std::panic::resume_unwind(Box::new("the script says so"))
    }

    /// The moment at which a waiting thread gives up, in real time.
    #[derive(Debug)]
    pub(crate) struct Deadline(Option<Instant>);

    impl Deadline {
        /// A limit that the clock cannot express never passes.
        pub(crate) fn after(limit: Duration) -> Self {
            Self(Instant::now().checked_add(limit))
        }

        pub(crate) fn passed(&self) -> bool {
            self.0.is_some_and(|moment| Instant::now() >= moment)
        }
    }

    /// Parks this thread until its waker is used. May wake spuriously.
    #[derive(Debug)]
    pub(crate) struct Parker(Option<Own>);

    /// What a thread sleeps on, and the waker that ends the sleep.
    type Own = (crossbeam_utils::sync::Parker, Waker);

    thread_local! {
        /// Kept from one wait of the thread to the next, so that later waits allocate nothing.
        static PARKER: Cell<Option<Own>> = const { Cell::new(None) };
    }

    struct Unpark(crossbeam_utils::sync::Unparker);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }

        fn wake_by_ref(self: &Arc<Self>) {
            self.0.unpark();
        }
    }

    impl Parker {
        /// Takes the thread's own parker while it is in use. User code that waits within a wait (in a drop or a waker) gets
        /// another one, and cannot consume the wake-up of the outer wait.
        pub(crate) fn current() -> Self {
            // In the destructor of another thread-local it may be gone.
            let kept = PARKER.try_with(Cell::take).ok().flatten();
            Self(Some(kept.unwrap_or_else(|| {
                let parker = crossbeam_utils::sync::Parker::new();
                let waker = Waker::from(Arc::new(Unpark(parker.unparker().clone())));
                (parker, waker)
            })))
        }

        fn own(&self) -> &Own {
            self.0.as_ref().expect("it is there until the drop")
        }

        pub(crate) fn waker(&self) -> Waker {
            self.own().1.clone()
        }

        pub(crate) fn park(&self, deadline: Option<&Deadline>) {
            match deadline {
                Some(Deadline(Some(moment))) => self.own().0.park_deadline(*moment),
                Some(Deadline(None)) | None => self.own().0.park(),
            }
        }
    }

    impl Drop for Parker {
        fn drop(&mut self) {
            let own = self.0.take();
            // If the thread-local is gone, this parker is dropped.
            let _ = PARKER.try_with(|kept| kept.set(own));
        }
    }
}
