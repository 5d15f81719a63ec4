//! The program, as its users start it.

use std::{net::SocketAddr, pin::Pin, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, Lines},
    process::{Child, Command},
    time::timeout,
};

/// For anything that must happen: beyond it a test hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

pub(crate) struct Daemon {
    child: Child,
    pub(crate) address: SocketAddr,
    stdin: Option<Input>,
    lines: Lines<BufReader<Output>>,
}

/// What is typed, and what is printed: pipes, or a terminal.
pub(crate) type Input = Pin<Box<dyn AsyncWrite + Send>>;
pub(crate) type Output = Pin<Box<dyn AsyncRead + Send>>;

/// The program. It leaves signals alone that it inherits as ignored, and tests send some of these: so if this process has
/// them ignored, as under `nohup` or in the background of a script, they are reset first.
fn program() -> Command {
    const SENT: u64 = 1 | 1 << 1 | 1 << 2 | 1 << 14; // HUP, INT, QUIT, TERM
    let chatd = env!("CARGO_BIN_EXE_chatd");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    if ignored.unwrap_or(0) & SENT == 0 {
        return Command::new(chatd);
    }
    let mut reset = Command::new("env");
    reset.args(["--default-signal=HUP,INT,QUIT,TERM", chatd]);
    reset
}

/// The program with these arguments; on a free port, unless they say where.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = program();
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
        command.envs(variables.iter().copied());
        Self::spawn(command).await
    }

    pub(crate) async fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the daemon can be started");
        let stdin = child.stdin.take().expect("its input is piped");
        let stdout = child.stdout.take().expect("its output is piped");
        Self::ready(child, Box::pin(stdin), Box::pin(stdout)).await
    }

    /// Once it says where it listens, and reads what is typed.
    pub(crate) async fn ready(child: Child, stdin: Input, output: Output) -> Self {
        let mut lines = BufReader::new(output).lines();
        let first = loop {
            let line = timeout(PATIENCE, lines.next_line()).await;
            let line = line.expect("it prints a line").ok().flatten();
            let line = line.expect("it says where it listens");
            if let Some(address) = line.strip_prefix("chatd: http://") {
                break address.to_owned();
            }
        };
        let mut daemon = Self {
            address: first.parse().expect("an address"),
            stdin: Some(stdin),
            child,
            lines,
        };
        daemon.sees("each line is a message").await;
        daemon
    }

    pub(crate) async fn types(&mut self, line: &str) {
        self.presses(&format!("{line}\n")).await;
    }

    /// Without the end of a line.
    pub(crate) async fn presses(&mut self, keys: &str) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        stdin.write_all(keys.as_bytes()).await.expect("it reads");
        stdin.flush().await.expect("it reads");
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

    /// Closes its terminal, and waits for its end: the exit code.
    pub(crate) async fn ends_without_terminal(self) -> Option<i32> {
        let Self {
            mut child,
            stdin,
            lines,
            ..
        } = self;
        drop((stdin, lines));
        let status = timeout(PATIENCE, child.wait()).await.expect("it ends");
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
