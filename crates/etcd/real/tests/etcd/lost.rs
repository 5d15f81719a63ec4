//! Answers that are lost, and requests that come late.

use crate::{SECOND, connect};
use etcd_tests::{Fate, Proxy, Servers, VERSIONS, Work, terms, until};
use turnwise_cluster::testing::Held;

#[tokio::test]
async fn answers_are_lost_and_requests_come_late() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let mut engines = Vec::new();
        let mut proxies = Vec::new();
        for _ in 0..2 {
            let proxy = Proxy::start(servers.port(0)).await;
            engines.push(connect(vec![format!("http://127.0.0.1:{}", proxy.port())]).await);
            proxy.fates(|number| match number % 11 {
                3 | 4 => Fate::LosesItsAnswer,
                7 => Fate::IsNotAnswered,
                9 => Fate::ComesLate(2 * SECOND),
                _ => Fate::Passes,
            });
            proxies.push(proxy);
        }
        let mut work = Work::start(engines, terms, 4, SECOND / 2);
        until("some faults", || async {
            (proxies.iter().map(Proxy::transactions).sum::<usize>() >= 200).then_some(())
        })
        .await;
        proxies
            .iter()
            .for_each(|proxy| proxy.fates(|_| Fate::Passes));
        work.goes_on(8).await;
        let failed = work.failed();
        let (owned, acts) = work.judge().await;
        println!(
            "etcd {}: {owned} acquisitions, {failed} calls without an answer, {acts} acts",
            version.number()
        );
        assert!(failed > 0);
        // Nobody is stuck: one of the two can have each key.
        for key in 0..4 {
            let key = format!("key {key}");
            until("the key can be had", || async {
                let mut all = Vec::new();
                for node in &work.nodes {
                    all.extend(Held::acquire(node, &key).await.ok());
                }
                (!all.is_empty()).then_some(())
            })
            .await;
        }
    }
}
