//! The server, as a process of its own.

use std::{io, path::Path, process::Stdio, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

pub(super) struct Server {
    process: Child,
    address: String,
}

impl Server {
    pub(super) async fn start(
        program: &Path,
        kind: &str,
        folder: &TempDir,
        address: &str,
        idle: Duration,
    ) -> io::Result<Self> {
        let mut process = Command::new(program)
            .arg(kind)
            .arg(folder.path())
            .args([address, &idle.as_millis().to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        Ok(Self {
            process,
            address: line.ok_or(io::ErrorKind::UnexpectedEof)?,
        })
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Kills it with SIGKILL.
    pub(super) async fn kill(mut self) -> io::Result<()> {
        self.process.kill().await
    }
}
