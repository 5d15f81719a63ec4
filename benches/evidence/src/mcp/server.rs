//! The server, as a process of its own.

use std::{io, path::Path, process::Stdio, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// What a server starts with, again and again: which sessions it has, their store, and after which time idle ones end.
pub(super) struct Site<'a> {
    program: &'a Path,
    kind: &'a str,
    idle: Duration,
    folder: TempDir,
}

impl<'a> Site<'a> {
    /// With an empty store.
    pub(super) fn new(program: &'a Path, kind: &'a str, idle: Duration) -> io::Result<Self> {
        Ok(Self {
            program,
            kind,
            idle,
            folder: TempDir::new()?,
        })
    }

    pub(super) async fn start(&self) -> io::Result<Server> {
        self.start_at("127.0.0.1:0").await
    }

    /// Kills the server with SIGKILL, and starts its successor at the same address.
    pub(super) async fn restart(&self, mut server: Server) -> io::Result<Server> {
        server.process.kill().await?;
        self.start_at(&server.address).await
    }

    async fn start_at(&self, address: &str) -> io::Result<Server> {
        let mut process = Command::new(self.program)
            .arg(self.kind)
            .arg(self.folder.path())
            .args([address, &self.idle.as_millis().to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        Ok(Server {
            process,
            address: line.ok_or(io::ErrorKind::UnexpectedEof)?,
        })
    }
}

pub(super) struct Server {
    process: Child,
    address: String,
}

impl Server {
    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}
