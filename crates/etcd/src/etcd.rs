//! The engine.

use crate::{
    heartbeat::{Heartbeats, Overdue},
    link::{Lane, Members},
    wire::{self, failed},
};
use hyper::body::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    io, process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use turnwise_cluster::{Answer, Batch, Engine, Fault, Grant};

/// An etcd cluster, as the [`Engine`] of a [`Node`](turnwise_cluster::Node).
pub struct Etcd {
    pub(crate) inner: Arc<Inner>,
    pub(crate) warnings: Vec<String>,
}

/// What its tasks share.
pub(crate) struct Inner {
    pub(crate) members: Members,
    /// Of one's own lease.
    leases: Lane,
    /// The ends of other nodes.
    ends: Lane,
    batches: Lane,
    /// Of this crate's users. Their runtime drives its connections.
    looks: Lane,
    /// `PREFIX CLUSTER /`.
    pub(crate) root: String,
    /// The same and `k/`.
    keys: String,
    heartbeats: Heartbeats,
    /// A lease that etcd may have granted, and that has no heartbeat yet. From before the question.
    spare: Mutex<Option<(u64, Instant)>>,
    kept: Mutex<HashMap<u64, Kept>>,
    /// Only one task ends others, and one prolongs, at a time.
    ending: AtomicBool,
    prolonging: AtomicBool,
    pub(crate) user: Option<(String, String)>,
    token: Mutex<Option<Arc<str>>>,
    /// etcd's own number of its cluster, from the first answer.
    identity: Mutex<Option<u64>>,
}

/// A lease of a node.
struct Kept {
    /// The node's time to live.
    time: Duration,
    /// Read before etcd's lease was last prolonged.
    prolonged: Instant,
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

    pub(crate) fn new(members: Members, root: String, user: Option<(String, String)>) -> Self {
        let second = 1 % members.list.len();
        let inner = Inner {
            members,
            leases: Lane::default(),
            ends: Lane::begins_at(second),
            batches: Lane::begins_at(second),
            looks: Lane::begins_at(second),
            keys: format!("{root}k/"),
            heartbeats: Heartbeats::new(&root),
            spare: Mutex::default(),
            kept: Mutex::default(),
            ending: AtomicBool::new(false),
            prolonging: AtomicBool::new(false),
            root,
            user,
            token: Mutex::default(),
            identity: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
            warnings: Vec::new(),
        }
    }
}

impl Inner {
    /// One request. It is repeated only if etcd has refused its token.
    pub(crate) async fn call(&self, lane: &Lane, path: &str, body: String) -> Result<Value, Fault> {
        let body = Bytes::from(body);
        let mut again = self.user.is_some();
        loop {
            let token = self.token(lane).await?;
            let sent = lane.send(&self.members, path, Some(&body), token.as_deref());
            let (status, text, visit) = sent.await.map_err(failed)?;
            match wire::unwrapped(&text) {
                Ok(answer) if status.is_success() => {
                    self.identify(&answer)?;
                    visit.keep();
                    return Ok(answer);
                }
                Ok(_) => return Err(failed(format!("etcd answered {status}"))),
                Err(words) if wire::is_gone(&words) => {
                    visit.keep();
                    return Err(Fault::Gone);
                }
                Err(words) if again && wire::is_token(&words) => {
                    visit.keep();
                    again = false;
                    let mut held = self.token.lock();
                    // Another request may have got a new one already.
                    if *held == token {
                        *held = None;
                    }
                }
                Err(words) => return Err(failed(words)),
            }
        }
    }

    async fn token(&self, lane: &Lane) -> Result<Option<Arc<str>>, Fault> {
        let Some((name, password)) = &self.user else {
            return Ok(None);
        };
        if let Some(token) = self.token.lock().clone() {
            return Ok(Some(token));
        }
        let body = json!({ "name": name, "password": password }).to_string();
        let body = Some(Bytes::from(body));
        let path = "/v3/auth/authenticate";
        let sent = lane.send(&self.members, path, body.as_ref(), None);
        let (_, text, visit) = sent.await.map_err(failed)?;
        let answer = wire::unwrapped(&text).map_err(failed)?;
        let token = answer["token"].as_str();
        let token: Arc<str> = token.ok_or_else(|| failed("etcd gave no token"))?.into();
        visit.keep();
        *self.token.lock() = Some(Arc::clone(&token));
        Ok(Some(token))
    }

    /// Endpoints of two etcd clusters would be two truths.
    fn identify(&self, answer: &Value) -> Result<(), Fault> {
        let Some(id) = wire::number(&answer["header"]["cluster_id"]) else {
            return Err(failed("etcd's answer does not name its cluster"));
        };
        match *self.identity.lock().get_or_insert(id) == id {
            true => Ok(()),
            false => Err(failed("the endpoints are not of one etcd cluster")),
        }
    }
}

/// How long etcd keeps a lease that nobody prolongs: heartbeats decide when a node is dead, and this cleans up after the last one.
const LONG: Duration = Duration::from_secs(86_400);

/// From one prolongation to the next.
const OFTEN: Duration = Duration::from_secs(300);

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
    fn end_others(self: &Arc<Self>) {
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
    fn prolong(self: &Arc<Self>, lease: u64) {
        let prolonged = self.kept.lock().get(&lease).map(|kept| kept.prolonged);
        if prolonged.is_some_and(|prolonged| prolonged.elapsed() < OFTEN) {
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
    fn left(&self, lease: u64) -> Duration {
        let kept = self.kept.lock();
        let kept = kept.get(&lease);
        kept.map_or(Duration::ZERO, |kept| {
            (LONG / 2).saturating_sub(kept.prolonged.elapsed())
        })
    }

    /// Its heartbeat has ended, or is missing. If nobody else has done it, its records go once its sessions have ended.
    fn lost(self: &Arc<Self>, lease: u64) {
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

fn id(lease: u64) -> String {
    format!(r#"{{"ID":"{lease}"}}"#)
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
        let seconds = LONG.as_secs();
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
        all.retain(|_, kept| kept.prolonged.elapsed() < LONG / 2);
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
