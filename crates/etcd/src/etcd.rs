//! The engine.

use crate::{
    inner::{Inner, Kept, id},
    wire::{self, failed},
};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    io, process,
    sync::Arc,
    time::{Duration, Instant},
};
use turnwise_cluster::{Answer, Batch, Engine, Fault, Grant};

/// An etcd cluster, as the [`Engine`] of a [`Node`](turnwise_cluster::Node).
pub struct Etcd {
    pub(crate) inner: Arc<Inner>,
    pub(crate) warnings: Vec<String>,
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.inner.members.list.iter().map(|member| &member.url);
        f.debug_struct("Etcd")
            .field("members", &members.collect::<Vec<_>>())
            .field("root", &self.inner.root)
            .field("user", &self.inner.user.as_ref().map(|(name, _)| name))
            .finish_non_exhaustive()
    }
}

impl Etcd {
    /// Returns warnings for the operator: members that did not answer, or whose version may revoke even long leases early. Empty if there are none.
    ///
    /// They are from the time of [`connect`](crate::EtcdBuilder::connect), and do not change later.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns the owner of a key: the [name](turnwise_cluster::Node::owner) in its record. `None` if it has none.
    ///
    /// The owner may be another one a moment later. To own the key, acquire it.
    ///
    /// # Errors
    ///
    /// etcd cannot be reached, or refuses the request. Only connections have a time limit, so set one for the call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn owner(&self, key: &[u8]) -> io::Result<Option<Arc<str>>> {
        let found = self.range(key, None).await?;
        Ok(found.into_iter().next().map(|(_, owner)| owner))
    }

    /// Returns the keys that begin with these bytes and have an owner, with their owners, in the order of the keys: at most `most` of them.
    ///
    /// # Errors
    ///
    /// Those of [`owner`](Self::owner).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn owners(&self, begin: &[u8], most: usize) -> io::Result<Vec<(Vec<u8>, Arc<str>)>> {
        // 0 would be no limit.
        match most {
            0 => Ok(Vec::new()),
            most => self.range(begin, Some(most)).await,
        }
    }

    async fn range(&self, key: &[u8], most: Option<usize>) -> io::Result<Vec<(Vec<u8>, Arc<str>)>> {
        let Inner { keys, looks, .. } = &*self.inner;
        let body = wire::range(keys, key, most);
        let answer = self.inner.call(looks, "/v3/kv/range", body).await;
        let found = answer.and_then(|answer| wire::owners(keys, &answer));
        found.map_err(io::Error::other)
    }

    pub(crate) fn new(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
            warnings: Vec::new(),
        }
    }
}

fn exists(fault: &Fault) -> bool {
    matches!(fault, Fault::Failed(words) if words.contains("lease already exists"))
}

impl Engine for Etcd {
    async fn grant(&self, time: Duration) -> Result<Grant, Fault> {
        let inner = &self.inner;
        // Never 0, and positive for etcd.
        let fresh = || {
            (
                RandomState::new().hash_one(process::id()) >> 1 | 1,
                Instant::now(),
            )
        };
        let (lease, prolonged) = *inner.spare.lock().get_or_insert_with(fresh);
        let seconds = inner.long.as_secs();
        let body = format!(r#"{{"ID":"{lease}","TTL":"{seconds}"}}"#);
        match inner.call(&inner.leases, "/v3/lease/grant", body).await {
            Ok(_) => {}
            // By a question whose answer was lost.
            Err(fault) if exists(&fault) => {}
            Err(fault) => return Err(fault),
        }
        let body = inner.heartbeats.begin(lease, time);
        let answer = inner.call(&inner.leases, "/v3/kv/txn", body).await;
        if matches!(answer, Ok(_) | Err(Fault::Gone)) {
            inner.spare.lock().take_if(|spare| spare.0 == lease);
        }
        let time = inner.heartbeats.seen(lease, &answer?, Instant::now());
        let time = time.ok_or_else(|| failed("etcd has this heartbeat already"))?;
        let kept = Kept { time, prolonged };
        let mut all = inner.kept.lock();
        // Those that were given up because etcd did not answer.
        all.retain(|_, kept| kept.prolonged.elapsed() < inner.long / 2);
        all.insert(lease, kept);
        Ok(Grant { lease, time })
    }

    async fn renew(&self, lease: u64) -> Result<Duration, Fault> {
        let inner = &self.inner;
        let body = inner.heartbeats.renewal(lease);
        let answer = inner.call(&inner.leases, "/v3/kv/txn", body).await?;
        let time = inner.heartbeats.seen(lease, &answer, Instant::now());
        let left = inner.left(lease);
        let Some(time) = time.filter(|_| !left.is_zero()) else {
            inner.lost(lease);
            return Err(Fault::Gone);
        };
        inner.end_others();
        inner.prolong(lease);
        Ok(time.min(left))
    }

    async fn revoke(&self, lease: u64) -> Result<(), Fault> {
        let inner = &self.inner;
        let revoked = inner.call(&inner.leases, "/v3/lease/revoke", id(lease));
        match revoked.await {
            Ok(_) | Err(Fault::Gone) => {
                inner.kept.lock().remove(&lease);
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }

    async fn ask(&self, batch: Batch) -> Result<Vec<Answer>, Fault> {
        let inner = &self.inner;
        let body = wire::transaction(&inner.keys, &batch)?;
        let answer = inner.call(&inner.batches, "/v3/kv/txn", body).await?;
        let answers = wire::answers(&batch, &answer)?;
        let is_others = |answer: &Answer| matches!(answer, Answer::Other { .. });
        if answers.iter().any(is_others) {
            // Their owner may be dead: a later question gets the key.
            inner.end_others();
        }
        Ok(answers)
    }
}
