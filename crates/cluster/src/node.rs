//! A node: what a process embeds.

use crate::{
    engine::Engine,
    guard::Guard,
    host::Host,
    key::ClusterKey,
    keys::{Key, Won},
    settings::Settings,
    shared::Shared,
    sync::Arc,
    tasks::tasks,
};
use std::{future::Future, io, time::Duration};
use tokio::sync::oneshot;
use turnwise::{
    Incarnation,
    manager::{Acquiring, LossNotice, NotOwned, Owned, Ownership, Term},
};

/// One process of a cluster. It holds one lease of the [`Engine`], and acquires keys under it. Cheap to clone.
///
/// Give it to [`ManagerBuilder::ownership`](turnwise::manager::ManagerBuilder::ownership). There are two constructors and no default. The
/// kind of your sessions decides which one is right:
///
/// | a session is | use | without a guard |
/// |---|---|---|
/// | memory, a connection, a task of this process | [`in_process`](Self::in_process) | nothing is left when the process dies, and it does nothing while it is stopped |
/// | a process, such as an agent or a REPL | [`guarded`](Self::guarded) | **the session goes on without its owner**, beside the one that the next owner starts |
///
/// # Details
///
/// The lease is renewed by a thread of its own, so a blocked runtime does not lose it. After a loss, the node takes another lease by
/// itself. When the last clone is dropped, including those in managers, the lease is revoked and the thread ends.
#[derive(Debug)]
pub struct Node<E: Engine> {
    leash: Arc<Leash<E>>,
}

impl<E: Engine> Clone for Node<E> {
    fn clone(&self) -> Self {
        let leash = Arc::clone(&self.leash);
        Self { leash }
    }
}

/// Ends the tasks when the last clone is dropped.
#[derive(Debug)]
struct Leash<E: Engine>(Arc<Shared<E>>);

impl<E: Engine> Drop for Leash<E> {
    fn drop(&mut self) {
        drop(self.0.leave());
    }
}

impl<E: Engine> Node<E> {
    /// Returns a node for sessions that live in this process: memory, connections, tasks.
    ///
    /// Such a session ends with its process. While the process is stopped, the session does nothing. Before its next turn, the clock is
    /// checked. **If sessions are processes, use [`guarded`](Self::guarded)**: otherwise they would go on forever when this process is
    /// killed. When it is stopped (SIGSTOP, a suspended container), they would go on beside their successors on other nodes.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the name is empty or the margin is not shorter than the time to live. Another error if
    /// the thread of the lease cannot be started.
    pub fn in_process(engine: E, settings: Settings) -> io::Result<Self> {
        Self::on(Host::System, engine, settings, Guard::none())
    }

    /// Returns a node for sessions that act outside of this process. A guard ends them at a deadline: `turnwise-process` has one.
    ///
    /// The node calls `begin` before it requests or renews a lease, and `begin` must read the clock. When the answer comes, the node calls the
    /// closure that `begin` returned. The guard must end the sessions when the given time has passed *since that reading*, unless a later call
    /// moves the deadline. Zero means at once. If the sessions are processes with a guard of `turnwise-process`, this is all:
    ///
    /// ```text
    /// let deadline = GuardDeadline::new(BootTime::now());
    /// let launcher = Launcher::new().guard(Guard::until(&deadline));
    /// let node = Node::guarded(engine, settings, move || {
    ///     let (before, deadline) = (BootTime::now(), deadline.clone());
    ///     move |time| deadline.set(before + time)
    /// })?;
    /// ```
    ///
    /// Both closures must be quick and must not panic. After a pause of the whole machine, a session may act once more before its guard runs
    /// again. Only a resource that compares the session's [`Incarnation`] can refuse that.
    ///
    /// # Errors
    ///
    /// Those of [`in_process`](Self::in_process).
    pub fn guarded<B, T>(engine: E, settings: Settings, begin: B) -> io::Result<Self>
    where
        B: Fn() -> T + Send + Sync + 'static,
        T: FnOnce(Duration) + Send + 'static,
    {
        Self::on(Host::System, engine, settings, Guard::new(begin))
    }

    pub(crate) fn on(host: Host, engine: E, settings: Settings, guard: Guard) -> io::Result<Self> {
        settings.check()?;
        let shared = Shared::new(engine, settings, host);
        shared.host.run(tasks(&shared, guard))?;
        let leash = Arc::new(Leash(shared));
        Ok(Self { leash })
    }

    /// Returns the name in this node's records: the name of its settings, and a number that no other process has.
    pub fn owner(&self) -> &str {
        &self.shared().owner
    }

    /// Returns whether the node has a lease now. Without one, it owns no key, and cannot acquire any. A health check can report this.
    ///
    /// A node has no lease until the engine has granted the first one, and from the end of a term until the engine answers again.
    pub fn has_lease(&self) -> bool {
        let lease = self.shared().lease();
        lease.is_some_and(|lease| lease.holds())
    }

    /// Stops acquiring keys: calls that need a new session fail as [`Unavailable`](NotOwned::Unavailable). The node keeps the keys that it owns.
    pub fn drain(&self) {
        self.shared().drain();
    }

    /// Leaves the cluster: [drains](Self::drain), awaits the shutdown of the manager, and revokes the lease. Returns the result of `shutdown`.
    ///
    /// The manager releases each key when its session has been stopped, so other nodes get the keys one by one, and need not wait for the lease.
    /// If a key has not been released after the shutdown, its session may still run. Then the lease is not revoked, and expires by itself.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the node keeps draining, and the lease is kept until the last clone is dropped.
    pub async fn leave<T>(&self, shutdown: impl Future<Output = T>) -> T {
        self.drain();
        let report = shutdown.await;
        // An error means that the sender is gone: the node has left.
        let _ = self.shared().leave().await;
        report
    }

    fn shared(&self) -> &Arc<Shared<E>> {
        &self.leash.0
    }

    pub(crate) async fn win(&self, key: Key) -> Result<Won, NotOwned> {
        let (waiter, told) = oneshot::channel();
        let shared = self.shared();
        shared.want(&key, waiter)?;
        let mut wait = Wait { shared, key, told };
        let told = shared.host.within(shared.settings.wait, &mut wait.told);
        let none = |why: &str| NotOwned::Unavailable(why.into());
        match told.await {
            Some(told) => told.map_err(|_| none("another call for the key came meanwhile"))?,
            None if shared.lease().is_some() => Err(none("the engine did not answer in time")),
            None => Err(none("this node has no lease")),
        }
    }

    async fn own(&self, key: Key) -> Result<Owned, NotOwned> {
        let won = self.win(Arc::clone(&key)).await?;
        let number = Incarnation::try_from(won.fence).ok();
        match number.filter(|number| number.get() < 1 << 63) {
            Some(number) => Ok(Owned::new(number, won.lease)),
            None => {
                self.release_bytes(&key, won.fence);
                Err(NotOwned::Unavailable(
                    "the engine's fence is no number".into(),
                ))
            }
        }
    }

    pub(crate) fn release_bytes(&self, key: &[u8], fence: u64) {
        self.shared().release(key, fence);
    }
}

/// A call that waits. If it goes when its key has just been acquired, the key is released.
struct Wait<'a, E: Engine> {
    shared: &'a Shared<E>,
    key: Key,
    told: oneshot::Receiver<Result<Won, NotOwned>>,
}

impl<E: Engine> Drop for Wait<'_, E> {
    fn drop(&mut self) {
        self.told.close();
        if let Ok(Ok(won)) = self.told.try_recv() {
            self.shared.release(&self.key, won.fence);
        }
    }
}

impl<E: Engine, K: ClusterKey + 'static> Ownership<K> for Node<E> {
    fn acquire<'a>(&'a self, key: &'a K) -> Acquiring<'a> {
        let key: Key = (&*key.to_bytes()).into();
        Box::pin(self.own(key))
    }

    fn release(&self, key: &K, number: Incarnation) {
        self.release_bytes(&key.to_bytes(), number.get());
    }

    fn watch(&self, notice: LossNotice) {
        self.shared().watch(notice);
    }
}
