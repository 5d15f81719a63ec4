//! Sessions in files, which outlive the process.

use rmcp::transport::streamable_http_server::session::{
    SessionState, SessionStore, SessionStoreError,
};
use std::{io::ErrorKind, path::PathBuf};
use tokio::fs;

/// One file for each session, in this folder.
pub struct Files(pub PathBuf);

impl Files {
    /// The file of a session. A client may send any text as an identifier.
    fn file(&self, id: &str) -> Option<PathBuf> {
        let is_ours = id
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        is_ours.then(|| self.0.join(id))
    }
}

#[async_trait::async_trait]
impl SessionStore for Files {
    async fn load(&self, id: &str) -> Result<Option<SessionState>, SessionStoreError> {
        let Some(file) = self.file(id) else {
            return Ok(None);
        };
        match fs::read(file).await {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn store(&self, id: &str, state: &SessionState) -> Result<(), SessionStoreError> {
        let file = self.file(id).ok_or("a strange identifier")?;
        let new = file.with_extension("new");
        fs::write(&new, serde_json::to_vec(state)?).await?;
        // A kill leaves no half of a file.
        Ok(fs::rename(new, file).await?)
    }

    async fn delete(&self, id: &str) -> Result<(), SessionStoreError> {
        let Some(file) = self.file(id) else {
            return Ok(());
        };
        match fs::remove_file(file).await {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}
