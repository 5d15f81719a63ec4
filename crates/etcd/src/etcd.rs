//! The engine.

use crate::{
    heartbeat::{Heartbeats, Overdue, PAUSE},
    link::{Lane, Members},
    wire::{self, failed},
};
use hyper::body::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
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
    pub(crate) members: Members,
    /// Grants, renewals and the end of the node.
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
    /// The last lease that was prolonged, and when.
    prolonged: Mutex<Option<(u64, Instant)>>,
    pub(crate) user: Option<(String, String)>,
    token: Mutex<Option<Arc<str>>>,
    /// etcd's own number of its cluster, from the first answer.
    identity: Mutex<Option<u64>>,
    pub(crate) warnings: Vec<String>,
}

impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.members.list.iter().map(|member| &member.url);
        f.debug_struct("Etcd")
            .field("members", &members.collect::<Vec<_>>())
            .field("root", &self.root)
            .field("user", &self.user.as_ref().map(|(name, _)| name))
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
        let body = wire::range(&self.keys, key, most);
        let answer = self.call(&self.looks, "/v3/kv/range", body).await;
        let found = answer.and_then(|answer| wire::owners(&self.keys, &answer));
        found.map_err(io::Error::other)
    }

    pub(crate) fn new(members: Members, root: String, user: Option<(String, String)>) -> Self {
        let second = 1 % members.list.len();
        Self {
            members,
            leases: Lane::default(),
            ends: Lane::begins_at(second),
            batches: Lane::begins_at(second),
            looks: Lane::begins_at(second),
            keys: format!("{root}k/"),
            heartbeats: Heartbeats::new(&root),
            prolonged: Mutex::default(),
            root,
            user,
            token: Mutex::default(),
            identity: Mutex::default(),
            warnings: Vec::new(),
        }
    }

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
const LONG: Duration = Duration::from_secs(3600);

impl Etcd {
    /// Ends the nodes whose time has passed. It takes no longer than a small part of a term: what is left is done the next time.
    async fn end_others(&self) {
        let overdue = self.heartbeats.overdue(Instant::now());
        if !overdue.is_empty() {
            let ends = async {
                for one in overdue {
                    // Another node does it, or the next look.
                    drop(self.end_other(one).await);
                }
            };
            drop(tokio::time::timeout(PAUSE, ends).await);
        }
    }

    async fn end_other(&self, Overdue { lease, revision }: Overdue) -> Result<(), Fault> {
        if let Some(revision) = revision {
            let body = self.heartbeats.end(lease, revision);
            let answer = self.call(&self.ends, "/v3/kv/txn", body).await?;
            if answer["succeeded"] != true {
                return Ok(());
            }
        }
        self.call(&self.ends, "/v3/lease/revoke", id(lease)).await?;
        Ok(())
    }

    /// Prolongs etcd's own lease long before it expires.
    async fn prolong(&self, lease: u64) {
        let is_fresh =
            |prolonged: (u64, Instant)| prolonged.0 == lease && prolonged.1.elapsed() < LONG / 10;
        if self.prolonged.lock().is_some_and(is_fresh) {
            return;
        }
        let now = Instant::now();
        let call = self.call(&self.ends, "/v3/lease/keepalive", id(lease));
        if let Ok(Ok(_)) = tokio::time::timeout(PAUSE, call).await {
            *self.prolonged.lock() = Some((lease, now));
        }
    }
}

fn id(lease: u64) -> String {
    format!(r#"{{"ID":"{lease}"}}"#)
}

impl Engine for Etcd {
    /// If its answer is lost, a lease of an hour is left, without records.
    async fn grant(&self, time: Duration) -> Result<Grant, Fault> {
        // Never 0, and positive for etcd.
        let lease = RandomState::new().hash_one(process::id()) >> 1 | 1;
        let seconds = LONG.max(time.saturating_mul(10)).as_secs();
        let body = format!(r#"{{"ID":"{lease}","TTL":"{seconds}"}}"#);
        self.call(&self.leases, "/v3/lease/grant", body).await?;
        let body = self.heartbeats.begin(lease, time);
        let answer = self.call(&self.leases, "/v3/kv/txn", body).await?;
        let time = self.heartbeats.seen(lease, &answer, Instant::now());
        let time = time.ok_or_else(|| failed("etcd has this lease already"))?;
        *self.prolonged.lock() = Some((lease, Instant::now()));
        Ok(Grant { lease, time })
    }

    async fn renew(&self, lease: u64) -> Result<Duration, Fault> {
        let body = self.heartbeats.renewal(lease);
        let answer = self.call(&self.leases, "/v3/kv/txn", body).await?;
        let time = self.heartbeats.seen(lease, &answer, Instant::now());
        let time = time.ok_or(Fault::Gone)?;
        self.end_others().await;
        self.prolong(lease).await;
        Ok(time)
    }

    async fn revoke(&self, lease: u64) -> Result<(), Fault> {
        match self.call(&self.leases, "/v3/lease/revoke", id(lease)).await {
            Ok(_) | Err(Fault::Gone) => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    async fn ask(&self, batch: Batch) -> Result<Vec<Answer>, Fault> {
        let body = wire::transaction(&self.keys, &batch)?;
        let answer = self.call(&self.batches, "/v3/kv/txn", body).await?;
        let answers = wire::answers(&batch, &answer)?;
        let is_others = |answer: &Answer| matches!(answer, Answer::Other { .. });
        if answers.iter().any(is_others) {
            // Their owner may be dead: the next question gets the key.
            self.end_others().await;
        }
        Ok(answers)
    }
}
