//! The command line.

#[cfg(all(feature = "acp", unix))]
use crate::acp::AcpArgs;
use crate::cluster::ClusterArgs;
use crate::names::{self, BadName};
#[cfg(all(feature = "pi", unix))]
use crate::pi::PiArgs;
use crate::token;
use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind};
use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};
use tracing_subscriber::filter::Targets;
#[cfg(unix)]
use turnwise_process::Guard;

/// A chat daemon: a terminal and an HTTP API over the same sessions, one turn at a time for each.
///
/// Type a line to send it as a message. /help lists the commands, such as /status and /quit. The printed address serves
/// the page and the API.
///
/// SIGTERM, SIGINT (Ctrl-C), SIGHUP, SIGQUIT and /quit shut it down. Running turns get --drain seconds to finish, and then
/// every session is stopped. A second signal ends the turns at once.
///
/// Every user of this machine can reach a loopback address. Without a token, each of them can use the sessions, and
/// everything their agent may do. Set a token, or listen on a Unix socket.
#[derive(Debug, Parser)]
#[command(name = "chatd")]
pub(crate) struct Args {
    /// The agent behind the sessions.
    #[arg(long, value_enum, default_value_t = AgentKind::Echo)]
    pub(crate) agent: AgentKind,
    /// The address for HTTP. The default is 127.0.0.1:8484, or none if --listen-unix is given. An address other than
    /// loopback needs a token.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// A Unix socket for HTTP that only its owner can use (mode 0600). It is removed at shutdown. A stale socket is
    /// replaced.
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    pub(crate) listen_unix: Option<PathBuf>,
    /// A file with the token that HTTP clients send as `Authorization: Bearer TOKEN`. It is read once. Other users must not
    /// have access to it. The agent can read it too, unless it is a pipe, as in `--token-file <(pass chatd)`.
    ///
    /// Or set $CHATD_TOKEN. chatd then restarts itself without that variable.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Refused: every user of the machine can read it there.
    #[arg(long, hide = true)]
    token: Option<OsString>,
    /// The session that the terminal starts with.
    #[arg(long, value_name = "NAME", default_value = "main", value_parser = key)]
    pub(crate) session: String,
    /// How long the echo waits before each word.
    #[arg(long, value_name = "SECONDS", default_value = "0.25", value_parser = seconds)]
    pub(crate) delay: Duration,
    /// How long a session may be idle before it is stopped.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = some_seconds)]
    pub(crate) idle: Duration,
    /// How old a session may become, give or take a tenth. An older one is replaced between two turns, never during one.
    /// Without it, there is no limit.
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    pub(crate) max_age: Option<Duration>,
    /// The most sessions at once. To make room for another, the least recently used one is stopped. If none is idle, a message waits.
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_sessions: u16,
    /// The most messages queued for one session.
    #[arg(long, value_name = "COUNT", default_value = "16")]
    pub(crate) max_waiting: u16,
    /// The most HTTP connections, but never more than half of the files that the process may open. With --cluster, never more than a
    /// sixth for clients, and a sixth for other nodes.
    #[arg(long, value_name = "COUNT", default_value = "4096", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(crate) max_connections: u32,
    /// How long a message may wait for its turn, and for room for a new session. Without it, the wait in the queue has no limit, and the
    /// wait for room ends after 30 s.
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    pub(crate) wait_timeout: Option<Duration>,
    /// How long a session may take to start.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = some_seconds)]
    pub(crate) start_timeout: Duration,
    /// How long a turn may take.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = some_seconds)]
    pub(crate) turn_timeout: Duration,
    /// How long a turn or a start may go on without a part of an answer and without a note. Without it, there is no limit.
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    pub(crate) quiet: Option<Duration>,
    /// How long a question of the agent waits for its answer. Then it is cancelled, and the turn goes on. 0 cancels each question
    /// at once.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    pub(crate) question_timeout: Duration,
    /// How long a cancelled turn may take to end by itself before its session is stopped.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = some_seconds)]
    pub(crate) abort_timeout: Duration,
    /// How long a session may take to stop.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = some_seconds)]
    pub(crate) stop_timeout: Duration,
    /// How long the processes of sessions may go on after this daemon was stopped by SIGSTOP. If it is killed, they are killed at
    /// once. 0 starts no guard. Linux only.
    #[cfg(unix)]
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    guard: Duration,
    /// How long running turns may go on after shutdown begins. A second signal ends them at once.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) drain: Duration,
    /// What to log to standard error, such as `debug` or `warn,turnwise=debug`.
    #[arg(
        long,
        env = "CHATD_LOG",
        value_name = "FILTER",
        default_value = "warn,chatd=info"
    )]
    pub(crate) log: Targets,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[cfg(unix)]
    #[command(flatten)]
    pub(crate) repl: ReplArgs,
    #[cfg(all(feature = "pi", unix))]
    #[command(flatten)]
    pub(crate) pi: PiArgs,
    #[cfg(all(feature = "acp", unix))]
    #[command(flatten)]
    pub(crate) acp: AcpArgs,
}

#[cfg(unix)]
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "With --agent repl")]
pub(crate) struct ReplArgs {
    /// The shell command of the REPL. It reads from a pipe, and should not buffer its output.
    #[arg(long = "repl-command", value_name = "COMMAND", default_value = PYTHON)]
    pub(crate) command: String,
    /// The input line that makes the REPL print {}, which marks the end of an answer.
    #[arg(long = "repl-end", value_name = "LINE", default_value = "print('{}')")]
    pub(crate) end: String,
}

/// Python without prompts.
#[cfg(unix)]
const PYTHON: &str = "python3 -iuqc 'import sys; sys.ps1 = sys.ps2 = str()' 2>&1";

/// What the sessions are made of.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AgentKind {
    /// Repeats each message, word by word.
    Echo,
    /// A REPL, one process per session.
    Repl,
    /// The coding agent pi, one process per session.
    Pi,
    /// Any agent that speaks ACP, one process per session.
    Acp,
    /// Claude Code: --agent acp --acp-program claude-agent-acp
    Claude,
    /// Codex: --agent acp --acp-program codex-acp
    Codex,
    /// OpenCode: --agent acp --acp-program opencode --acp-arg=acp
    Opencode,
    /// pi over ACP: --agent acp --acp-program pi-acp
    PiAcp,
    /// Qwen Code: --agent acp --acp-program qwen --acp-arg=--acp
    Qwen,
}

#[cfg(all(feature = "acp", unix))]
impl AgentKind {
    /// The program and its arguments, if the name of the agent implies them. `just acp-tests` drives each of these.
    pub(crate) fn preset(self) -> Option<(&'static str, &'static [&'static str])> {
        match self {
            Self::Claude => Some(("claude-agent-acp", &[])),
            Self::Codex => Some(("codex-acp", &[])),
            Self::Opencode => Some(("opencode", &["acp"])),
            Self::PiAcp => Some(("pi-acp", &[])),
            Self::Qwen => Some(("qwen", &["--acp"])),
            Self::Echo | Self::Repl | Self::Pi | Self::Acp => None,
        }
    }
}

impl Args {
    /// From the command line; ends the program with 2 if it makes no sense.
    pub(crate) fn read() -> Self {
        let args = Self::parse();
        if args.token.is_some() {
            Self::refuse(
                "every user of the machine can read a token on the command line: use --token-file or $CHATD_TOKEN",
            );
        }
        if let Err(why) = args.cluster.check(args.agent) {
            Self::refuse(why);
        }
        args
    }

    /// Where HTTP is served over TCP, if it is.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        #[cfg(unix)]
        let elsewhere = self.listen_unix.is_some();
        #[cfg(not(unix))]
        let elsewhere = false;
        let usual = || (!elsewhere).then_some((Ipv4Addr::LOCALHOST, 8484).into());
        self.listen.or_else(usual)
    }

    /// What ends the processes of sessions if this daemon cannot.
    #[cfg(unix)]
    pub(crate) fn guard(&self) -> Option<Guard> {
        let alone =
            || (cfg!(target_os = "linux") && !self.guard.is_zero()).then(|| Guard::new(self.guard));
        self.cluster.guard().or_else(alone)
    }

    /// The token, if there is one; ends the program with 2 if there should be one. May start the program anew.
    pub(crate) fn take_token(&self) -> Option<String> {
        let token =
            token::take(self.token_file.as_deref()).unwrap_or_else(|why| Self::refuse(&why));
        let far = self
            .address()
            .is_some_and(|address| !address.ip().is_loopback());
        if far && token.is_none() {
            Self::refuse("an address other than loopback needs a token: set --token-file");
        }
        token
    }

    pub(crate) fn refuse(why: &str) -> ! {
        Self::command()
            .error(ErrorKind::ValueValidation, why)
            .exit()
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

pub(crate) fn some_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("must be more than 0 seconds".to_owned()),
        some => Ok(some),
    }
}

fn key(text: &str) -> Result<String, BadName> {
    names::check(text).map(|()| text.to_owned())
}
