//! One of the two servers, as a process of its own.

use super::http::{Answer, Request};
use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    process::{Command as Blocking, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// What is set in the environment of a server, and inherited by all that it starts.
const MARK: &str = "EVIDENCE_REPL";

/// A server that runs. A drop kills it, and all that it has left.
pub struct Server {
    address: SocketAddr,
    process: Child,
    mark: String,
}

impl Server {
    /// Starts the program with these settings in its environment.
    ///
    /// # Errors
    ///
    /// It cannot be started, or does not print its address.
    pub async fn start(program: &Path, settings: &[(&str, String)]) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let mark = format!("{MARK}={}-{number}-", std::process::id());
        let (name, value) = mark.split_once('=').expect("it has one");
        let mut process = Command::new(program)
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .env(name, value)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let address = line.and_then(|line| line.parse().ok());
        Ok(Self {
            address: address.ok_or(io::ErrorKind::InvalidData)?,
            process,
            mark,
        })
    }

    /// Sends a user's message, without waiting for the answer.
    ///
    /// # Errors
    ///
    /// Those of the connection, here and below.
    pub async fn begin(&self, user: &str, message: &str) -> io::Result<Request> {
        self.request("POST", user, message).await
    }

    async fn request(&self, method: &str, user: &str, body: &str) -> io::Result<Request> {
        Request::send(self.address, method, &format!("/users/{user}"), body).await
    }

    /// Sends a user's message, and waits for the answer.
    pub async fn message(&self, user: &str, message: &str) -> io::Result<Answer> {
        self.begin(user, message).await?.answer().await
    }

    /// Asks for the status of a user's shell.
    pub async fn status(&self, user: &str) -> io::Result<Answer> {
        self.request("GET", user, "").await?.answer().await
    }

    /// Stops a user's shell.
    pub async fn stop(&self, user: &str) -> io::Result<Answer> {
        self.request("DELETE", user, "").await?.answer().await
    }

    /// Waits until a user's shell is busy.
    pub async fn busy(&self, user: &str) -> io::Result<()> {
        while self.status(user).await?.body != "busy" {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Sends SIGTERM, and waits for the end; `None` if it does not come within the limit.
    pub async fn terminate(&mut self, limit: Duration) -> io::Result<Option<Duration>> {
        let begun = Instant::now();
        if let Some(id) = self.process.id() {
            signal("-TERM", id)?;
        }
        let ended = timeout(limit, self.process.wait()).await;
        Ok(ended.is_ok().then(|| begun.elapsed()))
    }

    /// The processes of this name that the server or its shells started, and that still run.
    pub fn running(&self, name: &str) -> Vec<u32> {
        let processes = self.processes();
        let named = |id: &u32| {
            fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|comm| comm.trim() == name)
        };
        processes.into_iter().filter(named).collect()
    }

    fn processes(&self) -> Vec<u32> {
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let marked = |id: &u32| {
            let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|entry| entry == self.mark.as_bytes())
        };
        ids.filter(marked).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for id in self.processes() {
            let _ = signal("-KILL", id);
        }
    }
}

/// Sends a signal to a process.
///
/// # Errors
///
/// There is no program `kill`.
pub fn signal(signal: &str, id: u32) -> io::Result<()> {
    let mut kill = Blocking::new("kill");
    kill.args([signal, &id.to_string()]).stderr(Stdio::null());
    kill.status().map(drop)
}
