//! An engine in memory.

use super::store::Store;
use crate::{
    engine::{Answer, Batch, Engine, Fault, Grant},
    host::Host,
    sync::{Arc, PoisonError, Unseen},
};
use std::time::Duration;

/// An engine in memory, without faults. Several nodes of one process can share it. Clones are the same engine.
#[derive(Clone, Debug, Default)]
pub struct MemoryEngine(Arc<Unseen<Store>>);

impl MemoryEngine {
    /// Returns an engine without records.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the fence and the owner of a key.
    pub fn owner(&self, key: &[u8]) -> Option<(u64, Arc<str>)> {
        self.with(|store, now| store.owner(now, key))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Store, u64) -> T) -> T {
        let mut store = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut store, Host::System.now())
    }
}

impl Engine for MemoryEngine {
    async fn grant(&self, time: Duration) -> Result<Grant, Fault> {
        Ok(self.with(|store, now| store.grant(now, time)))
    }

    async fn renew(&self, lease: u64) -> Result<Duration, Fault> {
        self.with(|store, now| store.renew(now, lease))
    }

    async fn revoke(&self, lease: u64) -> Result<(), Fault> {
        self.with(|store, _| store.revoke(lease));
        Ok(())
    }

    async fn ask(&self, batch: Batch) -> Result<Vec<Answer>, Fault> {
        self.with(|store, now| store.ask(now, &batch))
    }
}
