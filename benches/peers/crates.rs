//! The contenders whose map is another crate's.

use crate::{contenders::*, map::*};
use dashmap::DashMap;
use lockable::AsyncLimit;
use parking_lot::Mutex;
use std::sync::Arc;

/// A sharded map, tokio's lock for the session.
pub(crate) struct Dash(DashMap<u64, Shared>);

impl Dash {
    fn find(&self, key: u64) -> Shared {
        if let Some(found) = self.0.get(&key) {
            return Arc::clone(&found);
        }
        Arc::clone(&self.0.entry(key).or_insert_with(shared))
    }
}

impl Map<u64> for Dash {
    fn new() -> Self {
        Self(DashMap::new())
    }

    async fn turn(&self, key: &u64) {
        self.find(*key).lock().await.work();
    }

    async fn turn_with_yield(&self, key: &u64) {
        let session = self.find(*key);
        let mut turn = session.lock().await;
        tokio::task::yield_now().await;
        turn.work();
    }

    async fn look(&self, key: &u64) -> u64 {
        self.find(*key).lock().await.0[0]
    }

    async fn insert(&self, key: &u64) {
        self.0.insert(*key, shared());
    }

    async fn remove(&self, key: &u64) {
        self.0.remove(key);
    }
}

/// An entry of the map is held across the turn, and with it all that share its bucket.
pub(crate) struct Scc(scc::HashMap<u64, V>);

impl Map<u64> for Scc {
    fn new() -> Self {
        Self(scc::HashMap::new())
    }

    async fn turn(&self, key: &u64) {
        self.0
            .entry_async(*key)
            .await
            .or_insert_with(V::new)
            .get_mut()
            .work();
    }

    async fn look(&self, key: &u64) -> u64 {
        self.0.read_async(key, |_, v| v.0[0]).await.unwrap_or(0)
    }

    async fn insert(&self, key: &u64) {
        drop(self.0.insert_async(*key, V::new()).await);
    }

    async fn remove(&self, key: &u64) {
        self.0.remove_async(key).await;
    }
}

/// A lock by key.
pub(crate) struct Lockable(lockable::LockableHashMap<u64, V>);

impl Lockable {
    async fn lock(
        &self,
        key: u64,
    ) -> <lockable::LockableHashMap<u64, V> as lockable::Lockable<u64, V>>::Guard<'_> {
        let locked = self.0.async_lock(key, AsyncLimit::no_limit()).await;
        locked.expect("nothing is evicted")
    }
}

impl Map<u64> for Lockable {
    fn new() -> Self {
        Self(lockable::LockableHashMap::new())
    }

    async fn turn(&self, key: &u64) {
        self.lock(*key).await.value_or_insert_with(V::new).work();
    }

    async fn look(&self, key: &u64) -> u64 {
        self.lock(*key).await.value().map_or(0, |v| v.0[0])
    }

    async fn insert(&self, key: &u64) {
        self.lock(*key).await.insert(V::new());
    }

    async fn remove(&self, key: &u64) {
        self.lock(*key).await.remove();
    }
}

/// A cache, tokio's lock for the session.
pub(crate) struct Moka(moka::future::Cache<u64, Shared>);

impl Map<u64> for Moka {
    fn new() -> Self {
        Self(moka::future::Cache::builder().build())
    }

    async fn turn(&self, key: &u64) {
        let found = self.0.get_with(*key, async { shared() }).await;
        found.lock().await.work();
    }

    async fn look(&self, key: &u64) -> u64 {
        let found = self.0.get_with(*key, async { shared() }).await;
        found.lock().await.0[0]
    }

    async fn insert(&self, key: &u64) {
        self.0.insert(*key, shared()).await;
    }

    async fn remove(&self, key: &u64) {
        self.0.invalidate(key).await;
    }
}

/// A map without locks, parking_lot's lock for the session.
pub(crate) struct Papaya(papaya::HashMap<u64, Arc<Mutex<V>>>);

impl Papaya {
    fn find(&self, key: u64) -> Arc<Mutex<V>> {
        Arc::clone(
            self.0
                .pin()
                .get_or_insert_with(key, || Arc::new(Mutex::new(V::new()))),
        )
    }
}

impl Map<u64> for Papaya {
    fn new() -> Self {
        Self(papaya::HashMap::new())
    }

    async fn turn(&self, key: &u64) {
        self.find(*key).lock().work();
    }

    async fn look(&self, key: &u64) -> u64 {
        self.find(*key).lock().0[0]
    }

    async fn insert(&self, key: &u64) {
        self.0.pin().insert(*key, Arc::new(Mutex::new(V::new())));
    }

    async fn remove(&self, key: &u64) {
        self.0.pin().remove(key);
    }
}
