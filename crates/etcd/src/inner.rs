//! What all requests to etcd share, and how one is sent.

use crate::{
    heartbeat::Heartbeats,
    link::{Lane, Members},
    wire::{self, failed},
};
use hyper::body::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};
use turnwise_cluster::Fault;

/// Its requests and its tasks share this.
pub(crate) struct Inner {
    pub(crate) members: Members,
    /// Of one's own lease.
    pub(crate) leases: Lane,
    /// The ends of other nodes.
    pub(crate) ends: Lane,
    pub(crate) batches: Lane,
    /// Of this crate's users. Their runtime drives its connections.
    pub(crate) looks: Lane,
    /// `PREFIX CLUSTER /`.
    pub(crate) root: String,
    /// The same and `k/`.
    pub(crate) keys: String,
    pub(crate) heartbeats: Heartbeats,
    /// A lease that etcd may have granted, and that has no heartbeat yet. From before the question.
    pub(crate) spare: Mutex<Option<(u64, Instant)>>,
    pub(crate) kept: Mutex<HashMap<u64, Kept>>,
    /// How long etcd keeps a lease that nobody prolongs.
    pub(crate) long: Duration,
    /// Only one task ends others, and one prolongs, at a time.
    pub(crate) ending: AtomicBool,
    pub(crate) prolonging: AtomicBool,
    pub(crate) user: Option<(String, String)>,
    token: Mutex<Option<Arc<str>>>,
    /// etcd's own number of its cluster, from the first answer.
    identity: Mutex<Option<u64>>,
}

/// A lease of a node.
pub(crate) struct Kept {
    /// The node's time to live.
    pub(crate) time: Duration,
    /// Read before etcd's lease was last prolonged.
    pub(crate) prolonged: Instant,
}

impl Inner {
    pub(crate) fn new(
        members: Members,
        root: String,
        user: Option<(String, String)>,
        long: Duration,
    ) -> Self {
        let second = 1 % members.list.len();
        Self {
            members,
            leases: Lane::default(),
            ends: Lane::begins_at(second),
            batches: Lane::begins_at(second),
            looks: Lane::begins_at(second),
            keys: format!("{root}k/"),
            heartbeats: Heartbeats::new(&root),
            spare: Mutex::default(),
            kept: Mutex::default(),
            long,
            ending: AtomicBool::new(false),
            prolonging: AtomicBool::new(false),
            root,
            user,
            token: Mutex::default(),
            identity: Mutex::default(),
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

pub(crate) fn id(lease: u64) -> String {
    format!(r#"{{"ID":"{lease}"}}"#)
}
