//! What is compared: a map of sessions, each used by one caller at a time.

use std::{future::Future, hash::Hash, hint::black_box};

/// A session of `N` words.
#[derive(Clone, Debug)]
pub(crate) struct Words<const N: usize>(pub(crate) [u64; N]);

impl<const N: usize> Words<N> {
    pub(crate) fn new() -> Self {
        Self([0; N])
    }

    /// What is done in a turn.
    pub(crate) fn work(&mut self) {
        self.0[0] += 1;
        black_box(&mut self.0);
    }
}

/// The usual session: 64 bytes.
pub(crate) type V = Words<8>;

/// Keys of the two kinds that are measured.
pub(crate) trait Key: Eq + Hash + Clone + Send + Sync + 'static {
    fn of(number: u64) -> Self;
}

impl Key for u64 {
    fn of(number: u64) -> Self {
        number
    }
}

/// As long as a UUID is when it is written.
impl Key for String {
    fn of(number: u64) -> Self {
        format!("{number:036x}")
    }
}

/// A map of sessions. Each call as its users write it; a lock that is not async is taken as it is.
pub(crate) trait Map<K: Key>: Send + Sync + 'static {
    fn new() -> Self;
    /// Finds the key's session, has it alone, works, lets it go. A key that is absent gets a session.
    fn turn(&self, key: &K) -> impl Future<Output = ()> + Send;
    /// The same, and lets others run in the middle of it.
    fn turn_with_yield(&self, key: &K) -> impl Future<Output = ()> + Send {
        self.turn(key)
    }
    /// Asks what is with the key's session.
    fn look(&self, key: &K) -> impl Future<Output = u64> + Send;
    fn insert(&self, key: &K) -> impl Future<Output = ()> + Send;
    fn remove(&self, key: &K) -> impl Future<Output = ()> + Send;
    /// A session comes and goes.
    fn pair(&self, key: &K) -> impl Future<Output = ()> + Send {
        async move {
            self.insert(key).await;
            self.remove(key).await;
        }
    }
}

/// One step of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Turn,
    Look,
    Pair,
    Insert,
}

/// A map whose type is forgotten: a batch is one call, so it costs the same for all.
pub(crate) trait Contender<K>: Send + Sync {
    fn run(&self, acts: &[(Act, K)]);
}

impl<K: Key, M: Map<K>> Contender<K> for M {
    fn run(&self, acts: &[(Act, K)]) {
        pollster::block_on(async {
            for (act, key) in acts {
                match act {
                    Act::Turn => self.turn(key).await,
                    Act::Look => {
                        black_box(self.look(key).await);
                    }
                    Act::Pair => {
                        self.pair(key).await;
                    }
                    Act::Insert => self.insert(key).await,
                }
            }
        });
    }
}

/// By name, how to make one.
pub(crate) struct Make<K> {
    pub(crate) name: &'static str,
    pub(crate) make: fn() -> Box<dyn Contender<K>>,
}

impl<K: Key> Make<K> {
    pub(crate) fn of<M: Map<K>>(name: &'static str) -> Self {
        Self {
            name,
            make: || Box::new(M::new()),
        }
    }
}
