//! What an operator watches: whether this node has a lease, which other nodes do not answer, and what became of forwarded requests.

use super::{Cluster, client::Connection};
use prometheus_client::{
    encoding::prometheus_text,
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};
use std::{collections::BTreeSet, time::Duration};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// From one round to the next, at least.
const ROUND: Duration = Duration::from_secs(1);

/// For a node to accept a connection and to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// Counted as it happens.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) forwarded: Counter,
    pub(super) lost: Counter,
    silent: Gauge,
}

impl Counts {
    fn text(&self, has_lease: bool) -> String {
        let mut registry = Registry::with_prefix("chatd_cluster");
        let lease = Gauge::<i64>::default();
        lease.set(has_lease.into());
        registry.register("lease", "Whether this node has a lease", lease);
        let silent = self.silent.clone();
        registry.register("silent_nodes", "Nodes that do not answer", silent);
        let forwarded = self.forwarded.clone();
        let help = "Requests that were sent to other nodes";
        registry.register("forwarded", help, forwarded);
        let help = "Forwarded requests that were answered with owner_lost";
        registry.register("owner_lost", help, self.lost.clone());
        let mut text = String::new();
        // Writing to a string does not fail.
        _ = prometheus_text::encode(&mut text, &registry);
        text
    }
}

impl Cluster {
    /// Without a lease, this node refuses every message.
    pub(crate) fn has_lease(&self) -> bool {
        self.0.node.has_lease()
    }

    pub(crate) fn metrics(&self) -> String {
        self.0.counts.text(self.has_lease())
    }

    /// Asks each other node in turn whether it is there, and logs each change, until this node ends.
    pub(super) async fn look_around(self) {
        let mut ended = self.0.ended.subscribe();
        let rounds = async {
            let mut silent = BTreeSet::new();
            loop {
                sleep(ROUND.max(self.0.ttl / 5)).await;
                // Without etcd nobody knows which nodes there are.
                if let Ok(nodes) = self.nodes().await {
                    let now = self.silent(&nodes).await;
                    log(&silent, &now, &nodes);
                    let count = i64::try_from(now.len()).unwrap_or(i64::MAX);
                    self.0.counts.silent.set(count);
                    silent = now;
                }
            }
        };
        tokio::select! {
            () = rounds => {}
            _ = ended.wait_for(|ended| *ended) => {}
        }
    }

    async fn silent(&self, nodes: &BTreeSet<String>) -> BTreeSet<String> {
        let mut asked = JoinSet::new();
        for node in nodes.iter().cloned() {
            let cluster = self.clone();
            asked.spawn(async move {
                let is_there = async {
                    let connection = Connection::open(&node).await;
                    match connection {
                        Ok(mut connection) => connection.is_alive(&cluster, &node).await,
                        Err(_) => false,
                    }
                };
                let is_there = timeout(ANSWER, is_there).await;
                (!is_there.unwrap_or(false)).then_some(node)
            });
        }
        asked.join_all().await.into_iter().flatten().collect()
    }
}

/// One line for each node that has changed.
fn log(before: &BTreeSet<String>, now: &BTreeSet<String>, nodes: &BTreeSet<String>) {
    for node in now.difference(before) {
        tracing::warn!("the node {node} does not answer");
    }
    for node in before.difference(now) {
        if nodes.contains(node) {
            tracing::info!("the node {node} answers again");
        } else {
            tracing::info!(
                "the node {node} is not in the cluster any more: its sessions can start on other nodes"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_counted() {
        let counts = Counts::default();
        counts.forwarded.inc_by(3);
        counts.lost.inc();
        counts.silent.set(2);
        let text = counts.text(true);
        for line in [
            "# TYPE chatd_cluster_lease gauge",
            "chatd_cluster_lease 1",
            "chatd_cluster_silent_nodes 2",
            "# TYPE chatd_cluster_forwarded_total counter",
            "chatd_cluster_forwarded_total 3",
            "chatd_cluster_owner_lost_total 1",
        ] {
            assert!(text.lines().any(|there| there == line), "{line}\n{text}");
        }
        assert!(counts.text(false).contains("chatd_cluster_lease 0\n"));
    }
}
