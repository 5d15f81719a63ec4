//! The contenders, each as its users write it: here the registry, and what is made of std's map and locks; those of other
//! crates are in `crates`. All but the registry need a second thing in each session to tell who is busy;
//! here they tell what they can, the first word of the session.

use crate::map::{Key, Map, V, Words};
use parking_lot::{Mutex, RwLock};
use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};
use tokio::sync::{Mutex as AsyncMutex, RwLock as AsyncRwLock, mpsc, oneshot};
use turnwise::{Registry, Turn};

/// What keys are hashed with.
pub(crate) trait Hashed: BuildHasher + Default + Send + Sync + 'static {}
impl<S: BuildHasher + Default + Send + Sync + 'static> Hashed for S {}

/// The registry's own: SipHash as std's, inlined.
pub(crate) type Sip = turnwise::DefaultHasher;
/// For keys that no stranger chooses.
pub(crate) type Fold = foldhash::quality::RandomState;

/// The floor: locks that are not async, by hand.
pub(crate) struct Floor<K, const N: usize, S = RandomState>(
    RwLock<HashMap<K, Arc<Mutex<Words<N>>>, S>>,
);

impl<K: Key, const N: usize, S: Hashed> Floor<K, N, S> {
    fn find(&self, key: &K) -> Arc<Mutex<Words<N>>> {
        if let Some(found) = self.0.read().get(key) {
            return Arc::clone(found);
        }
        let made = || Arc::new(Mutex::new(Words::new()));
        Arc::clone(self.0.write().entry(key.clone()).or_insert_with(made))
    }
}

impl<K: Key, const N: usize, S: Hashed> Map<K> for Floor<K, N, S> {
    fn new() -> Self {
        Self(RwLock::new(HashMap::default()))
    }

    async fn turn(&self, key: &K) {
        self.find(key).lock().work();
    }

    async fn look(&self, key: &K) -> u64 {
        self.find(key).lock().0[0]
    }

    async fn insert(&self, key: &K) {
        let made = Arc::new(Mutex::new(Words::new()));
        self.0.write().insert(key.clone(), made);
    }

    async fn remove(&self, key: &K) {
        let gone = self.0.write().remove(key);
        drop(gone);
    }
}

/// The registry, by its future.
pub(crate) struct Turnwise<K, const N: usize, S = Sip>(Registry<K, Words<N>, (), S>);

impl<K: Key, const N: usize, S: Hashed> Map<K> for Turnwise<K, N, S> {
    fn new() -> Self {
        Self(Registry::builder().hasher(S::default()).build())
    }

    async fn turn(&self, key: &K) {
        let entry = self.0.enter(key).await.expect("it is open");
        entry.or_insert_with(Words::new).work();
    }

    async fn turn_with_yield(&self, key: &K) {
        let entry = self.0.enter(key).await.expect("it is open");
        let mut turn = entry.or_insert_with(Words::new);
        tokio::task::yield_now().await;
        turn.work();
    }

    async fn look(&self, key: &K) -> u64 {
        self.0
            .status(key)
            .map_or(0, |status| u64::from(status.waiting))
    }

    async fn insert(&self, key: &K) {
        let entry = self.0.enter(key).await.expect("it is open");
        drop(entry.or_insert_with(Words::new));
    }

    async fn remove(&self, key: &K) {
        let entry = self.0.enter(key).await.expect("it is open");
        drop(entry.occupied().map(Turn::vacate));
    }

    async fn pair(&self, key: &K) {
        let entry = self.0.enter(key).await.expect("it is open");
        drop(Turn::vacate(entry.or_insert_with(Words::new)));
    }
}

/// The registry, with this thread.
pub(crate) struct Blocking<K, const N: usize, S = Sip>(Registry<K, Words<N>, (), S>);

impl<K: Key, const N: usize, S: Hashed> Map<K> for Blocking<K, N, S> {
    fn new() -> Self {
        Self(Registry::builder().hasher(S::default()).build())
    }

    async fn turn(&self, key: &K) {
        let entry = self.0.enter_blocking(key).expect("it is open");
        entry.or_insert_with(Words::new).work();
    }

    async fn look(&self, key: &K) -> u64 {
        self.0
            .status(key)
            .map_or(0, |status| u64::from(status.waiting))
    }

    async fn insert(&self, key: &K) {
        let entry = self.0.enter_blocking(key).expect("it is open");
        drop(entry.or_insert_with(Words::new));
    }

    async fn remove(&self, key: &K) {
        let entry = self.0.enter_blocking(key).expect("it is open");
        drop(entry.occupied().map(Turn::vacate));
    }

    async fn pair(&self, key: &K) {
        let entry = self.0.enter_blocking(key).expect("it is open");
        drop(Turn::vacate(entry.or_insert_with(Words::new)));
    }
}

/// What this project began with: the map's lock is held across the turn.
pub(crate) struct MapLock(AsyncRwLock<HashMap<u64, V>>);

impl Map<u64> for MapLock {
    fn new() -> Self {
        Self(AsyncRwLock::new(HashMap::new()))
    }

    async fn turn(&self, key: &u64) {
        self.0
            .write()
            .await
            .entry(*key)
            .or_insert_with(V::new)
            .work();
    }

    async fn look(&self, key: &u64) -> u64 {
        self.0.read().await.get(key).map_or(0, |v| v.0[0])
    }

    async fn insert(&self, key: &u64) {
        self.0.write().await.insert(*key, V::new());
    }

    async fn remove(&self, key: &u64) {
        self.0.write().await.remove(key);
    }
}

pub(crate) type Shared = Arc<AsyncMutex<V>>;

pub(crate) fn shared() -> Shared {
    Arc::new(AsyncMutex::new(V::new()))
}

/// What tokio's users write: its locks for both.
pub(crate) struct Idiom(AsyncRwLock<HashMap<u64, Shared>>);

impl Idiom {
    async fn find(&self, key: u64) -> Shared {
        if let Some(found) = self.0.read().await.get(&key) {
            return Arc::clone(found);
        }
        Arc::clone(self.0.write().await.entry(key).or_insert_with(shared))
    }
}

impl Map<u64> for Idiom {
    fn new() -> Self {
        Self(AsyncRwLock::new(HashMap::new()))
    }

    async fn turn(&self, key: &u64) {
        self.find(*key).await.lock().await.work();
    }

    async fn look(&self, key: &u64) -> u64 {
        self.find(*key).await.lock().await.0[0]
    }

    async fn insert(&self, key: &u64) {
        self.0.write().await.insert(*key, shared());
    }

    async fn remove(&self, key: &u64) {
        self.0.write().await.remove(key);
    }
}

/// parking_lot's lock for the map, tokio's for the session.
pub(crate) struct Mixed(RwLock<HashMap<u64, Shared>>);

impl Mixed {
    fn find(&self, key: u64) -> Shared {
        if let Some(found) = self.0.read().get(&key) {
            return Arc::clone(found);
        }
        Arc::clone(self.0.write().entry(key).or_insert_with(shared))
    }
}

impl Map<u64> for Mixed {
    fn new() -> Self {
        Self(RwLock::new(HashMap::new()))
    }

    async fn turn(&self, key: &u64) {
        self.find(*key).lock().await.work();
    }

    async fn turn_with_yield(&self, key: &u64) {
        let session = self.find(*key);
        let mut turn = session.lock().await;
        tokio::task::yield_now().await;
        turn.work();
    }

    async fn look(&self, key: &u64) -> u64 {
        self.find(*key).lock().await.0[0]
    }

    async fn insert(&self, key: &u64) {
        self.0.write().insert(*key, shared());
    }

    async fn remove(&self, key: &u64) {
        let gone = self.0.write().remove(key);
        drop(gone);
    }
}

/// A task for each session, and a channel to it.
pub(crate) struct Actors {
    map: RwLock<HashMap<u64, mpsc::Sender<(bool, oneshot::Sender<u64>)>>>,
    runtime: tokio::runtime::Runtime,
}

impl Actors {
    async fn ask(&self, key: u64, turn: bool) -> u64 {
        let (reply, answer) = oneshot::channel();
        let known = self.map.read().get(&key).cloned();
        let actor = known.unwrap_or_else(|| self.start(key));
        drop(actor.send((turn, reply)).await);
        answer.await.unwrap_or(0)
    }

    fn start(&self, key: u64) -> mpsc::Sender<(bool, oneshot::Sender<u64>)> {
        let (sender, mut inbox) = mpsc::channel::<(bool, oneshot::Sender<u64>)>(16);
        self.runtime.spawn(async move {
            let mut v = V::new();
            while let Some((turn, reply)) = inbox.recv().await {
                if turn {
                    v.work();
                }
                let _ = reply.send(v.0[0]);
            }
        });
        self.map.write().insert(key, sender.clone());
        sender
    }
}

impl Map<u64> for Actors {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build();
        Self {
            map: RwLock::new(HashMap::new()),
            runtime: runtime.expect("a thread can be started"),
        }
    }

    async fn turn(&self, key: &u64) {
        self.ask(*key, true).await;
    }

    async fn look(&self, key: &u64) -> u64 {
        self.ask(*key, false).await
    }

    async fn insert(&self, key: &u64) {
        drop(self.start(*key));
    }

    async fn remove(&self, key: &u64) {
        let gone = self.map.write().remove(key);
        drop(gone);
    }
}
