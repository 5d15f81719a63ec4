//! The listeners: subscriptions to the partial output of a key.
//!
//! A key has a hub while it has listeners, or a session whose events are kept. Whichever comes first makes the hub, and the end of the
//! last one removes it. So a call costs O(log n) in the listeners of its own key, and nothing is left of past listeners.

use crate::manager::report::{
    events::{Home, Hub, Subscription},
    ring::Ring,
    unread::Bounds,
};
use crate::sync::{
    Arc, RandomState, Weak,
    atomic::{AtomicUsize, Ordering},
};
use crossbeam_utils::CachePadded;
use hashbrown::{HashTable, hash_table::OccupiedEntry};
use parking_lot::Mutex;
use std::hash::{BuildHasher, Hash};

/// The listeners, by key.
pub(crate) struct Outputs<K, E> {
    /// The number of keys with a hub. If it is 0, an event costs one load.
    count: AtomicUsize,
    hasher: RandomState,
    /// By hash, so that events of different keys seldom share a lock.
    parts: [CachePadded<Mutex<Keys<K, E>>>; PARTS],
}

const PARTS: usize = 32;

type Keys<K, E> = HashTable<Listened<K, E>>;

struct Listened<K, E> {
    key: K,
    hash: u64,
    hub: Arc<Hub<E>>,
    /// Of the session that is there, from the beginning of its start to the end of its stop.
    ring: Option<Arc<Ring<E>>>,
}

/// Where an event of a key goes.
pub(crate) type Heard<E> = (Arc<Hub<E>>, Option<Arc<Ring<E>>>);

impl<K: Eq + Hash + Clone + Send + Sync + 'static, E: Clone + Send + Sync + 'static> Outputs<K, E> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            count: AtomicUsize::new(0),
            hasher: RandomState::new(),
            parts: [(); PARTS].map(|()| CachePadded::new(Mutex::new(HashTable::new()))),
        })
    }

    pub(crate) fn subscribe(
        self: &Arc<Self>,
        key: K,
        bounds: Bounds,
    ) -> (Subscription<E>, Option<Arc<Ring<E>>>) {
        self.at(key, bounds, |here| {
            (Hub::subscribe(&here.hub), here.ring.clone())
        })
    }

    /// A session starts whose events are kept.
    pub(crate) fn keep(self: &Arc<Self>, key: K, bounds: Bounds, ring: Arc<Ring<E>>) {
        let before = self.at(key, bounds, |here| here.ring.replace(ring));
        drop(before); // events, after the lock
    }

    /// That session has ended. The next one may have begun.
    pub(crate) fn forget(&self, key: &K, ring: &Arc<Ring<E>>) {
        let hash = self.hasher.hash_one(key);
        let mut keys = self.part(hash).lock();
        let own = |own: &Arc<Ring<E>>| Arc::ptr_eq(own, ring);
        let here = |listened: &Listened<K, E>| listened.ring.as_ref().is_some_and(own);
        let gone = keys.find_entry(hash, here).ok().map(|mut entry| {
            let ring = entry.get_mut().ring.take();
            (ring, self.remove_unused(entry))
        });
        drop(keys);
        drop(gone); // a key and events, after the lock
    }

    /// What `act` finds at a key, which gets a hub if it has none.
    fn at<T>(
        self: &Arc<Self>,
        key: K,
        bounds: Bounds,
        act: impl FnOnce(&mut Listened<K, E>) -> T,
    ) -> T {
        let hash = self.hasher.hash_one(&key);
        // If the key is not used, it is dropped after the lock.
        let mut key = Some(key);
        let mut keys = self.part(hash).lock();
        let here = |listened: &Listened<K, E>| key.as_ref() == Some(&listened.key);
        if let Some(listened) = keys.find_mut(hash, here) {
            return act(listened);
        }
        let home: Weak<dyn Home<E>> = Arc::<Self>::downgrade(self);
        let new = Listened {
            key: key.take().expect("it is not used before"),
            hash,
            hub: Arc::new(Hub::kept(bounds, Some((home, hash)))),
            ring: None,
        };
        let mut entry = keys.insert_unique(hash, new, |listened| listened.hash);
        self.count.fetch_add(1, Ordering::Relaxed);
        act(entry.get_mut())
    }

    /// Where an event of a key goes, if anywhere.
    pub(crate) fn find(&self, key: &K) -> Option<Heard<E>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let keys = self.part(hash).lock();
        let listened = keys.find(hash, |listened| listened.key == *key)?;
        Some((Arc::clone(&listened.hub), listened.ring.clone()))
    }

    pub(crate) fn end(&self) {
        for part in &self.parts {
            // Wakers run after the lock.
            let hubs: Vec<_> = part
                .lock()
                .iter()
                .map(|listened| Arc::clone(&listened.hub))
                .collect();
            hubs.iter().for_each(|hub| hub.end());
        }
    }
}

impl<K, E> Outputs<K, E> {
    fn part(&self, hash: u64) -> &Mutex<Keys<K, E>> {
        &self.parts[(hash >> 40) as usize % PARTS]
    }

    /// Removes a hub that has neither readers nor a ring.
    fn remove_unused(&self, entry: OccupiedEntry<'_, Listened<K, E>>) -> Option<Listened<K, E>> {
        let here = entry.get();
        if here.hub.has_readers() || here.ring.is_some() {
            return None;
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
        Some(entry.remove().0)
    }
}

impl<K: Send + Sync, E: Send + Sync> Home<E> for Outputs<K, E> {
    /// Between the drop of the last subscription and this lock, somebody may listen again. A subscription is made under this
    /// lock. If it came before, the hub has a reader and stays. If it comes later, it makes another hub. If two subscriptions leave
    /// at the same time, the second one does not find the hub. The search compares the hub and not the key, because the key may have
    /// another hub by now. Schedules: `listeners`.
    fn left(&self, hub: &Arc<Hub<E>>, hash: u64) {
        let mut keys = self.part(hash).lock();
        let here = |listened: &Listened<K, E>| Arc::ptr_eq(&listened.hub, hub);
        let found = keys.find_entry(hash, here).ok();
        let gone = found.and_then(|entry| self.remove_unused(entry));
        drop(keys);
        drop(gone); // a key, after the lock
    }
}
