//! The program, as its users start it.

use std::{net::SocketAddr, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// For anything that must happen: beyond it a test hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: SocketAddr,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

/// The program with these arguments; on a free port, unless they say where.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatd"));
    if !args.contains(&"--listen") {
        command.args(["--listen", "127.0.0.1:0"]);
    }
    command
        .args(args)
        .env_remove("CHATD_TOKEN")
        .env("CHATD_LOG", "error")
        .env("RUST_BACKTRACE", "0");
    command
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

impl Daemon {
    /// Ready to be asked. Its echo does not think before it speaks, unless the arguments say so.
    pub(crate) async fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[]).await
    }

    /// With these variables in its environment.
    pub(crate) async fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let quick: &[&str] = if args.contains(&"--delay") {
            &[]
        } else {
            &["--delay", "0"]
        };
        let mut command = command(&[args, quick].concat());
        let child = command.envs(variables.iter().copied()).spawn();
        let mut child = child.expect("the daemon can be started");
        let stdout = child.stdout.take().expect("its output is piped");
        let mut lines = BufReader::new(stdout).lines();
        let first = lines
            .next_line()
            .await
            .ok()
            .flatten()
            .expect("it says where it listens");
        let address = first
            .strip_prefix("chatd: http://")
            .expect("it says where it listens");
        let mut daemon = Self {
            address: address.parse().expect("an address"),
            stdin: child.stdin.take(),
            child,
            lines,
        };
        daemon.sees("a line is a message").await;
        daemon
    }

    pub(crate) async fn types(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        let line = format!("{line}\n");
        stdin.write_all(line.as_bytes()).await.expect("it reads");
    }

    /// The end of its input.
    pub(crate) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// The next line that it prints.
    pub(crate) async fn line(&mut self) -> Option<String> {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("it prints a line")
            .expect("its output can be read")
    }

    /// The next line that has this in it.
    pub(crate) async fn sees(&mut self, text: &str) -> String {
        loop {
            let line = self.line().await;
            let line = line.unwrap_or_else(|| panic!("it ended without printing {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub(crate) async fn signal(&self, name: &str) {
        let id = self.id();
        let kill = Command::new("sh")
            .args(["-c", &format!("kill -s {name} {id}")])
            .status()
            .await;
        assert!(kill.expect("there is a shell").success());
    }

    /// Waits for its end, and reads nothing that it prints: the exit code.
    pub(crate) async fn ends_unread(mut self) -> Option<i32> {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends");
        status.expect("it was started").code()
    }

    /// Waits for its end: the exit code, and what it printed until then.
    pub(crate) async fn ends(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        while let Some(line) = self.line().await {
            rest += &line;
            rest.push('\n');
        }
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends");
        (status.expect("it was started").code(), rest)
    }
}
