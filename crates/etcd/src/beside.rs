//! What a node does beside its renewals and batches: it ends dead nodes, and prolongs its own lease at etcd.

use crate::{
    heartbeat::Overdue,
    inner::{Inner, id},
    wire,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use turnwise_cluster::Fault;

/// How many times etcd's lease is prolonged in the time that etcd keeps it: every five minutes of a day.
const OFTEN: u32 = 288;

/// Of a task beside the renewals.
const LIMIT: Duration = Duration::from_secs(10);

/// Keys of a transaction, each with two operations in it.
const MARKS: usize = 30;

/// Set as long as this lives.
struct Busy(Arc<Inner>, fn(&Inner) -> &AtomicBool);

impl Busy {
    fn set(inner: &Arc<Inner>, flag: fn(&Inner) -> &AtomicBool) -> Option<Self> {
        let was = flag(inner).swap(true, Ordering::AcqRel);
        (!was).then(|| Self(Arc::clone(inner), flag))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        (self.1)(&self.0).store(false, Ordering::Release);
    }
}

/// Beside the renewals and batches: none of them waits for it.
fn beside(busy: Busy, work: impl Future<Output = Result<(), Fault>> + Send + 'static) {
    drop(tokio::spawn(async move {
        // What is left is done the next time, or by another node.
        drop(tokio::time::timeout(LIMIT, work).await);
        drop(busy);
    }));
}

impl Inner {
    /// Ends the nodes whose time has passed.
    pub(crate) fn end_others(self: &Arc<Self>) {
        let Some(busy) = Busy::set(self, |inner| &inner.ending) else {
            return;
        };
        let overdue = self.heartbeats.overdue(Instant::now());
        if !overdue.is_empty() {
            let inner = Arc::clone(self);
            beside(busy, async move { inner.end(&overdue).await });
        }
    }

    async fn end(&self, overdue: &[Overdue]) -> Result<(), Fault> {
        for some in overdue.chunks(MARKS) {
            let body = self.heartbeats.marks(some);
            let answer = self.call(&self.ends, "/v3/kv/txn", body).await?;
            for lease in self.heartbeats.marked(some, &answer) {
                match self.call(&self.ends, "/v3/lease/revoke", id(lease)).await {
                    // Somebody else did it, or there was no lease.
                    Err(Fault::Gone) => {
                        let body = self.heartbeats.removal(lease);
                        self.call(&self.ends, "/v3/kv/txn", body).await?;
                    }
                    other => drop(other?),
                }
            }
        }
        Ok(())
    }

    /// Prolongs etcd's own lease, long before it expires. By the connection of the renewals, which works.
    pub(crate) fn prolong(self: &Arc<Self>, lease: u64) {
        let prolonged = self.kept.lock().get(&lease).map(|kept| kept.prolonged);
        if prolonged.is_some_and(|prolonged| prolonged.elapsed() < self.long / OFTEN) {
            return;
        }
        let Some(busy) = Busy::set(self, |inner| &inner.prolonging) else {
            return;
        };
        let inner = Arc::clone(self);
        beside(busy, async move {
            let now = Instant::now();
            let answer = inner.call(&inner.leases, "/v3/lease/keepalive", id(lease));
            // One that has expired has no time.
            if wire::number(&answer.await?["TTL"]).is_some_and(|time| time > 0) {
                let mut kept = inner.kept.lock();
                kept.get_mut(&lease)
                    .into_iter()
                    .for_each(|kept| kept.prolonged = now);
            }
            Ok(())
        });
    }

    /// How long this lease may be used: half of what etcd has promised is left.
    pub(crate) fn left(&self, lease: u64) -> Duration {
        let kept = self.kept.lock();
        let kept = kept.get(&lease);
        kept.map_or(Duration::ZERO, |kept| {
            (self.long / 2).saturating_sub(kept.prolonged.elapsed())
        })
    }

    /// Its heartbeat has ended, or is missing. If nobody else has done it, its records go once its sessions have ended.
    pub(crate) fn lost(self: &Arc<Self>, lease: u64) {
        let Some(kept) = self.kept.lock().remove(&lease) else {
            return;
        };
        let inner = Arc::clone(self);
        drop(tokio::spawn(async move {
            tokio::time::sleep(kept.time).await;
            let revoked = inner.call(&inner.ends, "/v3/lease/revoke", id(lease));
            drop(tokio::time::timeout(LIMIT, revoked).await);
        }));
    }
}
