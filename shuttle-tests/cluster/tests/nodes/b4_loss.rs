//! B4 over the real manager: what becomes of a session in each state when its node's term ends, and when its node leaves.

use crate::world::{Cluster, HANGS, MILLI, ends_in};
use std::sync::atomic::Ordering;

/// The session is idle: it is stopped as lost, and the next message has another, here or there.
#[test]
fn an_idle_session() {
    let of = ("b4_loss::an_idle_session", "B4 B1", 2);
    let rare = &[
        "heard, Lost; reply",
        "reply; heard, Lost",
        "heard, Lost; heard, Lost",
    ];
    ends_in(of, &["reply; reply"], rare, || async {
        let (cluster, clock) = Cluster::new(2);
        let first = cluster.deliver(0, "x", 1).await;
        cluster.cut(0, 2000 * MILLI);
        let next = cluster.spawn(|of| async move { of.deliver(1, "x", 2).await });
        let witness = &cluster.witnesses[0];
        cluster
            .until(|| witness.lost.load(Ordering::SeqCst) > 0)
            .await;
        let next = next.await.expect("it does not panic");
        cluster.end(clock).await;
        format!("{first}; {next}")
    });
}

/// A message that takes for ever, and one behind it: both senders have an answer, and only what no session has heard is handed back.
#[test]
fn a_message() {
    let ends = &["heard, Lost; reply; reply"];
    let of = ("b4_loss::a_message", "B4 B1", 3);
    let rare = &[
        "heard, Lost; heard, Lost; reply",
        "heard, Lost; reply; heard, Lost",
        "heard, Lost; heard, Lost; heard, Lost",
    ];
    ends_in(of, ends, rare, || async {
        let (cluster, clock) = Cluster::new(2);
        let first = cluster.spawn(|of| async move { of.deliver(0, "x", HANGS).await });
        cluster.until(|| cluster.has_heard(HANGS)).await;
        let second = cluster.spawn(|of| async move { of.deliver(0, "x", 1).await });
        cluster.cut(0, 2000 * MILLI);
        let third = cluster.deliver(1, "x", 2).await;
        let first = first.await.expect("it does not panic");
        let second = second.await.expect("it does not panic");
        cluster.end(clock).await;
        format!("{first}; {second}; {third}")
    });
}

/// A node that leaves hands its keys over one by one: nobody waits for a lease.
#[test]
fn a_node_that_leaves() {
    let ends = &["reply; reply"];
    let of = ("b4_loss::a_node_that_leaves", "B4 B8", 2);
    let rare = &[
        "heard, Lost; reply",
        "reply; heard, Lost",
        "heard, Lost; heard, Lost",
    ];
    ends_in(of, ends, rare, || async {
        let (cluster, clock) = Cluster::new(2);
        let first = cluster.deliver(0, "x", 1).await;
        let leaving = cluster.spawn(|of| async move { of.leave(0).await });
        let next = cluster.deliver(1, "x", 2).await;
        leaving.await.expect("it does not panic");
        cluster.end(clock).await;
        format!("{first}; {next}")
    });
}
