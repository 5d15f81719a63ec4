//! Managers in two processes.

use crate::{SECOND, connect, usual};
use etcd_tests::{Acts, Family, Servers, VERSIONS, Witness, terms, until};
use std::{io::BufRead, process::Stdio, sync::Arc};
use tokio::{task::JoinSet, time::Instant};
use turnwise::{SessionManager, manager::TurnError};
use turnwise_cluster::Node;

const KEYS: usize = 20;
/// `terms`, and what the engine may take to notice.
const TAKE_OVER: std::time::Duration = SECOND.saturating_mul(5);

/// Another process with a manager. `stops` in a thousand messages, it stops a session.
pub(crate) fn member(
    url: &str,
    witness: &Witness,
    keys: usize,
    stops: usize,
    kind: &str,
) -> Family {
    let program = env!("CARGO_BIN_EXE_etcd-tests-member");
    let file = witness.path().display().to_string();
    let (keys, stops) = (keys.to_string(), stops.to_string());
    Family::start(
        &[program, url, &file, &keys, &stops, kind],
        Stdio::inherit(),
    )
}

/// Another process with a manager, which owns all keys.
async fn owner(servers: &Servers, witness: &Witness, kind: &str) -> Family {
    let mut member = member(&servers.url(0), witness, KEYS, 0, kind);
    let mut output = member.output();
    let ready = move || {
        let mut line = String::new();
        output.read_line(&mut line).map(|_| line)
    };
    let ready = tokio::task::spawn_blocking(ready).await.expect("it reads");
    assert_eq!(ready.expect("a line"), "ready\n");
    member
}

/// Sends to each key until it is here. Returns the shortest and the longest time that this took.
async fn takes_all(
    manager: &SessionManager<Acts>,
    keys: usize,
) -> (std::time::Duration, std::time::Duration) {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for key in 0..keys {
        let (manager, key) = (manager.clone(), format!("key {key}"));
        tasks.spawn(async move {
            until("the key is here", || async {
                manager.send_message(&key, key.clone()).await.ok()
            })
            .await;
            begin.elapsed()
        });
    }
    let all = tasks.join_all().await;
    let ends = all.iter().min().zip(all.iter().max());
    ends.map(|(first, last)| (*first, *last))
        .expect("there are keys")
}

/// A successor has all keys a second after the term, at the latest. The machine may be busy: the best of three.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_killed() {
    for version in VERSIONS {
        let mut tries = Vec::new();
        while tries.last().is_none_or(|last| *last > TAKE_OVER) {
            assert!(tries.len() < 3, "{tries:?}");
            let servers = Servers::start(version, 1, &[]).await;
            let witness = Witness::default();
            let member = owner(&servers, &witness, "in process").await;
            let node =
                Node::in_process(connect(servers.urls()).await, terms("b")).expect("a thread");
            let manager = Acts::new(&witness.path()).manager(Arc::new(node));
            let key = "key 0".to_owned();
            let refused = manager.send_message(&key.clone(), key).await;
            let refused = refused.expect_err("it is elsewhere");
            assert!(matches!(refused.error, TurnError::Elsewhere(owner) if &*owner == "member"));
            assert_eq!(refused.message.as_deref(), Some("key 0"), "it comes back");
            member.kill();
            let (first, last) = takes_all(&manager, KEYS).await;
            println!(
                "etcd {}: after kill -9 the first key was taken over after {first:?}, the last after {last:?}",
                version.number()
            );
            let (acts, stale) = witness.acts();
            assert!(acts > KEYS && stale == 0, "{stale} of {acts} acts");
            tries.push(last);
        }
    }
}

/// A second more of turns, in which the process that was stopped could act again.
async fn goes_on(manager: &SessionManager<Acts>) {
    let begin = Instant::now();
    while begin.elapsed() < SECOND {
        takes_all(manager, KEYS).await;
        tokio::time::sleep(SECOND / 100).await;
    }
}

/// It goes on after others have its keys, and notices before it acts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_is_stopped_and_continued() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let witness = Witness::default();
        let member = owner(&servers, &witness, "in process").await;
        let node = Node::in_process(connect(servers.urls()).await, terms("b")).expect("a thread");
        let manager = Acts::new(&witness.path()).manager(Arc::new(node));
        member.pause();
        let (first, last) = takes_all(&manager, KEYS).await;
        member.resume();
        goes_on(&manager).await;
        let (acts, stale) = witness.acts();
        println!(
            "etcd {}: stopped: taken over after {first:?} to {last:?}; {stale} stale acts of {acts}",
            version.number()
        );
        // It may have been stopped between its look at the clock and its act.
        assert!(stale <= 1, "{stale} of {acts} acts");
    }
}

/// Sessions that are processes act by themselves. A guard ends them with their term, also when nobody else can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_with_guarded_sessions_is_killed_and_stopped() {
    let servers = Servers::start(VERSIONS[0], 1, &[]).await;
    for fault in ["killed", "stopped"] {
        let witness = Witness::default();
        let member = owner(&servers, &witness, "guarded").await;
        let node = Node::in_process(connect(servers.urls()).await, terms("b")).expect("a thread");
        let manager = Acts::new(&witness.path()).manager(Arc::new(node.clone()));
        match fault {
            "killed" => member.kill(),
            _ => member.pause(),
        }
        let (before, _) = witness.acts();
        let (first, last) = takes_all(&manager, KEYS).await;
        let (after, _) = witness.acts();
        member.resume();
        goes_on(&manager).await;
        let (acts, stale) = witness.acts();
        println!(
            "guarded, {fault}: {} acts until the keys were taken over after {first:?} to {last:?}; {stale} stale acts of {acts}",
            after - before
        );
        assert_eq!(stale, 0, "of {acts} acts");
        node.leave(manager.shutdown(10 * SECOND)).await;
    }
}

/// Without waiting for the term: each key goes over when its session has been stopped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_sessions_are_handed_over() {
    let servers = Servers::start(VERSIONS[0], 1, &[]).await;
    let witness = Witness::default();
    let mut managers = Vec::new();
    for name in ["a", "b"] {
        let engine = connect(servers.urls()).await;
        let node = Node::in_process(engine, usual(name).wait(30 * SECOND)).expect("a thread");
        let manager = Acts::new(&witness.path()).manager(Arc::new(node.clone()));
        managers.push((node, manager));
    }
    let (node, leaves) = &managers[0];
    takes_all(leaves, 1000).await;
    let begin = Instant::now();
    let report = node.leave(leaves.shutdown(10 * SECOND)).await;
    let left = begin.elapsed();
    assert_eq!(report.stopped.len(), 1000, "{report:?}");
    takes_all(&managers[1].1, 1000).await;
    println!(
        "1000 idle sessions were stopped and released in {left:?}, and taken over in {:?}",
        begin.elapsed() - left
    );
    assert_eq!(witness.acts(), (4000, 0));
}
