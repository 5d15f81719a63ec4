//! What the tests count: sessions that are alive, and the wakes of a waker.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Wake;

use crate::oracle;

/// The sessions that were started and not dropped, and how many were started.
#[derive(Clone, Debug, Default)]
pub struct Tally(Arc<Mutex<(BTreeSet<oracle::Session>, oracle::Session)>>);

impl Tally {
    fn lock(&self) -> MutexGuard<'_, (BTreeSet<oracle::Session>, oracle::Session)> {
        self.0.lock().expect("nothing panics while it counts")
    }

    pub fn start(&self) -> Session {
        let mut tally = self.lock();
        tally.1 += 1;
        let id = tally.1;
        tally.0.insert(id);
        Session(id, self.clone())
    }

    pub fn alive(&self) -> BTreeSet<oracle::Session> {
        self.lock().0.clone()
    }
}

#[derive(Debug)]
pub struct Session(oracle::Session, Tally);

impl Session {
    pub fn id(&self) -> oracle::Session {
        self.0
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.1.lock().0.remove(&self.0);
    }
}

#[derive(Debug, Default)]
pub struct Wakes(AtomicUsize);

impl Wakes {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
