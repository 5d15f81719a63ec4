//! etcd's own lease, which outlives the heartbeats by far.

use crate::SECOND;
use etcd_tests::{Servers, VERSIONS, post, until};
use std::time::Duration;
use turnwise_cluster::{Engine, Fault};
use turnwise_etcd::Etcd;

/// A node's time to live, longer than what is left of etcd's lease.
const TIME: Duration = Duration::from_secs(60);

/// So many seconds are left, rounded down, or none.
async fn left(servers: &Servers, lease: u64) -> Option<u64> {
    let body = format!(r#"{{"ID":"{lease}"}}"#);
    let answer = post(servers.port(0), "/v3/lease/timetolive", &body).await?;
    answer["TTL"].as_str().and_then(|left| left.parse().ok())
}

async fn keeps(servers: &Servers, long: Duration) -> Etcd {
    let builder = Etcd::builder("tests", servers.urls()).etcd_keeps(long);
    builder.connect().await.expect("etcd answers")
}

async fn falls_below(servers: &Servers, lease: u64, limit: u64) {
    until("it falls", || async {
        (left(servers, lease).await? < limit).then_some(())
    })
    .await;
}

/// A node that lives for longer than etcd keeps a lease would lose all its sessions otherwise.
#[tokio::test]
async fn a_renewal_prolongs_the_lease_of_etcd() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let etcd = keeps(&servers, 100 * SECOND).await;
        let lease = etcd.grant(TIME).await.expect("a lease").lease;
        falls_below(&servers, lease, 98).await;
        // Half of it less what has passed.
        let before = etcd.renew(lease).await.expect("it is alive");
        assert!(before < 49 * SECOND && before > 10 * SECOND, "{before:?}");
        until("it is prolonged", || async {
            etcd.renew(lease).await.expect("it is alive");
            (left(&servers, lease).await? >= 98).then_some(())
        })
        .await;
        until("it may be used for longer", || async {
            let time = etcd.renew(lease).await.expect("it is alive");
            assert!(time <= 50 * SECOND, "{time:?}");
            (time > before).then_some(())
        })
        .await;
    }
}

/// The node gives it up while etcd still has its records, so no other node gets the keys at once.
#[tokio::test]
async fn a_lease_that_cannot_be_prolonged_is_given_up_halfway() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let etcd = keeps(&servers, 20 * SECOND).await;
        let lease = etcd.grant(TIME).await.expect("a lease").lease;
        falls_below(&servers, lease, 10).await;
        assert_eq!(etcd.renew(lease).await, Err(Fault::Gone));
        assert!(left(&servers, lease).await.is_some_and(|left| left > 0));
    }
}
