//! The last registry goes in the middle of a call, or somebody acts after it has gone.

use crate::bombs::{self, Bomb, Log, panics, poll};
use std::{
    cell::RefCell,
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    task::{Wake, Waker},
    time::Duration,
};
use turnwise::{Registry, ToKey, Turn};

thread_local! {
    /// What the next clone of a key does.
    static NEXT: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

#[derive(PartialEq, Eq, Hash)]
struct Key(u8);

impl Clone for Key {
    fn clone(&self) -> Self {
        if let Some(act) = NEXT.with(|next| next.borrow_mut().take()) {
            act();
        }
        Self(self.0)
    }
}

#[test]
fn the_clone_of_a_key_drops_the_registry_and_a_session_panics() {
    for remove in [false, true] {
        let log = Log::default();
        let registry: Registry<Key, Bomb> = Registry::builder().shards(1).build();
        for (key, name, armed) in [(1, "seen", false), (2, "other", true)] {
            let entry = registry.enter_blocking(&Key(key)).expect("open");
            drop(entry.or_insert(Bomb::new(&log, name, armed)));
        }
        let seen = registry.observe(&Key(1)).expect("it is there");
        NEXT.with(|next| *next.borrow_mut() = Some(Box::new(move || drop(registry))));
        assert!(panics(|| {
            if remove {
                drop(seen.remove());
            } else {
                drop(seen.replace());
            }
        }));
        drop(seen);
        assert_eq!(log.happened(), 2, "a session is leaked");
    }
}

#[test]
fn a_split_takes_the_handle_when_the_registry_is_gone() {
    let registry: Registry<u8, u8, &str> = Registry::default();
    let turn = registry.enter_blocking(&1).expect("open").or_insert(0);
    Turn::set_handle(&turn, Arc::new("of the first"));
    let seen = registry.observe(&1).expect("it is there");
    drop(registry);
    let (vacancy, _session) = Turn::vacate(turn).split();
    assert_eq!(seen.handle(), None, "the handle outlives its incarnation");
    drop(vacancy.fill(1));
}

#[test]
fn scans_and_drains_keep_the_registry() {
    let log = Log::default();
    let one_at_rest = || {
        let registry: Registry<u8, Bomb> = Registry::new();
        let entry = registry.enter_blocking(&1).expect("open");
        drop(entry.or_insert(Bomb::new(&log, "at rest", false)));
        registry
    };
    let registry = one_at_rest();
    let claims = registry.claim_idle(Duration::ZERO);
    drop(registry);
    assert_eq!(log.happened(), 0);
    drop(claims);
    assert_eq!(log.happened(), 1);

    let registry = one_at_rest();
    let drain = registry.drain();
    drop(registry);
    assert_eq!(log.happened(), 1);
    drop(drain);
    assert_eq!(log.happened(), 2);
}

/// A key that does something when it is dropped.
struct Last(u8, Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>);

impl Drop for Last {
    fn drop(&mut self) {
        let act = self.1.lock().expect("nobody panics").take();
        if let Some(act) = act {
            act();
        }
    }
}

/// A waker that tells.
struct Tell(mpsc::Sender<()>);

impl Wake for Tell {
    fn wake(self: Arc<Self>) {
        self.0.send(()).expect("it is heard");
    }
}

struct Lookup<'a>(u8, &'a Last);

impl Hash for Lookup<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl ToKey<Last> for Lookup<'_> {
    fn is_key(&self, key: &Last) -> bool {
        key.0 == self.0
    }
    fn to_key(&self) -> Last {
        Last(self.0, Arc::clone(&self.1.1))
    }
}

/// `close` takes a vacancy back that was granted in a slot which its `Enter` has not seen: it is the last to have that slot, and
/// its key.
#[test]
fn a_key_whose_drop_waits_for_who_was_sent_away() {
    let registry: Registry<Last, u8> = Registry::new();
    let (idle, acts) = (Last(0, Arc::default()), Last(0, Arc::default()));
    let entry = registry.enter_blocking(&Lookup(2, &idle)).expect("open");
    let _turn = entry.or_insert(0);
    let mut waits = registry.enter(&Lookup(2, &idle));
    let (tell, told) = mpsc::channel();
    let waker = Waker::from(Arc::new(Tell(tell)));
    assert!(poll(&mut waits, &waker).is_pending());

    let _holds_the_old_slot = registry.enter(&Lookup(1, &acts));
    let _granted = registry.enter(&Lookup(1, &acts));
    let replaced = registry.replace(&Lookup(1, &acts)).expect("open");
    drop(replaced);
    let (done, heard) = mpsc::channel();
    *acts.1.lock().expect("nobody panics") = Some(Box::new(move || {
        let told = told.recv_timeout(Duration::from_secs(20));
        done.send(told).expect("it is heard");
    }));
    registry.close();
    let told = heard.recv().expect("the key was dropped");
    assert_eq!(told, Ok(()), "the drop of a key waits for ever");
}

/// The slots refer to their shards, and the shards to their slots. The end of the registry breaks that circle in every shard,
/// also if the drop of a key panics in one, and for slots that are held. Under AddressSanitizer a leak fails this test.
#[test]
fn the_end_of_a_registry_frees_every_shard() {
    let registry: Registry<bombs::Key, u8> = Registry::builder().shards(64).build();
    let fuses: [Arc<AtomicBool>; 8] = Default::default();
    let mut turns: Vec<_> = (0..8)
        .map(|number| {
            let key = bombs::Lookup(number, Arc::clone(&fuses[usize::from(number)]));
            let entry = registry.enter_blocking(&key).expect("open");
            entry.or_insert(number)
        })
        .collect();
    turns.truncate(1); // the others are idle
    fuses[5].store(true, SeqCst);
    assert!(panics(|| drop(registry)), "the drop of a key panics");
    let keys = |number: usize| Arc::strong_count(&fuses[number]) - 1;
    assert!(
        (1..8).all(|number| keys(number) == 0),
        "a shard was not emptied"
    );
    drop(turns);
    assert_eq!(keys(0), 0, "a slot that was held is leaked");
}
