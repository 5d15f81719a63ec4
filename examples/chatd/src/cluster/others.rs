//! The sessions of the other nodes: as they are, or as they change while somebody looks.

use super::{
    Cluster,
    client::Connection,
    forward::{Events, LONGEST},
};
use crate::http::{Call, Others, Shown};
use axum::body::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

/// From a look at the list of nodes to the next, and from a connection that ended to the next.
const LOOK: Duration = Duration::from_millis(500);
/// For a node to answer. Then it is one that does not.
const ANSWER: Duration = Duration::from_secs(1);
/// Without a change, a node is asked so often whether it is there. One that is stopped keeps its connections.
const QUIET: Duration = Duration::from_secs(1);
/// The feed of a node has a sign of life more often.
const SILENCE: Duration = Duration::from_secs(20);

/// Stands for the nodes that it does not list.
const ETCD: &str = "etcd";

/// Ends the task when it is dropped.
struct Follower(AbortHandle);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Cluster {
    /// What all other nodes answer. If etcd does not answer, it stands for them.
    pub(crate) async fn others(&self) -> Others {
        let Ok(nodes) = self.nodes().await else {
            return Others::from([(ETCD.to_owned(), None)]);
        };
        let mut asked = JoinSet::new();
        for node in nodes {
            let cluster = self.clone();
            asked.spawn(async move {
                let sessions = timeout(ANSWER, sessions(&cluster, &node)).await;
                (node, sessions.ok().flatten())
            });
        }
        asked.join_all().await.into_iter().collect()
    }

    /// What all other nodes show. Asks them only while somebody looks.
    pub(crate) fn follow(
        &self,
        is_read: impl Fn() -> bool + Send + 'static,
    ) -> watch::Receiver<Others> {
        let (sender, receiver) = watch::channel(Others::new());
        tokio::spawn(self.clone().keep(is_read, Arc::new(sender)));
        receiver
    }

    async fn keep(
        self,
        is_read: impl Fn() -> bool + Send + 'static,
        shown: Arc<watch::Sender<Others>>,
    ) {
        let mut followers = BTreeMap::new();
        while !shown.is_closed() {
            if !is_read() {
                followers.clear();
            } else if let Ok(nodes) = self.nodes().await {
                followers.retain(|node, _| nodes.contains(node));
                for node in nodes {
                    followers.entry(node.clone()).or_insert_with(|| {
                        let task = tokio::spawn(self.clone().feed(node, Arc::clone(&shown)));
                        Some(Follower(task.abort_handle()))
                    });
                }
            } else {
                followers.insert(ETCD.to_owned(), None);
            }
            shown.send_if_modified(|shown| {
                let before = shown.len();
                shown.retain(|node, _| followers.contains_key(node));
                let gone = shown.len() < before;
                let no_list = followers.contains_key(ETCD);
                gone || no_list && shown.insert(ETCD.to_owned(), None).is_none()
            });
            sleep(LOOK).await;
        }
    }

    /// Shows what one node shows.
    async fn feed(self, node: String, shown: Arc<watch::Sender<Others>>) {
        loop {
            let opened = timeout(ANSWER, open(&self, &node, "/events")).await;
            if let Some((_connection, mut body)) = opened.ok().flatten() {
                let mut events = Events::new(Call::Feed);
                while let Some(data) = part(&self, &node, &mut body).await {
                    if !events.has_room(&data) {
                        break;
                    }
                    if let Some(sessions) = events.add(&data).as_deref().and_then(last) {
                        let sessions = Some(Shown::new(sessions));
                        shown.send_modify(|shown| drop(shown.insert(node.clone(), sessions)));
                    }
                }
            }
            shown.send_modify(|shown| drop(shown.insert(node.clone(), None)));
            sleep(LOOK).await;
        }
    }
}

async fn open(cluster: &Cluster, node: &str, path: &str) -> Option<(Connection, Incoming)> {
    let mut connection = Connection::open(node).await.ok()?;
    let answer = connection.get(cluster, node, path).await.ok()?;
    (answer.status() == 200).then(|| (connection, answer.into_body()))
}

async fn sessions(cluster: &Cluster, node: &str) -> Option<Shown> {
    let (_connection, body) = open(cluster, node, "/sessions").await?;
    let text = Limited::new(body, LONGEST).collect().await.ok()?.to_bytes();
    serde_json::from_slice(&text).ok().map(Shown::new)
}

/// The next part of a feed. `None` at its end, if it is silent, or if its node does not answer.
async fn part(cluster: &Cluster, node: &str, body: &mut Incoming) -> Option<Bytes> {
    let frame = async {
        loop {
            if let Ok(frame) = timeout(QUIET, body.frame()).await {
                return frame;
            }
            let mut connection = Connection::open(node).await.ok()?;
            if !connection.is_alive(cluster, node).await {
                return None;
            }
        }
    };
    let frame = timeout(SILENCE, frame).await.ok()??.ok()?;
    Some(frame.into_data().unwrap_or_default())
}

/// The sessions of the last of some events.
fn last(events: &[u8]) -> Option<Vec<Value>> {
    let lines = events.split(|byte| *byte == b'\n').rev();
    let mut data = lines.filter_map(|line| line.strip_prefix(b"data: "));
    let mut event: Value = serde_json::from_slice(data.next()?).ok()?;
    match event.get_mut("sessions")?.take() {
        Value::Array(sessions) => Some(sessions),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_event_counts() {
        let event = |key: &str| format!("event: sessions\ndata: {{\"sessions\":[\"{key}\"]}}\n\n");
        let mut events = Events::new(Call::Feed);
        for (more, seen) in [
            (event("a"), Some("a")),
            (":\n\n".to_owned(), None),
            (event("b") + &event("c") + ":\n", Some("c")),
            ("\nevent: ".to_owned(), None),
            ("x\ndata: 5\n\n".to_owned(), None),
            (event("d"), Some("d")),
        ] {
            let whole = events.add(more.as_bytes());
            let sessions = whole.as_deref().and_then(last);
            assert_eq!(sessions, seen.map(|key| vec![Value::from(key)]), "{more}");
        }
    }
}
