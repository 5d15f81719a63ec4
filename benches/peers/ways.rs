//! The ways to use a session that W9 and W10 compare, each as its users write it.

use crate::{by_hand::Manager, counter::Counter};
use parking_lot::RwLock;
use std::{collections::HashMap, convert::Infallible, future::Future, sync::Arc, time::Duration};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use turnwise::{SessionManager, manager::SessionTurn};

/// One way to use the session of a key, or to send it a message.
pub(crate) trait Way: Send + Sync + 'static {
    fn new(keys: &[String]) -> Self;
    fn act(&self, key: &str) -> impl Future<Output = ()> + Send;
}

fn manager() -> SessionManager<Counter> {
    let manager = SessionManager::builder(Counter).build();
    manager.expect("it is built in a runtime")
}

pub(crate) struct Turns(SessionManager<Counter>);

impl Way for Turns {
    fn new(_: &[String]) -> Self {
        Self(manager())
    }

    async fn act(&self, key: &str) {
        let mut turn = self.0.turn(key).await.expect("it starts");
        *turn += 1;
        SessionTurn::done(turn);
    }
}

pub(crate) struct Closures(SessionManager<Counter>);

impl Way for Closures {
    fn new(_: &[String]) -> Self {
        Self(manager())
    }

    async fn act(&self, key: &str) {
        let turn = self.0.with_turn(key, async |session| *session += 1);
        turn.await.expect("it starts");
    }
}

pub(crate) struct Messages(SessionManager<Counter>);

impl Way for Messages {
    fn new(_: &[String]) -> Self {
        Self(manager())
    }

    async fn act(&self, key: &str) {
        self.0.send_message(key, 1).await.expect("it starts");
    }
}

/// What a pool makes.
struct Made;

impl deadpool::managed::Manager for Made {
    type Type = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn recycle(
        &self,
        _: &mut u64,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl bb8::ManageConnection for Made {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(0)
    }

    async fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

/// A value for each key, behind one lock.
type ByKey<T> = RwLock<HashMap<String, T>>;

fn by_key<T>(keys: &[String], make: impl Fn() -> T) -> ByKey<T> {
    RwLock::new(keys.iter().map(|key| (key.clone(), make())).collect())
}

/// A pool of one object for each key.
pub(crate) struct Deadpools(ByKey<deadpool::managed::Pool<Made>>);

impl Way for Deadpools {
    fn new(keys: &[String]) -> Self {
        let pool = || deadpool::managed::Pool::builder(Made).max_size(1).build();
        Self(by_key(keys, || pool().expect("it has no timeout")))
    }

    async fn act(&self, key: &str) {
        let pool = self.0.read()[key].clone();
        *pool.get().await.expect("it is made") += 1;
    }
}

pub(crate) struct Bb8s(ByKey<bb8::Pool<Made>>);

impl Way for Bb8s {
    fn new(keys: &[String]) -> Self {
        let pool = || bb8::Pool::builder().max_size(1).build_unchecked(Made);
        Self(by_key(keys, pool))
    }

    async fn act(&self, key: &str) {
        let pool = self.0.read()[key].clone();
        *pool.get().await.expect("it is made") += 1;
    }
}

pub(crate) struct Locks(ByKey<Arc<AsyncMutex<u64>>>);

impl Way for Locks {
    fn new(keys: &[String]) -> Self {
        Self(by_key(keys, Arc::default))
    }

    async fn act(&self, key: &str) {
        let session = Arc::clone(&self.0.read()[key]);
        *session.lock().await += 1;
    }
}

pub(crate) struct LockedKeys(lockable::LockableHashMap<String, u64>);

impl Way for LockedKeys {
    fn new(_: &[String]) -> Self {
        Self(lockable::LockableHashMap::new())
    }

    async fn act(&self, key: &str) {
        let no_limit = lockable::AsyncLimit::no_limit();
        let locked = self.0.async_lock(key.to_owned(), no_limit).await;
        *locked
            .expect("nothing is evicted")
            .value_or_insert_with(|| 0) += 1;
    }
}

type Letter = (u64, oneshot::Sender<u64>);

/// A task for each key, and a channel to it.
pub(crate) struct Tasks(ByKey<mpsc::Sender<Letter>>);

impl Way for Tasks {
    fn new(keys: &[String]) -> Self {
        let task = || {
            let (sender, mut letters) = mpsc::channel::<Letter>(64);
            tokio::spawn(async move {
                let mut session = 0;
                while let Some((more, reply)) = letters.recv().await {
                    session += more;
                    let _ = reply.send(session);
                }
            });
            sender
        };
        Self(by_key(keys, task))
    }

    async fn act(&self, key: &str) {
        let task = self.0.read()[key].clone();
        let (reply, replied) = oneshot::channel();
        task.send((1, reply)).await.expect("the task lives");
        replied.await.expect("the task answers");
    }
}

/// What the manager replaces.
pub(crate) struct ByHand(Arc<Manager>);

impl Way for ByHand {
    fn new(_: &[String]) -> Self {
        Self(Manager::new(Duration::from_secs(60)))
    }

    async fn act(&self, key: &str) {
        self.0.send(key, 1).await.expect("it ends");
    }
}
