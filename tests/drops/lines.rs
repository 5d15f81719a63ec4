//! Keys and wakers whose drop panics, panics whose payload does, and a drop that waits.

use crate::bombs::{Bomb, Log, Lookup, fragile_waker, panics, poll};
use std::{
    hash::{Hash, Hasher},
    mem,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    task::{Poll, Wake, Waker},
    thread,
    time::Duration,
};
use turnwise::{Observed, Registry, Replaced, ToKey, Turn};

#[test]
fn a_key_panics_in_the_drop_of_an_enter_which_leaves_the_line_all_the_same() {
    let armed = Arc::new(AtomicBool::new(false));
    let key = Lookup(1, Arc::clone(&armed));
    let registry = Registry::new();
    let turn = registry.enter_blocking(&key).expect("open").or_insert(1);
    let mut enter = registry.enter(&key);
    assert!(poll(&mut enter, Waker::noop()).is_pending());
    let Replaced { old, vacancy, .. } = registry.replace(&key).expect("open");
    // It is the last to know the old slot; where the new one is, it finds out in its drop.
    drop((turn, old));
    armed.store(true, SeqCst);
    assert!(panics(|| drop(enter)));
    assert_eq!(registry.status(&key).map(|status| status.waiting), Some(0));
    drop(vacancy.fill(2));
    assert!(registry.try_enter(&key).is_ok(), "the key is stuck");
}

#[test]
fn a_key_panics_when_the_registry_goes_and_no_other_is_lost() {
    let armed = Arc::new(AtomicBool::new(false));
    let registry: Registry<_, u8> = Registry::builder().shards(1).build();
    for key in 1..=3 {
        let key = Lookup(key, Arc::clone(&armed));
        drop(registry.enter_blocking(&key).expect("open").or_insert(1));
    }
    armed.store(true, SeqCst);
    assert!(panics(|| drop(registry)));
    assert_eq!(Arc::strong_count(&armed), 1, "a key is never dropped");
}

#[test]
fn a_waker_panics_in_a_poll_that_is_granted_and_the_session_goes_before_the_key() {
    static ARMED: AtomicBool = AtomicBool::new(false);
    let log = Log::default();
    let registry: Registry<u8, Bomb> = Registry::new();
    let entry = registry.enter_blocking(&1).expect("open");
    let turn = entry.or_insert(Bomb::new(&log, "session", false));
    let mut enter = registry.enter(&1);
    let mut next = registry.enter(&1);
    assert!(poll(&mut next, &log.waker("granted")).is_pending());
    drop(turn);
    let waker = fragile_waker(&ARMED);
    ARMED.store(true, SeqCst);
    assert!(panics(|| drop(poll(&mut enter, &waker))));
    drop(enter);
    let dropped = log.position("session");
    assert!(
        dropped.is_some() && dropped < log.position("granted"),
        "two sessions at once"
    );
}

#[test]
fn a_waker_panics_in_a_drain_which_goes_on() {
    static ARMED: AtomicBool = AtomicBool::new(false);
    // Which of the two the drain asks first is the random hasher's choice: so often that both are seen.
    for (held, rests) in [(1, 2), (2, 1)].repeat(32) {
        let registry: Registry<u8, u8> = Registry::builder().shards(1).build();
        let turn = registry.enter_blocking(&held).expect("open").or_insert(1);
        drop(registry.enter_blocking(&rests).expect("open").or_insert(2));
        let mut drain = registry.drain();
        let waker = fragile_waker(&ARMED);
        let closing = poll(&mut Box::pin(drain.next()), &waker);
        drop((turn, closing));
        ARMED.store(true, SeqCst);
        panics(|| drop(poll(&mut Box::pin(drain.next()), &waker)));
        ARMED.store(false, SeqCst);
        let given = poll(&mut Box::pin(drain.next()), &waker);
        drop(given);
        let end = poll(&mut Box::pin(drain.next()), &waker);
        assert!(matches!(end, Poll::Ready(None)), "the drain does not end");
        assert!(registry.is_empty());
    }
}

#[test]
fn a_panic_whose_payload_panics_keeps_nobody_asleep() {
    struct Payload;
    impl Drop for Payload {
        fn drop(&mut self) {
            assert!(thread::panicking(), "the drop of a payload");
        }
    }
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new(Payload));
        }
    }
    let log = Log::default();
    let registry: Registry<u8, u8> = Registry::new();
    let _turn = registry.enter_blocking(&1).expect("open").or_insert(1);
    let mut enters = [registry.enter(&1), registry.enter(&1), registry.enter(&1)];
    for enter in &mut enters[..2] {
        assert!(poll(enter, &Waker::from(Arc::new(Panics))).is_pending());
    }
    assert!(poll(&mut enters[2], &log.waker("third")).is_pending());
    let dismissed = catch_unwind(AssertUnwindSafe(|| registry.dismiss(&1)));
    mem::forget(dismissed.expect_err("a waker panics"));
    assert!(
        log.position("third").is_some(),
        "sent away, and never woken"
    );
}

type Hook = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A key whose drop runs its hook, if there is one.
struct Hooked(u8, Hook);

impl Drop for Hooked {
    fn drop(&mut self) {
        let hook = self.1.lock().expect("nothing panics with it").take();
        if let Some(hook) = hook {
            hook();
        }
    }
}

impl Hash for Hooked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

struct LookupHooked(u8, Hook);

impl Hash for LookupHooked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl ToKey<Hooked> for LookupHooked {
    fn is_key(&self, key: &Hooked) -> bool {
        key.0 == self.0
    }
    fn to_key(&self) -> Hooked {
        Hooked(self.0, Arc::clone(&self.1))
    }
}

/// A drain drops a key whose drop waits with the same thread, while another session comes to rest: the wake-up of the outer
/// wait is not used up by the inner one.
#[test]
fn a_drop_that_waits_does_not_use_up_a_wake_up() {
    for (one, two) in [(1, 2), (2, 1), (1, 3), (3, 1), (2, 5), (5, 2)] {
        let registry: Registry<Hooked, u8> = Registry::builder().shards(1).build();
        let (one, two) = (
            LookupHooked(one, Hook::default()),
            LookupHooked(two, Hook::default()),
        );
        let first = registry.enter_blocking(&one).expect("open").or_insert(1);
        let second = registry.enter_blocking(&two).expect("open").or_insert(2);
        let other: Registry<u8, u8> = Registry::new();
        let held = other.enter_blocking(&9).expect("open").or_insert(9);
        *two.1.lock().expect("nothing panics with it") = Some(Box::new(move || {
            let enter = other.enter(&9);
            let outer = thread::spawn(move || drop(first)); // wakes the drain
            outer.join().expect("it does not panic");
            let inner = thread::spawn(move || {
                // Most likely the wait below has begun by then. If not, less is tested; nothing fails.
                (0..500).for_each(|_| thread::yield_now());
                drop(held); // wakes the wait below
            });
            drop(enter.wait());
            inner.join().expect("it does not panic");
        }));
        let (done, drained) = mpsc::channel();
        let drain = registry.clone();
        thread::spawn(move || {
            let mut drain = drain.drain();
            while let Some(closing) = drain.next_blocking() {
                drop(closing);
            }
            done.send(()).expect("the test waits for it");
        });
        let waiting = |seen: &Observed<_, _>| seen.status().waiting > 0;
        while !registry.snapshot().iter().all(waiting) {
            thread::yield_now(); // until the drain waits for both
        }
        // The drain is handed the vacancy, and drops it, and the key.
        drop(Turn::vacate(second));
        let ended = drained.recv_timeout(Duration::from_secs(60));
        ended.expect("the drain sleeps for ever");
    }
}
