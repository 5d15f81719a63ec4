//! Nodes as they ship, in real time: the thread of the lease, the clock, and managers over an engine in memory.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};
use turnwise::manager::NotOwned;
use turnwise_cluster::{
    Answer, Batch, Engine, Fault, Grant, Node, Settings,
    testing::{Held, MemoryEngine},
};

const MILLI: Duration = Duration::from_millis(1);

/// Waits until it is so. A test that waits for ever has a deadline.
async fn until(is: impl Fn() -> bool) {
    while !is() {
        tokio::time::sleep(5 * MILLI).await;
    }
}

fn short(name: &str) -> Settings {
    Settings::new(name)
        .time_to_live(2000 * MILLI)
        .margin(500 * MILLI)
        .wait(30_000 * MILLI)
}

/// An engine that can be away: it answers nothing then.
#[derive(Clone, Default)]
struct Away(MemoryEngine, Arc<AtomicBool>);

impl Away {
    async fn back(&self) {
        until(|| !self.1.load(Ordering::SeqCst)).await;
    }
}

impl Engine for Away {
    async fn grant(&self, time: Duration) -> Result<Grant, Fault> {
        self.back().await;
        self.0.grant(time).await
    }

    async fn renew(&self, lease: u64) -> Result<Duration, Fault> {
        self.back().await;
        self.0.renew(lease).await
    }

    async fn revoke(&self, lease: u64) -> Result<(), Fault> {
        self.back().await;
        self.0.revoke(lease).await
    }

    async fn ask(&self, batch: Batch) -> Result<Vec<Answer>, Fault> {
        self.back().await;
        self.0.ask(batch).await
    }
}

#[tokio::test]
async fn a_blocked_runtime_keeps_its_lease() {
    let node = Node::in_process(MemoryEngine::new(), short("a")).expect("it starts");
    let held = Held::acquire(&node, "x").await.expect("it is free");
    // All of this runtime's tasks stand still.
    thread::sleep(4000 * MILLI);
    assert!(held.term().holds(), "the thread of the lease renews it");
    held.release();
}

#[tokio::test]
async fn an_engine_that_is_away() {
    let engine = Away::default();
    let (told, ends) = (Arc::new(Mutex::new(Vec::new())), Arc::clone(&engine.1));
    let guard = Arc::clone(&told);
    let begin = move || {
        let guard = Arc::clone(&guard);
        move |time| guard.lock().expect("nothing panics with it").push(time)
    };
    let node = Node::guarded(engine.clone(), short("a"), begin).expect("it starts");
    let held = Held::acquire(&node, "x").await.expect("it is free");
    ends.store(true, Ordering::SeqCst);
    until(|| !held.term().holds()).await;
    let last = || told.lock().expect("nothing panics with it").last().copied();
    until(|| last() == Some(Duration::ZERO)).await;
    ends.store(false, Ordering::SeqCst);
    let next = Held::acquire(&node, "x").await.expect("it is back");
    assert!(next.fence() > held.fence() && next.term().holds());
    assert!(!held.term().holds(), "it holds again");
    assert_eq!(
        last(),
        Some(1500 * MILLI),
        "the guard gets the deadline of the next term"
    );
}

#[tokio::test]
async fn two_nodes_of_one_name() {
    let engine = MemoryEngine::new();
    let [a, b] = [0, 1].map(|_| Node::in_process(engine.clone(), short("a")).expect("it starts"));
    assert_ne!(a.owner(), b.owner(), "each process has a number");
    let held = Held::acquire(&a, "x").await.expect("it is free");
    let other = Held::acquire(&b, "x").await.expect_err("it is another's");
    assert_eq!(other, NotOwned::Elsewhere("a".into()));
    // The last clone is dropped: others wait for no lease.
    drop((held, a));
    until(|| engine.owner(b"x").is_none()).await;
}

#[test]
fn settings_that_contradict_each_other() {
    for wrong in [short("").margin(MILLI), short("a").margin(2000 * MILLI)] {
        assert!(Node::in_process(MemoryEngine::new(), wrong).is_err());
    }
}
