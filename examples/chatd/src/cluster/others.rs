//! The sessions of the other nodes: as they are, or as they change while somebody looks.

use super::{Cluster, client::Connection};
use crate::http::{Others, Shown};
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
/// Bytes of the sessions of a node.
const LONGEST: usize = 64 << 20;

/// Ends the task when it is dropped.
struct Follower(AbortHandle);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Cluster {
    /// What all other nodes answer. If etcd does not tell which they are, it stands for them.
    pub(crate) async fn others(&self) -> Others {
        let Ok(nodes) = self.nodes().await else {
            return Others::from([("etcd".to_owned(), None)]);
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
                        Follower(task.abort_handle())
                    });
                }
            }
            shown.send_if_modified(|shown| {
                let before = shown.len();
                shown.retain(|node, _| followers.contains_key(node));
                shown.len() < before
            });
            sleep(LOOK).await;
        }
    }

    /// Shows what one node shows.
    async fn feed(self, node: String, shown: Arc<watch::Sender<Others>>) {
        loop {
            let opened = timeout(ANSWER, open(&self, &node, "/events")).await;
            if let Some((_connection, mut body)) = opened.ok().flatten() {
                let mut text = Vec::new();
                while let Some(data) = part(&self, &node, &mut body).await {
                    text.extend_from_slice(&data);
                    if text.len() > LONGEST {
                        break;
                    }
                    if let Some(sessions) = last(&mut text) {
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

/// The sessions of the last whole event. What it has is taken out of the text.
fn last(text: &mut Vec<u8>) -> Option<Vec<Value>> {
    let end = text.windows(2).rposition(|pair| pair == b"\n\n")?;
    let rest = text.split_off(end + 2);
    let whole = std::mem::replace(text, rest);
    let lines = whole.split(|byte| *byte == b'\n').rev();
    let mut data = lines.filter_map(|line| line.strip_prefix(b"data: "));
    let mut event: Value = serde_json::from_slice(data.next()?).ok()?;
    match event["sessions"].take() {
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
        let mut text = Vec::new();
        for (more, seen) in [
            (event("a"), Some("a")),
            (":\n\n".to_owned(), None),
            (event("b") + &event("c") + ":\n", Some("c")),
            ("\nevent: ".to_owned(), None),
            ("x\ndata: 5\n\n".to_owned(), None),
            (event("d"), Some("d")),
        ] {
            text.extend_from_slice(more.as_bytes());
            let sessions = last(&mut text);
            assert_eq!(sessions, seen.map(|key| vec![Value::from(key)]), "{more}");
        }
        assert!(text.is_empty());
    }
}
