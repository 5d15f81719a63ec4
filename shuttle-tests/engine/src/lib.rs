//! shuttle as an engine for `src/sync.rs`: the names that the loom engine exports too, over shuttle's primitives.
//!
//! shuttle is sequentially consistent: every atomic operation is a scheduling point and none is reordered. It is here for
//! the size of its histories; what depends on memory order is loom's to see.
//!
//! All tasks of a run are coroutines of one thread. So whatever std keeps for each *thread* is wrong here for each *task*:
//! `std::thread::panicking()` is true for an innocent task while another one unwinds, and a parked thread would be all of them.

#![forbid(unsafe_code)]

use std::any::Any;
use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe, UnwindSafe};
use std::task::{Poll, Wake, Waker};

mod posted;
mod still;

pub use posted::Posted;
pub use still::{Deadline, RandomState, SCAN_STEP, coarse_millis};

/// shuttle's `Arc` and `Weak` are std's: a count is no scheduling point of its own. Between two scheduling points nothing
/// runs in between, so both orders of a last drop and an upgrade are still seen, as parts of larger steps.
pub use shuttle::sync::{Arc, Weak};

/// A variable of each *task*.
pub use shuttle::thread_local;

/// The atomics that the source uses. `fence` does nothing in shuttle, and has nothing to do: no operation is reordered.
pub mod atomic {
    pub use shuttle::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
}

shuttle::thread_local! {
    static UNWINDING: Cell<bool> = Cell::new(false)
}

/// Does this *task* unwind? Everything that begins or ends an unwinding on purpose moves the answer: [`panic_now`],
/// [`resume_unwind`], [`catch_unwind`]. A failing assertion does not; it ends the run, and what destructors do then is not judged.
#[must_use]
pub fn panicking() -> bool {
    // Asked after the task's own locals are gone, the task has returned, so it does not unwind.
    UNWINDING.try_with(Cell::get).unwrap_or(false)
}

/// `std::panic::catch_unwind`: afterwards this task unwinds no more than it did before. Of panics, [`panic_now`]'s alone:
/// any other is an assertion that fails, of a history or of the source, and goes on, whoever catches what user code does.
///
/// # Errors
/// The payload of the panic.
pub fn catch_unwind<R>(run: impl FnOnce() -> R + UnwindSafe) -> std::thread::Result<R> {
    let before = panicking();
    let result = panic::catch_unwind(run);
    if let Err(payload) = result {
        if !payload.is::<Scripted>() {
            panic::resume_unwind(payload);
        }
        UNWINDING.with(|flag| flag.set(before));
        return Err(payload);
    }
    result
}

/// A run has one runtime: whatever is made anywhere is its own.
pub fn in_runtime<H, R>(_runtime: &H, act: impl FnOnce() -> R) -> R {
    act()
}

/// `std::panic::resume_unwind`: this task unwinds again.
pub fn resume_unwind(payload: Box<dyn Any + Send>) -> ! {
    UNWINDING.with(|flag| flag.set(true));
    panic::resume_unwind(payload)
}

/// The payload of [`panic_now`].
struct Scripted;

/// For histories: user code panics here, inside of [`unwind`]. Nothing is printed.
pub fn panic_now() -> ! {
    resume_unwind(Box::new(Scripted))
}

/// For histories: runs what may end in [`panic_now`].
///
/// # Errors
/// The payload of [`panic_now`].
pub fn unwind<R>(run: impl FnOnce() -> R) -> std::thread::Result<R> {
    catch_unwind(AssertUnwindSafe(run))
}

/// Lets one task wait until it is woken. `shuttle::thread::park` would not do: it wakes spuriously whenever the scheduler
/// likes, so that a search through all schedules has no end, and a lost wake-up is hidden.
#[derive(Clone, Debug)]
pub struct Parker {
    token: Arc<Token>,
}

shuttle::thread_local! {
    static PARKER: Parker = Parker { token: Arc::default() }
}

#[derive(Debug, Default)]
struct Token {
    /// shuttle's, so that a wake-up is a step of its own.
    given: atomic::AtomicBool,
    /// std's: tasks share one thread, and nothing is scheduled while this is locked.
    waiter: std::sync::Mutex<Option<Waker>>,
}

impl Parker {
    /// The task's own, as in production: a wake-up meant for an earlier wait may end a later one too soon.
    #[must_use]
    pub fn current() -> Self {
        PARKER.with(Self::clone)
    }

    /// Ends the present [`park`](Self::park), or the next one.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker::from(Arc::clone(&self.token))
    }

    /// Waits for a wake-up. With a deadline it only lets the others go on for a while: it may have passed by then.
    pub fn park(&self, deadline: Option<&Deadline>) {
        if deadline.is_some() {
            shuttle::thread::yield_now();
            self.token.given.store(false, atomic::Ordering::SeqCst);
            return;
        }
        shuttle::future::block_on(poll_fn(|cx| {
            // The waker is left before the look, so that a wake-up between the two is not lost.
            *self.token.waiter() = Some(cx.waker().clone());
            if self.token.given.swap(false, atomic::Ordering::SeqCst) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        }));
    }
}

impl Token {
    fn waiter(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waiter
            .lock()
            .expect("nothing panics while this is locked")
    }
}

impl Wake for Token {
    fn wake(self: Arc<Self>) {
        self.given.store(true, atomic::Ordering::SeqCst);
        let waiter = self.waiter().take();
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}
