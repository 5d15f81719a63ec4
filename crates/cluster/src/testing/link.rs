//! The engine, as a machine of a world reaches it.

use super::{
    chance::Chance,
    world::{State, World},
};
use crate::{
    engine::{Answer, Batch, Engine, Fault, Grant},
    guard::Guard,
    host::{Host, Machine, Task},
    node::Node,
    settings::Settings,
    sync::{Arc, PoisonError, Unseen},
};
use std::{future::pending, io, time::Duration};

impl World {
    /// Returns a node on this machine.
    ///
    /// # Errors
    ///
    /// The settings contradict each other.
    pub fn node(&self, machine: usize, settings: Settings) -> io::Result<Node<Link>> {
        self.guarded(machine, settings, || |_| ())
    }

    /// Returns a node on this machine, with a guard.
    ///
    /// # Errors
    ///
    /// The settings contradict each other.
    pub fn guarded<B, T>(
        &self,
        machine: usize,
        settings: Settings,
        begin: B,
    ) -> io::Result<Node<Link>>
    where
        B: Fn() -> T + Send + Sync + 'static,
        T: FnOnce(Duration) + Send + 'static,
    {
        let link = Link {
            world: self.clone(),
            machine,
        };
        let host = Host::Simulated(Arc::new(link.clone()));
        Node::on(host, link, settings, Guard::new(begin))
    }
}

/// A machine's link to the engine.
#[derive(Clone, Debug)]
pub struct Link {
    world: World,
    machine: usize,
}

impl Link {
    /// A request and its answer are messages of their own: they go on if nobody waits any more.
    async fn call<T: Send + 'static>(
        &self,
        act: impl Fn(&mut State) -> Result<T, Fault> + Send + Sync + 'static,
    ) -> Result<T, Fault> {
        let (answer, answered) = tokio::sync::oneshot::channel();
        let answer = Arc::new(Unseen::new(Some(answer)));
        let act = Arc::new(act);
        let doubled = self.world.with_state(|state| {
            let may = state.now < state.healed;
            may && state.chance.percent(state.faults.doubled)
        });
        for _ in 0..=usize::from(doubled) {
            let (answer, act, machine) = (Arc::clone(&answer), Arc::clone(&act), self.machine);
            self.world.send(machine, move |world| {
                let result = world.with_state(|state| act(state));
                world.note_expired();
                world.send(machine, move |_| {
                    let answer = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
                    if let Some(answer) = answer {
                        drop(answer.send(result));
                    }
                });
            });
        }
        drop(answer);
        match answered.await {
            Ok(result) => result,
            Err(_) if self.world.chance(|chance| chance.percent(50)) => pending().await,
            Err(_) => Err(Fault::Failed("the connection was lost".into())),
        }
    }
}

impl Engine for Link {
    async fn grant(&self, time: Duration) -> Result<Grant, Fault> {
        self.call(move |state| Ok(state.store.grant(state.now, time)))
            .await
    }

    async fn renew(&self, lease: u64) -> Result<Duration, Fault> {
        let renew = move |state: &mut State| {
            let time = state.store.renew(state.now, lease)?;
            if state.chance.percent(state.faults.early) {
                let after = state.chance.seconds(0.0, 3.0).as_nanos() as u64;
                let revoke =
                    move |world: &World| world.with_state(|state| state.store.revoke(lease));
                state.after(after, Box::new(revoke));
            }
            Ok(time)
        };
        self.call(renew).await
    }

    async fn revoke(&self, lease: u64) -> Result<(), Fault> {
        self.call(move |state| {
            state.store.revoke(lease);
            Ok(())
        })
        .await
    }

    async fn ask(&self, batch: Batch) -> Result<Vec<Answer>, Fault> {
        self.call(move |state| {
            state.asked += 1;
            state.store.ask(state.now, &batch)
        })
        .await
    }
}

impl Machine for Link {
    fn now(&self) -> u64 {
        self.world.clock(self.machine).as_nanos() as u64
    }

    fn sleep(&self, time: Duration) -> Task {
        Box::pin(self.world.sleep(self.machine, time))
    }

    fn run(&self, task: Task) {
        self.world.spawn(self.machine, task);
    }

    fn nonce(&self) -> u64 {
        self.world.chance(Chance::number)
    }
}
