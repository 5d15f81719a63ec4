//! A store in memory, which outlives the servers.

use crate::gate::Place;
use parking_lot::Mutex;
use rmcp::transport::streamable_http_server::session::{
    SessionState, SessionStore, SessionStoreError,
};
use std::collections::HashMap;

#[derive(Default)]
pub(crate) struct Store {
    kept: Mutex<HashMap<String, SessionState>>,
    /// Behind each load, which has read.
    pub(crate) loaded: Place,
    /// Deletions fail.
    pub(crate) broken: Mutex<bool>,
}

impl Store {
    pub(crate) fn has(&self, id: &str) -> bool {
        self.kept.lock().contains_key(id)
    }
}

#[async_trait::async_trait]
impl SessionStore for Store {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let state = self.kept.lock().get(id).cloned();
        self.loaded.pass().await;
        Ok(state)
    }

    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        let (id, state) = (id.to_owned(), state.clone());
        self.kept.lock().insert(id, state);
        Ok(())
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        if *self.broken.lock() {
            return Err("the disk is full".into());
        }
        self.kept.lock().remove(id);
        Ok(())
    }
}
