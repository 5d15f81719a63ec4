//! What an operator sees of a node that is dead.

use crate::nodes::Nodes;
use processes::within;
use serde_json::json;

/// Until so many lines of the log name the node and have this text.
async fn logged(nodes: &Nodes, count: usize, name: &str, text: &str) {
    let is_one = |line: &&str| line.contains(name) && line.contains(text);
    within(async {
        while nodes.log().lines().filter(is_one).count() < count {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_dead_node_is_counted_and_logged() {
    let mut nodes = Nodes::start(2, "4", &[]).await;
    nodes.metric_becomes(1, "chatd_cluster_lease", 1).await;
    for (name, value) in [
        ("chatd_cluster_silent_nodes", 0),
        ("chatd_cluster_forwarded_total", 0),
        ("chatd_cluster_owner_lost_total", 0),
    ] {
        assert_eq!(nodes.metric(1, name).await, value, "{name}");
    }
    assert_eq!(nodes.said(0, "a", "hello").await, "(1) hello");
    assert_eq!(nodes.said(1, "a", "again").await, "(2) again");
    assert_eq!(nodes.metric(1, "chatd_cluster_forwarded_total").await, 1);
    assert_eq!(nodes.metric(0, "chatd_cluster_forwarded_total").await, 0);

    // Stopped for less than its term: it answers again.
    let name = nodes.name(0).to_owned();
    nodes.stop(0).await;
    nodes
        .metric_becomes(1, "chatd_cluster_silent_nodes", 1)
        .await;
    nodes[0].signal("CONT").await;
    nodes
        .metric_becomes(1, "chatd_cluster_silent_nodes", 0)
        .await;
    logged(&nodes, 1, &name, "answers again").await;

    // It may have lost its sessions meanwhile.
    nodes.said(0, "b", "hello").await;
    let mut events = nodes[1].say("b", "!hold").events().await;
    assert_eq!(events.next().await.expect("it begins").0, "started");
    nodes.take(0).signal("KILL").await;
    let (event, data) = events.next().await.expect("it ends");
    assert_eq!((&*event, &data["error"]), ("failed", &json!("owner_lost")));
    assert_eq!(nodes.metric(0, "chatd_cluster_owner_lost_total").await, 1);
    logged(&nodes, 2, &name, "does not answer").await;
    logged(&nodes, 1, &name, "is not in the cluster any more").await;
    assert_eq!(nodes.metric(0, "chatd_cluster_silent_nodes").await, 0);
}
