//! Nodes that want each key all the time, and what happened.

use crate::until;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{task::JoinSet, time::sleep};
use turnwise::manager::NotOwned;
use turnwise_cluster::{
    Node, Settings,
    testing::{Chance, Did, Held, History},
};
use turnwise_etcd::Etcd;

/// Sessions outside of managers: they act as long as their terms hold.
#[derive(Debug)]
pub struct Work {
    /// The nodes, which live longer than the sessions.
    pub nodes: Vec<Node<Etcd>>,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    history: History,
    calls: AtomicUsize,
    lost: AtomicUsize,
    failed: AtomicUsize,
    live: AtomicUsize,
    ends: AtomicBool,
}

impl Work {
    /// Starts a node for each engine, named `a`, `b` and so on. Each asks for so many keys. Sessions rest for up to `rest`.
    ///
    /// # Panics
    ///
    /// If a node cannot be started.
    pub fn start(
        engines: Vec<Etcd>,
        settings: fn(&str) -> Settings,
        keys: usize,
        rest: Duration,
    ) -> Self {
        let shared: Arc<Shared> = Arc::default();
        let mut tasks = JoinSet::new();
        let mut nodes = Vec::new();
        for (name, engine) in ["a", "b", "c"].into_iter().zip(engines) {
            let node = Node::in_process(engine, settings(name)).expect("a thread");
            nodes.push(node.clone());
            for key in 0..keys {
                let of = (Arc::clone(&shared), node.clone());
                tasks.spawn(async move { of.0.wants(name, of.1, key, rest).await });
            }
        }
        Self {
            nodes,
            shared,
            tasks,
        }
    }

    /// How many acquisitions there were.
    pub fn owned(&self) -> usize {
        self.shared.history.counts().0
    }

    /// How many sessions have lost their terms.
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// How many sessions there are now.
    pub fn live(&self) -> usize {
        self.shared.live.load(Ordering::Relaxed)
    }

    /// How many calls got no answer.
    pub fn failed(&self) -> usize {
        self.shared.failed.load(Ordering::Relaxed)
    }

    /// Waits for so many acquisitions more.
    pub async fn goes_on(&self, more: usize) {
        let enough = self.owned() + more;
        until("keys are acquired", || async {
            (self.owned() >= enough).then_some(())
        })
        .await;
    }

    /// Ends all sessions and judges the history. Returns how many acquisitions and acts there were.
    ///
    /// # Panics
    ///
    /// If something happened that may not.
    pub async fn judge(&mut self) -> (usize, usize) {
        self.shared.ends.store(true, Ordering::Relaxed);
        while let Some(end) = self.tasks.join_next().await {
            end.expect("a task");
        }
        let history = &self.shared.history;
        if let Err(words) = history.check() {
            panic!("{words}\n{history:?}");
        }
        history.counts()
    }
}

impl Shared {
    async fn wants(&self, name: &str, node: Node<Etcd>, number: usize, rest: Duration) {
        let key = format!("key {number}");
        let mut chance =
            Chance::new((number * 3 + name.len() + usize::from(name.as_bytes()[0])) as u64);
        while !self.ends.load(Ordering::Relaxed) {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            self.history.push(name, &key, Did::Asks(call));
            match Held::acquire(&node, &key).await {
                Ok(held) => {
                    self.history.push(name, &key, Did::Owns(call, held.fence()));
                    let rest = rest.mul_f64(chance.below(1000) as f64 / 1000.0);
                    self.live.fetch_add(1, Ordering::Relaxed);
                    self.session(name, &key, held, rest).await;
                    self.live.fetch_sub(1, Ordering::Relaxed);
                }
                Err(NotOwned::Elsewhere(other)) => {
                    self.history
                        .push(name, &key, Did::Elsewhere(call, other.to_string()));
                }
                Err(_) => {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    self.history.push(name, &key, Did::Fails(call));
                }
            }
            sleep(Duration::from_millis(chance.below(60) as u64)).await;
        }
    }

    async fn session(&self, name: &str, key: &str, held: Held<Etcd>, rest: Duration) {
        let fence = held.fence();
        let ends = tokio::time::Instant::now() + rest;
        loop {
            if !held.term().holds() {
                self.lost.fetch_add(1, Ordering::Relaxed);
                self.history.push(name, key, Did::Loses(fence));
                return held.release();
            }
            self.history.push(name, key, Did::Acts(fence));
            if self.ends.load(Ordering::Relaxed) || tokio::time::Instant::now() >= ends {
                self.history.push(name, key, Did::Releases(fence));
                return held.release();
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}
