//! The command line.

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

/// Two interfaces over the same sessions, one turn at a time each.
///
/// Type a line to send it as a message; /status, /stop, /new, /use NAME and /quit are commands. The page and the routes are
/// at the address that is printed.
///
/// SIGTERM, SIGINT (Ctrl-C), SIGHUP, SIGQUIT and /quit end it: turns may go on for as long as --drain allows, then every
/// session is stopped. A second one ends the turns at once.
///
/// Every user of this machine can reach a loopback address. Without a token, every one of them can use the sessions, and
/// what their agent may do. Give a token, or listen at a Unix socket.
#[derive(Debug, Parser)]
#[command(name = "chatd")]
pub(crate) struct Args {
    /// What answers.
    #[arg(long, value_enum, default_value_t = AgentKind::Echo)]
    pub(crate) agent: AgentKind,
    /// Where HTTP is served: by default at 127.0.0.1:8484, or at no address if --listen-unix is given. Any address but
    /// loopback needs a token.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// A Unix socket where HTTP is served, for its owner alone (mode 0600). It is removed at the end. One that nobody
    /// listens at is replaced.
    #[cfg(unix)]
    #[arg(long, value_name = "PATH")]
    pub(crate) listen_unix: Option<PathBuf>,
    /// A file with the token that HTTP clients must show as `Authorization: Bearer TOKEN`. It is read once; it must not be
    /// open to other users. The agent can read it too, unless it is a pipe, as in `--token-file <(pass chatd)`.
    ///
    /// Instead, the token may be in $CHATD_TOKEN. chatd then starts anew without that variable.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Refused: every user of the machine can read it there.
    #[arg(long, hide = true)]
    token: Option<OsString>,
    /// The session that the terminal begins with.
    #[arg(long, value_name = "NAME", default_value = "main", value_parser = key)]
    pub(crate) session: String,
    /// How long the echo thinks before each word.
    #[arg(long, value_name = "SECONDS", default_value = "0.25", value_parser = seconds)]
    pub(crate) delay: Duration,
    /// A session that rests for so long is stopped.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = some_seconds)]
    pub(crate) idle: Duration,
    /// How many sessions there may be; for one more, the longest idle one is stopped.
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_sessions: u16,
    /// How many messages may wait for one session.
    #[arg(long, value_name = "COUNT", default_value = "16")]
    pub(crate) max_waiting: u16,
    /// How many connections HTTP clients may have; never more than half of the files that the process may open.
    #[arg(long, value_name = "COUNT", default_value = "4096", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub(crate) max_connections: u32,
    /// How long a message waits for its turn. As long as it takes, if not given.
    #[arg(long, value_name = "SECONDS", value_parser = some_seconds)]
    pub(crate) wait_timeout: Option<Duration>,
    /// How long the start of a session may take.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = some_seconds)]
    pub(crate) start_timeout: Duration,
    /// How long a turn may take.
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = some_seconds)]
    pub(crate) turn_timeout: Duration,
    /// How long a cancelled turn may take to end by itself, before its session is stopped.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = some_seconds)]
    pub(crate) abort_timeout: Duration,
    /// How long the stop of a session may take.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = some_seconds)]
    pub(crate) stop_timeout: Duration,
    /// How long turns may go on once the daemon is asked to end. A second signal ends them at once.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) drain: Duration,
    /// What is logged, to standard error: `debug`, or `warn,turnwise=debug`.
    #[arg(
        long,
        env = "CHATD_LOG",
        value_name = "FILTER",
        default_value = "warn,chatd=info"
    )]
    pub(crate) log: Targets,
    #[cfg(all(feature = "pi", unix))]
    #[command(flatten)]
    pub(crate) pi: PiArgs,
}

/// What the sessions are made of.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum AgentKind {
    /// Says what it is told, word by word.
    Echo,
    /// The coding agent pi, one process a session.
    Pi,
}

impl Args {
    /// From the command line; ends the program with 2 if it makes no sense.
    pub(crate) fn read() -> Self {
        let args = Self::parse();
        if args.token.is_some() {
            Self::refuse(
                "every user of the machine can read a token on the command line: put it into a file (--token-file) or into $CHATD_TOKEN",
            );
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

    /// The token, if there is one; ends the program with 2 if there should be one. May start the program anew.
    pub(crate) fn take_token(&self) -> Option<String> {
        let token =
            token::take(self.token_file.as_deref()).unwrap_or_else(|why| Self::refuse(&why));
        let far = self
            .address()
            .is_some_and(|address| !address.ip().is_loopback());
        if far && token.is_none() {
            Self::refuse(
                "anybody who reaches an address that is not loopback could talk to the sessions: give a --token-file",
            );
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

fn some_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("nothing can be done in no time".to_owned()),
        some => Ok(some),
    }
}

fn key(text: &str) -> Result<String, BadName> {
    names::check(text).map(|()| text.to_owned())
}
