//! The contenders from other crates, each as its documentation advises.

use super::{
    Contender, Failed, LIMIT,
    databases::{Connection, Databases},
};
use deadpool::managed::{Manager, Metrics, Pool, RecycleResult};
use lockable::{LockableLruCache, SyncLimit};
use moka::{policy::EvictionPolicy, sync::Cache};
use std::{
    collections::HashMap,
    convert::Infallible,
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};
use tokio::runtime::Runtime;

/// A cache of four connections. `try_get_with` opens a connection once for all who ask for it at the same time.
pub struct Moka {
    databases: Arc<Databases>,
    cache: Cache<usize, Arc<Mutex<Connection>>>,
}

impl Moka {
    /// With an eviction policy of its documentation.
    pub fn new(databases: Arc<Databases>, policy: EvictionPolicy) -> Self {
        let cache = Cache::builder()
            .max_capacity(LIMIT as u64)
            .eviction_policy(policy)
            .build();
        Self { databases, cache }
    }
}

impl Contender for Moka {
    fn insert(&self, tenant: usize, number: u32) -> Result<(), Failed> {
        let connection = self.cache.try_get_with(tenant, || {
            let opened = self.databases.open(tenant)?;
            Ok::<_, rusqlite::Error>(Arc::new(Mutex::new(opened)))
        })?;
        let mut connection = connection.lock().map_err(|error| error.to_string())?;
        Ok(connection.insert(number)?)
    }
}

/// The same, with an eviction listener that closes the connection at once, after the insert that uses it.
pub struct MokaListener {
    databases: Arc<Databases>,
    cache: Cache<usize, Arc<Mutex<Option<Connection>>>>,
}

impl MokaListener {
    /// Without a connection.
    pub fn new(databases: Arc<Databases>) -> Self {
        let close = |_, connection: Arc<Mutex<Option<Connection>>>, _| {
            if let Ok(mut connection) = connection.lock() {
                *connection = None;
            }
        };
        let cache = Cache::builder()
            .max_capacity(LIMIT as u64)
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(close)
            .build();
        Self { databases, cache }
    }
}

impl Contender for MokaListener {
    fn insert(&self, tenant: usize, number: u32) -> Result<(), Failed> {
        loop {
            let connection = self.cache.try_get_with(tenant, || {
                let opened = self.databases.open(tenant)?;
                Ok::<_, rusqlite::Error>(Arc::new(Mutex::new(Some(opened))))
            })?;
            let mut connection = connection.lock().map_err(|error| error.to_string())?;
            // It may have been evicted since.
            if let Some(connection) = connection.as_mut() {
                return Ok(connection.insert(number)?);
            }
        }
    }
}

/// A pool of one connection for each tenant, in a map. Nothing limits them together.
pub struct Deadpool {
    databases: Arc<Databases>,
    pools: Mutex<HashMap<usize, Pool<Tenant>>>,
    runtime: Runtime,
}

struct Tenant(Arc<Databases>, usize);

impl Manager for Tenant {
    type Type = Connection;
    type Error = Failed;

    async fn create(&self) -> Result<Connection, Failed> {
        let (databases, tenant) = (Arc::clone(&self.0), self.1);
        Ok(tokio::task::spawn_blocking(move || databases.open(tenant)).await??)
    }

    async fn recycle(&self, _: &mut Connection, _: &Metrics) -> RecycleResult<Failed> {
        Ok(())
    }
}

impl Deadpool {
    /// Without a pool.
    ///
    /// # Panics
    ///
    /// If no thread can be started.
    pub fn new(databases: Arc<Databases>) -> Self {
        Self {
            databases,
            pools: Mutex::default(),
            runtime: Runtime::new().expect("threads can be started"),
        }
    }

    fn pool(&self, tenant: usize) -> Pool<Tenant> {
        let mut pools = self.pools.lock().expect("no panic while it is locked");
        let new = || {
            let manager = Tenant(Arc::clone(&self.databases), tenant);
            let pool = Pool::builder(manager).max_size(1).build();
            pool.expect("it needs no runtime")
        };
        pools.entry(tenant).or_insert_with(new).clone()
    }
}

impl Contender for Deadpool {
    fn insert(&self, tenant: usize, number: u32) -> Result<(), Failed> {
        let pool = self.pool(tenant);
        let connection = self.runtime.block_on(pool.get());
        let mut connection = connection.map_err(|error| error.to_string())?;
        Ok(connection.insert(number)?)
    }
}

/// A cache of locked entries with a soft limit. `on_evict` gets the least recently used entries, locked, and removes them.
pub struct Lockable {
    databases: Arc<Databases>,
    // Its values must be `Sync`, which a connection is not. The mutex is never locked.
    cache: LockableLruCache<usize, Mutex<Connection>>,
}

impl Lockable {
    /// Without an entry.
    pub fn new(databases: Arc<Databases>) -> Self {
        Self {
            databases,
            cache: LockableLruCache::new(),
        }
    }
}

impl Contender for Lockable {
    fn insert(&self, tenant: usize, number: u32) -> Result<(), Failed> {
        let limit = SyncLimit::SoftLimit {
            max_entries: NonZeroUsize::new(LIMIT).expect("it is not zero"),
            on_evict: |entries: Vec<lockable::Guard<_, _, _, _>>| {
                for mut entry in entries {
                    drop(entry.remove()); // the key is locked until the connection is closed
                }
                Ok::<_, Infallible>(())
            },
        };
        let Ok(mut entry) = self.cache.blocking_lock(tenant, limit);
        if entry.value().is_none() {
            entry.insert(Mutex::new(self.databases.open(tenant)?));
        }
        let connection = entry.value_mut().expect("it was inserted").get_mut();
        Ok(connection
            .map_err(|error| error.to_string())?
            .insert(number)?)
    }
}
