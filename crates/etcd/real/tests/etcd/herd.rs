//! Many keys at once.

use crate::{SECOND, connect, usual};
use etcd_tests::{Proxy, Servers, VERSIONS};
use tokio::{task::JoinSet, time::Instant};
use turnwise_cluster::{Node, testing::Held};

const KEYS: usize = 10_000;

/// How many processes want a core: 1 on an idle machine.
fn busy() -> f64 {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().and_then(|load| load.parse().ok());
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    (load.unwrap_or(0.0) / cores as f64).max(1.0)
}

/// A hundred keys share a transaction, and the term is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_keys() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let proxy = Proxy::start(servers.port(0)).await;
        let etcd = connect(vec![format!("http://127.0.0.1:{}", proxy.port())]).await;
        let node = Node::in_process(etcd, usual("a").wait(30 * SECOND)).expect("a thread");
        let first = Held::acquire(&node, "first").await.expect("a lease");
        let begin = Instant::now();
        let mut asks = JoinSet::new();
        for key in 0..KEYS {
            let node = node.clone();
            asks.spawn(async move { Held::acquire(&node, &format!("key {key}")).await });
        }
        let held: Vec<_> = asks
            .join_all()
            .await
            .into_iter()
            .map(|held| held.expect("it is free"))
            .collect();
        let took = begin.elapsed();
        let transactions = proxy.transactions();
        assert!(first.term().holds() && held.iter().all(|held| held.term().holds()));
        assert!(transactions <= 2 + KEYS / 50, "{transactions} transactions");

        let etcd = connect(servers.urls()).await;
        let other = Node::in_process(etcd, usual("b").wait(30 * SECOND)).expect("a thread");
        let begin = Instant::now();
        held.into_iter().for_each(Held::release);
        let mut asks = JoinSet::new();
        for key in 0..KEYS {
            let other = other.clone();
            asks.spawn(async move {
                let key = format!("key {key}");
                loop {
                    if let Ok(held) = Held::acquire(&other, &key).await {
                        return held;
                    }
                    tokio::time::sleep(SECOND / 5).await;
                }
            });
        }
        let held = asks.join_all().await;
        println!(
            "etcd {}: {KEYS} keys acquired in {took:?} and {transactions} transactions; released and acquired by another node in {:?}",
            version.number(),
            begin.elapsed()
        );
        assert!(first.term().holds() && held.iter().all(|held| held.term().holds()));
        assert!(took.as_secs_f64() < 5.0 * busy(), "{took:?}");
    }
}
