//! The one screen that differs between the crate that ships and the crate that is checked.
//!
//! Atomics, `Arc` and `Weak`, whether this thread unwinds, the parker of a waiting thread, the two readings of time, the
//! step of a scan, and the seed of the hashes: everything that a model checker must see or decide comes through here, and nothing else in the crate
//! names it. The locks are `parking_lot`'s by name; loom-tests and shuttle-tests put their own crate under that name.

/// loom-tests and shuttle-tests each bring an `engine` with these names.
#[cfg(feature = "model")]
pub(crate) use engine::{
    Arc, Deadline, Parker, RandomState, SCAN_STEP, Weak, atomic, catch_unwind, coarse_millis,
    panicking, resume_unwind,
};

/// shuttle-tests alone: loom's models are of the core.
#[cfg(all(feature = "model", feature = "tokio"))]
pub(crate) use engine::in_runtime;
#[cfg(all(feature = "model", feature = "testing"))]
pub(crate) use engine::panic_now;

#[cfg(all(not(feature = "model"), feature = "tokio"))]
pub(crate) use self::real::in_runtime;
#[cfg(all(not(feature = "model"), feature = "testing"))]
pub(crate) use self::real::panic_now;
#[cfg(not(feature = "model"))]
pub(crate) use self::real::{Deadline, Parker, SCAN_STEP, coarse_millis};
#[cfg(not(feature = "model"))]
pub(crate) use std::{
    hash::RandomState,
    panic::{catch_unwind, resume_unwind},
    sync::{Arc, Weak, atomic},
    thread::panicking,
};

/// The lock of what tests write down. No checker sees it, so that the record adds no schedules of its own. It is held across no
/// wait.
#[cfg(feature = "testing")]
pub(crate) use std::sync::{Mutex as Unseen, PoisonError};

/// `std::task::Wake` asks for std's, so it is std's in every build. What such a waker does goes through a lock, which every checker
/// sees.
pub(crate) use std::sync::Arc as WakerArc;

#[cfg(not(feature = "model"))]
mod real {
    use std::{
        cell::Cell,
        sync::Arc,
        task::{Wake, Waker},
        time::{Duration, Instant},
    };

    /// How many buckets a scan goes over under one hold of the map lock. At worst each slot is a cache miss: some 50 us.
    pub(crate) const SCAN_STEP: usize = 512;

    /// Milliseconds of the platform's coarse monotonic clock.
    #[inline]
    pub(crate) fn coarse_millis() -> u64 {
        // Ticks of 2^-32 s. The variant that writes no cache: `now` would store into a global that all threads share.
        let ticks = coarsetime::Instant::now_without_cache_update().as_ticks();
        ((u128::from(ticks) * 1000) >> 32) as u64
    }

    /// Timers and sockets that are made here are the runtime's, wherever this is called.
    #[cfg(feature = "tokio")]
    pub(crate) fn in_runtime<R>(runtime: &tokio::runtime::Handle, act: impl FnOnce() -> R) -> R {
        let _within = runtime.enter();
        act()
    }

    /// A panic that a script asks for: it says nothing, for nothing is wrong.
    #[cfg(feature = "testing")]
    pub(crate) fn panic_now() -> ! {
        std::panic::resume_unwind(Box::new("the script says so"))
    }

    /// When a waiting thread gives up: real time, whatever the registry's clock says.
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

    /// Puts this thread to sleep until its waker is used. May wake for nothing.
    #[derive(Debug)]
    pub(crate) struct Parker(Option<Own>);

    /// What a thread sleeps on, and the waker that ends the sleep.
    type Own = (crossbeam_utils::sync::Parker, Waker);

    thread_local! {
        /// Kept from one wait of the thread to the next, so that later ones allocate nothing.
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
        /// The thread's own, which is taken while it is in use: user code that waits inside a wait (a drop, a waker) gets
        /// another, and cannot use up the wake-up of the outer one.
        pub(crate) fn current() -> Self {
            // In the destructor of another thread-local it may be gone already.
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
            // If the thread-local is gone, so is this.
            let _ = PARKER.try_with(|kept| kept.set(own));
        }
    }
}
