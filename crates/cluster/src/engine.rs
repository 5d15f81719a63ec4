//! What an engine does, in one request each.

use crate::sync::Arc;
use std::{fmt, future::Future, time::Duration};

/// A store with leases that is the source of truth for the owners of keys, such as etcd. An implementation is thin:
/// [`Node`](crate::Node) contains the protocol.
///
/// # What an engine must ensure
///
/// - Each request takes effect at one moment, or never. All requests, of all nodes, have one order.
/// - When a lease expires or is revoked, all records that were written under it are deleted at once. A lease does not expire before its
///   time to live has passed since the last renewal took effect.
/// - A request under a lease that has expired or was revoked changes nothing.
/// - The fence of each acquisition is higher than those of all earlier acquisitions of that key, and lower than 2^63.
/// - The engine compares revisions, never the owner's name alone, before it writes or deletes a record.
///
/// # Cancel safety
///
/// All futures may be dropped: the node drops a request that takes too long. The request may still take effect.
pub trait Engine: Send + Sync + 'static {
    /// Grants a lease, and returns it. The engine may choose another time to live.
    ///
    /// # Errors
    ///
    /// [`Fault::Failed`].
    fn grant(&self, time: Duration) -> impl Future<Output = Result<Grant, Fault>> + Send;

    /// Renews a lease, and returns its time to live from now. `grant`, `renew` and `revoke` should have their own connection, so that
    /// no batch delays them.
    ///
    /// # Errors
    ///
    /// [`Fault::Gone`] if the lease has expired or was revoked. [`Fault::Failed`].
    fn renew(&self, lease: u64) -> impl Future<Output = Result<Duration, Fault>> + Send;

    /// Ends a lease, and deletes all its records.
    ///
    /// # Errors
    ///
    /// A [`Fault`].
    fn revoke(&self, lease: u64) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Executes a batch: at most 100 requests, each for another key. Returns one answer for each request, in their order. At most
    /// two batches of a node are in flight.
    ///
    /// # Errors
    ///
    /// [`Fault::Gone`] if the lease has expired or was revoked. [`Fault::Failed`]. Both are for the whole batch.
    fn ask(&self, batch: Batch) -> impl Future<Output = Result<Vec<Answer>, Fault>> + Send;
}

/// An engine may be shared.
impl<E: Engine> Engine for Arc<E> {
    fn grant(&self, time: Duration) -> impl Future<Output = Result<Grant, Fault>> + Send {
        E::grant(self, time)
    }

    fn renew(&self, lease: u64) -> impl Future<Output = Result<Duration, Fault>> + Send {
        E::renew(self, lease)
    }

    fn revoke(&self, lease: u64) -> impl Future<Output = Result<(), Fault>> + Send {
        E::revoke(self, lease)
    }

    fn ask(&self, batch: Batch) -> impl Future<Output = Result<Vec<Answer>, Fault>> + Send {
        E::ask(self, batch)
    }
}

/// A lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Its number.
    pub lease: u64,
    /// Its time to live. The engine may let it live longer, never shorter.
    pub time: Duration,
}

/// Requests of one node under one lease.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The name of the node, which the engine writes into the records. No other process has it.
    pub owner: Arc<str>,
    /// The lease that the records are written under.
    pub lease: u64,
    /// The requests.
    pub requests: Vec<Request>,
}

/// A request for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The key.
    pub key: Arc<[u8]>,
    /// What to do with the key.
    pub action: Action,
}

/// What a request does with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Writes the record if there is none, or if it has this owner's name *and* still has the revision `seen`. Answered by
    /// [`Acquired`](Answer::Acquired), [`Ours`](Answer::Ours) or [`Other`](Answer::Other).
    Acquire {
        /// The fence of the last [`Acquired`](Answer::Acquired), or the revision of the last [`Ours`](Answer::Ours), for this key.
        seen: Option<u64>,
    },
    /// Deletes the record if it has this owner's name *and* still has this revision. Answered by [`Free`](Answer::Free) if it was deleted or if
    /// there is none, and otherwise by [`Ours`](Answer::Ours) or [`Other`](Answer::Other).
    Release {
        /// The revision, as for `seen`.
        revision: u64,
    },
    /// Changes nothing. Answered by [`Free`](Answer::Free), [`Ours`](Answer::Ours) or [`Other`](Answer::Other).
    Look,
}

/// What the record of a key is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// This request has written the record.
    Acquired {
        /// The number of this acquisition, and the revision of the record.
        fence: u64,
    },
    /// The record has this owner's name, and another revision.
    Ours {
        /// Its revision.
        revision: u64,
    },
    /// The record has another owner's name.
    Other {
        /// That name.
        owner: Arc<str>,
    },
    /// There is no record.
    Free,
    /// The engine cannot store such a key, for example because it is too long. The text is the reason. Nothing was changed.
    Refused(Arc<str>),
}

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The lease has expired or was revoked. Nothing was changed.
    Gone,
    /// The engine cannot be reached, or refused the request. The text is the reason. The request may have taken effect, or may still do so.
    Failed(Arc<str>),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the lease has expired"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Fault {}
