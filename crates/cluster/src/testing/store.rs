//! The engine itself: a sequential machine. Time is its caller's.

use crate::{
    engine::{Action, Answer, Batch, Fault, Grant},
    sync::Arc,
};
use std::{collections::BTreeMap, time::Duration};

#[derive(Debug, Default)]
pub(crate) struct Store {
    leases: BTreeMap<u64, Lease>,
    rows: BTreeMap<Arc<[u8]>, Row>,
    last: u64,
    /// Records that went with their leases, since the last call of [`expired`](Self::expired).
    expired: Vec<(Arc<[u8]>, u64)>,
}

#[derive(Debug)]
struct Lease {
    time: Duration,
    expires: u64,
}

#[derive(Debug)]
struct Row {
    owner: Arc<str>,
    lease: u64,
    revision: u64,
}

impl Store {
    pub(crate) fn grant(&mut self, now: u64, time: Duration) -> Grant {
        self.last += 1;
        let lease = Lease {
            time,
            expires: now + time.as_nanos() as u64,
        };
        self.leases.insert(self.last, lease);
        Grant {
            lease: self.last,
            time,
        }
    }

    pub(crate) fn renew(&mut self, now: u64, lease: u64) -> Result<Duration, Fault> {
        self.expire(now);
        let lease = self.leases.get_mut(&lease).ok_or(Fault::Gone)?;
        lease.expires = now + lease.time.as_nanos() as u64;
        Ok(lease.time)
    }

    pub(crate) fn revoke(&mut self, lease: u64) {
        self.leases.remove(&lease);
        self.sweep();
    }

    fn expire(&mut self, now: u64) {
        let before = self.leases.len();
        self.leases.retain(|_, lease| lease.expires > now);
        if self.leases.len() < before {
            self.sweep();
        }
    }

    fn sweep(&mut self) {
        self.rows.retain(|key, row| {
            let stays = self.leases.contains_key(&row.lease);
            if !stays {
                self.expired.push((Arc::clone(key), row.revision));
            }
            stays
        });
    }

    /// Keys and fences of records that went with their leases.
    pub(crate) fn expired(&mut self) -> Vec<(Arc<[u8]>, u64)> {
        std::mem::take(&mut self.expired)
    }

    pub(crate) fn ask(&mut self, now: u64, batch: &Batch) -> Result<Vec<Answer>, Fault> {
        self.expire(now);
        if !self.leases.contains_key(&batch.lease) {
            return Err(Fault::Gone);
        }
        let requests = batch.requests.iter();
        Ok(requests
            .map(|request| self.answer(&request.key, request.action, batch))
            .collect())
    }

    fn answer(&mut self, key: &Arc<[u8]>, action: Action, batch: &Batch) -> Answer {
        let row = self.rows.get(key);
        if let Some(row) = row.filter(|row| row.owner != batch.owner) {
            let owner = Arc::clone(&row.owner);
            return Answer::Other { owner };
        }
        let revision = row.map(|row| row.revision);
        match (action, revision) {
            (Action::Acquire { seen }, _) if revision.is_none() || revision == seen => {
                self.last += 1;
                let row = Row {
                    owner: Arc::clone(&batch.owner),
                    lease: batch.lease,
                    revision: self.last,
                };
                self.rows.insert(Arc::clone(key), row);
                Answer::Acquired { fence: self.last }
            }
            (_, None) => Answer::Free,
            (Action::Release { revision: seen }, Some(revision)) if revision == seen => {
                self.rows.remove(key);
                Answer::Free
            }
            (_, Some(revision)) => Answer::Ours { revision },
        }
    }

    /// The fence and the owner of a key.
    pub(crate) fn owner(&mut self, now: u64, key: &[u8]) -> Option<(u64, Arc<str>)> {
        self.expire(now);
        let row = self.rows.get(key)?;
        Some((row.revision, Arc::clone(&row.owner)))
    }
}
