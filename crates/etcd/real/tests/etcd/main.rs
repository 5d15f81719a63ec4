//! turnwise-etcd over real etcd processes: versions, faults and many keys. `just cluster-tests` fetches etcd and runs them.

// A test that hangs fails, and is named.
extern crate deadline as tokio;

mod access;
mod chaos;
mod engine;
mod faults;
mod herd;
mod lost;
mod managers;
mod prolonged;
mod three;

use etcd_tests::Servers;
use std::time::Duration;
use turnwise_cluster::Settings;
use turnwise_etcd::Etcd;

const SECOND: Duration = Duration::from_secs(1);

/// As they are unless set, but for the wait: 10 s, of which a node uses 8.
fn usual(name: &str) -> Settings {
    Settings::new(name).wait(SECOND)
}

async fn connect(urls: Vec<String>) -> Etcd {
    let etcd = Etcd::builder("tests", urls).connect().await;
    etcd.expect("etcd answers")
}

async fn engines(servers: &Servers, count: usize) -> Vec<Etcd> {
    let mut engines = Vec::new();
    for at in 0..count {
        // Each begins at another member.
        let mut urls = servers.urls();
        let members = urls.len();
        urls.rotate_left(at % members);
        engines.push(connect(urls).await);
    }
    engines
}
