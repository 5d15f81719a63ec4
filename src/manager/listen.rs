//! The listeners: subscriptions to the partial output of a key.
//!
//! A key has a hub while it has listeners. The first subscription makes the hub, and the drop of the last one removes it. So a
//! call costs O(log n) in the listeners of its own key, and nothing is left of past listeners.

use crate::manager::report::{
    events::{Home, Hub, Subscription},
    unread::Bounds,
};
use crate::sync::{
    Arc, RandomState, Weak,
    atomic::{AtomicUsize, Ordering},
};
use crossbeam_utils::CachePadded;
use hashbrown::HashTable;
use parking_lot::Mutex;
use std::hash::{BuildHasher, Hash};

/// The listeners, by key.
pub(crate) struct Outputs<K, E> {
    /// The number of keys with listeners. If it is 0, an event costs one load.
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
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static, E: Clone + Send + Sync + 'static> Outputs<K, E> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            count: AtomicUsize::new(0),
            hasher: RandomState::new(),
            parts: [(); PARTS].map(|()| CachePadded::new(Mutex::new(HashTable::new()))),
        })
    }

    pub(crate) fn subscribe(self: &Arc<Self>, key: K, bounds: Bounds) -> Subscription<E> {
        let hash = self.hasher.hash_one(&key);
        // If the key is not used, it is dropped after the lock.
        let mut key = Some(key);
        let mut keys = self.part(hash).lock();
        let here = |listened: &Listened<K, E>| key.as_ref() == Some(&listened.key);
        if let Some(listened) = keys.find(hash, here) {
            return Hub::subscribe(&listened.hub);
        }
        let home: Weak<dyn Home<E>> = Arc::<Self>::downgrade(self);
        let hub = Arc::new(Hub::kept(bounds, Some((home, hash))));
        let subscription = Hub::subscribe(&hub);
        if let Some(key) = key.take() {
            keys.insert_unique(hash, Listened { key, hash, hub }, |listened| listened.hash);
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        subscription
    }

    /// The listeners of a key, if there are any.
    pub(crate) fn find(&self, key: &K) -> Option<Arc<Hub<E>>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let keys = self.part(hash).lock();
        let listened = keys.find(hash, |listened| listened.key == *key)?;
        Some(Arc::clone(&listened.hub))
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
}

impl<K: Send + Sync, E: Send + Sync> Home<E> for Outputs<K, E> {
    /// Between the drop of the last subscription and this lock, somebody may listen again. A subscription is made under this
    /// lock. If it came before, the hub has a reader and stays. If it comes later, it makes another hub. If two subscriptions leave
    /// at the same time, the second one does not find the hub. The search compares the hub and not the key, because the key may have
    /// another hub by now. Schedules: `listeners`.
    fn left(&self, hub: &Arc<Hub<E>>, hash: u64) {
        let mut keys = self.part(hash).lock();
        let here = |listened: &Listened<K, E>| Arc::ptr_eq(&listened.hub, hub);
        let gone = match keys.find_entry(hash, here) {
            Ok(entry) if !hub.has_readers() => {
                self.count.fetch_sub(1, Ordering::Relaxed);
                Some(entry.remove().0)
            }
            _ => None,
        };
        drop(keys);
        drop(gone); // a key, after the lock
    }
}
