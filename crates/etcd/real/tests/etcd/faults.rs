//! One etcd that is killed or stopped.

use crate::{SECOND, engines, usual};
use etcd_tests::{Servers, VERSIONS, Work, terms, until};
use tokio::time::Instant;

/// kill -9 and a restart on the same data: leases are prolonged, and nobody loses anything.
#[tokio::test]
async fn etcd_is_killed_and_started_again() {
    for version in VERSIONS {
        let mut servers = Servers::start(version, 1, &[]).await;
        let mut work = Work::start(engines(&servers, 2).await, usual, 6, 2 * SECOND);
        work.goes_on(12).await;
        servers.kill(0);
        let killed = Instant::now();
        servers.restart(0);
        servers.answer().await;
        let back = killed.elapsed();
        work.goes_on(12).await;
        println!(
            "etcd {}: back after {back:?}, keys are acquired after {:?}",
            version.number(),
            killed.elapsed()
        );
        // A node uses 8 s, and may have renewed 3.3 s before.
        assert!(
            work.lost() == 0 || back > 4 * SECOND,
            "{} sessions lost their terms",
            work.lost()
        );
        work.judge().await;
    }
}

/// All terms end by themselves, before the engine goes on and could give the keys away.
#[tokio::test]
async fn etcd_is_stopped_for_longer_than_a_term() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let mut work = Work::start(engines(&servers, 2).await, terms, 6, 600 * SECOND);
        until("all keys have sessions", || async {
            (work.live() == 6).then_some(())
        })
        .await;
        servers.process(0).pause();
        let stopped = Instant::now();
        until("all terms end", || async {
            (work.live() == 0).then_some(())
        })
        .await;
        println!(
            "etcd {}: all terms over {:?} after it was stopped",
            version.number(),
            stopped.elapsed()
        );
        assert_eq!(work.lost(), 6);
        servers.process(0).resume();
        until("all keys have sessions", || async {
            (work.live() == 6).then_some(())
        })
        .await;
        work.judge().await;
    }
}
