//! turnwise's session manager: a session is a connection.

use super::{
    Contender, Failed, LIMIT,
    databases::{Connection, Databases},
};
use std::{sync::Arc, time::Duration};
use tokio::{runtime::Runtime, task::spawn_blocking};
use turnwise::{
    Backend, SessionManager, TurnContext,
    manager::{SessionTurn, StopReason, WhenFull},
};

/// A session manager with room for four connections.
pub struct Turnwise {
    sessions: SessionManager<Connections>,
    runtime: Runtime,
}

struct Connections(Arc<Databases>);

impl Backend for Connections {
    type Key = usize;
    type Session = Connection;
    type Handle = ();
    type Event = ();
    type Error = Failed;

    async fn start(&self, tenant: &usize, _: &TurnContext<()>) -> Result<(Connection, ()), Failed> {
        let (databases, tenant) = (Arc::clone(&self.0), *tenant);
        Ok((spawn_blocking(move || databases.open(tenant)).await??, ()))
    }

    async fn stop(&self, _: &usize, connection: Connection, _: StopReason) -> Result<(), Failed> {
        Ok(spawn_blocking(move || drop(connection)).await?)
    }
}

impl Turnwise {
    /// Without a session.
    ///
    /// # Panics
    ///
    /// If no thread can be started.
    pub fn new(databases: Arc<Databases>) -> Self {
        let runtime = Runtime::new().expect("threads can be started");
        let within = runtime.enter();
        let sessions = SessionManager::builder(Connections(databases))
            .max_sessions(LIMIT, WhenFull::EvictIdle)
            .build();
        drop(within);
        Self {
            sessions: sessions.expect("it is built in a runtime"),
            runtime,
        }
    }
}

impl Drop for Turnwise {
    fn drop(&mut self) {
        let shutdown = self.sessions.shutdown(Duration::from_secs(10));
        self.runtime.block_on(shutdown);
    }
}

impl Contender for Turnwise {
    fn insert(&self, tenant: usize, number: u32) -> Result<(), Failed> {
        let turn = self.runtime.block_on(self.sessions.turn(&tenant));
        let mut turn = turn.map_err(|error| error.to_string())?;
        turn.insert(number)?;
        SessionTurn::done(turn);
        Ok(())
    }
}
