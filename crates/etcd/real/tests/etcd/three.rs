//! Three members, whose leader is killed, stopped and cut off.

use crate::{SECOND, engines, usual};
use etcd_tests::{Away, Servers, VERSIONS, Version, Work, terms};
use tokio::time::{Instant, sleep};

async fn leaders_go(version: Version) {
    let mut servers = Servers::start(version, 3, &[]).await;
    // One node begins at each member.
    let mut work = Work::start(engines(&servers, 3).await, usual, 6, 2 * SECOND);
    work.goes_on(12).await;
    for fault in ["killed", "stopped", "cut off"] {
        let leader = servers.leader().await;
        let before = work.lost();
        let away = Away::watch((0..3).map(|at| servers.port(at)));
        match fault {
            "killed" => servers.kill(leader),
            "stopped" => servers.process(leader).pause(),
            _ => servers.cut(leader, true).await,
        }
        let begin = Instant::now();
        work.goes_on(6).await;
        let took = begin.elapsed();
        work.goes_on(12).await;
        if let Some(rest) = (7 * SECOND).checked_sub(begin.elapsed()) {
            sleep(rest).await;
        }
        match fault {
            "killed" => servers.restart(leader),
            "stopped" => servers.process(leader).resume(),
            _ => servers.cut(leader, false).await,
        }
        servers.answer().await;
        work.goes_on(12).await;
        let (lost, away) = (work.lost() - before, away.longest());
        let told = format!(
            "etcd {}: leader {fault}: six keys acquired after {took:?}, {lost} sessions lost their terms, no answer for {away:?}",
            version.number()
        );
        // A node uses 8 s, and may have renewed 2 s before.
        assert!(lost == 0 || away > 4 * SECOND, "{told}");
        println!("{told}");
    }
    let (owned, acts) = work.judge().await;
    println!(
        "etcd {}: {owned} acquisitions, {acts} acts",
        version.number()
    );
}

#[tokio::test]
async fn the_leader_is_killed_stopped_and_cut_off() {
    leaders_go(VERSIONS[0]).await;
}

/// This version may revoke leases early: see the warning.
#[tokio::test]
async fn the_leader_of_an_old_etcd_is_killed_stopped_and_cut_off() {
    leaders_go(VERSIONS[1]).await;
}

/// Of etcd's own leases, a leader that was paused for longer may revoke some that were renewed meanwhile: with 3.5.16, after one of six
/// such pauses. No term rests on them.
#[tokio::test]
async fn the_leader_is_paused_for_longer_than_a_term() {
    let servers = Servers::start(VERSIONS[0], 3, &[]).await;
    let mut work = Work::start(engines(&servers, 3).await, terms, 6, 2 * SECOND);
    work.goes_on(12).await;
    for _ in 0..6 {
        let leader = servers.leader().await;
        servers.process(leader).pause();
        sleep(5 * SECOND).await;
        servers.process(leader).resume();
        servers.answer().await;
        work.goes_on(12).await;
    }
    let (owned, acts) = work.judge().await;
    println!("leader paused: {owned} acquisitions, {acts} acts");
}
