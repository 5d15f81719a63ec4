//! A thread that waits: loom's notification in the place of a parker.
//!
//! Not `loom::thread::park`: in 0.7.3 an unpark makes its thread runnable even while it waits for a lock ("expected to be
//! able to acquire lock" is then a false alarm), and a lock that is released forgets the token of an unpark that came before
//! (then a wake-up is lost that production would not lose). `Notify` keeps the token beside the thread and has neither
//! fault. It wakes once for nothing too, as any parker may.
//!
//! What this cannot see: the parker's own code, and time.

use crate::Deadline;
use loom::sync::Notify;
use parking_lot::record::{What, record};
use std::{
    fmt,
    rc::Rc,
    sync::Arc,
    task::{Wake, Waker},
};

/// Puts this model thread to sleep until its waker is used. May wake for nothing.
#[derive(Clone)]
pub struct Parker(Rc<Own>);

struct Own {
    notify: Arc<Unpark>,
    waker: Waker,
}

struct Unpark {
    notify: Notify,
    /// The model thread that sleeps on it.
    actor: usize,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        parking_lot::assert_unlocked("the wake of a waiting thread");
        record(What::Wake(self.actor));
        self.notify.notify();
    }
}

impl Parker {
    /// The thread's own, as in production: so a wake-up meant for an earlier wait may end a later one too soon.
    #[must_use]
    pub fn current() -> Self {
        loom::thread_local!(static PARKER: Parker = Parker::new());
        PARKER.with(Self::clone)
    }

    fn new() -> Self {
        let notify = Arc::new(Unpark {
            notify: Notify::new(),
            actor: parking_lot::actor(),
        });
        let waker = Waker::from(Arc::clone(&notify));
        Self(Rc::new(Own { notify, waker }))
    }

    /// Ends the wait of this model thread, or its next one.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.0.waker.clone()
    }

    /// Waits for the waker. With a deadline it only returns: how far the others come before the next look, and so whether
    /// the wake-up or the deadline was first, loom explores at the lock that this look takes. (Not a yield: loom lets the
    /// others run as far as they can at one, and the deadline would never be first.)
    pub fn park(&self, deadline: Option<&Deadline>) {
        parking_lot::assert_unlocked("the wait of a thread");
        parking_lot::step();
        if deadline.is_none() {
            record(What::Wait);
            self.0.notify.notify.wait();
            record(What::Woken);
        }
    }
}

impl fmt::Debug for Parker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parker").finish_non_exhaustive()
    }
}
