//! What panics, and what it tells.

#![allow(unreachable_pub)] // A test program exports nothing.

use std::{
    hash::{Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker},
};
use turnwise::ToKey;

pub fn panics(act: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(act)).is_err()
}

pub fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// What happened, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<&'static str>>>);

impl Log {
    fn add(&self, what: &'static str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(what);
    }

    /// How much happened.
    pub fn happened(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// When it happened, if it did.
    pub fn position(&self, what: &str) -> Option<usize> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().position(|happened| *happened == what)
    }

    /// A waker that says so when it is woken.
    pub fn waker(&self, what: &'static str) -> Waker {
        struct Says(Log, &'static str);
        impl Wake for Says {
            fn wake(self: Arc<Self>) {
                self.0.add(self.1);
            }
        }
        Waker::from(Arc::new(Says(self.clone(), what)))
    }
}

/// Says when it is dropped, and may panic then.
pub struct Bomb {
    pub log: Log,
    pub name: &'static str,
    pub panics: bool,
}

impl Bomb {
    pub fn new(log: &Log, name: &'static str, panics: bool) -> Self {
        let log = log.clone();
        Self { log, name, panics }
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.log.add(self.name);
        assert!(!self.panics, "the drop of {}", self.name);
    }
}

/// A key; its first drop after it was armed panics. It stands for itself.
pub struct Key(pub u8, pub Arc<AtomicBool>);

impl Drop for Key {
    fn drop(&mut self) {
        assert!(!self.1.swap(false, SeqCst), "the drop of a key");
    }
}

/// What the key is looked up by.
pub struct Lookup(pub u8, pub Arc<AtomicBool>);

impl Hash for Lookup {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl ToKey<Key> for Lookup {
    fn is_key(&self, key: &Key) -> bool {
        key.0 == self.0
    }
    fn to_key(&self) -> Key {
        Key(self.0, Arc::clone(&self.1))
    }
}

/// A waker; the first drop of a clone after it was armed panics.
pub fn fragile_waker(armed: &'static AtomicBool) -> Waker {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| RawWaker::new(data, &TABLE),
        |_| (),
        |_| (),
        |data| {
            // SAFETY: every waker of this table is made from a `&'static AtomicBool`.
            let armed = unsafe { &*data.cast::<AtomicBool>() };
            assert!(!armed.swap(false, SeqCst), "the drop of a waker");
        },
    );
    let data: *const AtomicBool = armed;
    // SAFETY: the functions of the table take the flag that the waker is made from, and own nothing.
    unsafe { Waker::from_raw(RawWaker::new(data.cast(), &TABLE)) }
}
