//! Sessions in files, which outlive the process.

use rmcp::transport::streamable_http_server::session::{
    SessionState, SessionStore, SessionStoreError,
};
use std::{io::ErrorKind, path::PathBuf};
use tokio::fs;

/// One file for each session, in this folder. The identifiers are those of the measuring client, so they are not checked.
pub struct Files(pub PathBuf);

#[async_trait::async_trait]
impl SessionStore for Files {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        match fs::read(self.0.join(id)).await {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        let file = self.0.join(id);
        let new = file.with_extension("new");
        fs::write(&new, serde_json::to_vec(state)?).await?;
        Ok(fs::rename(new, file).await?)
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        match fs::remove_file(self.0.join(id)).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
