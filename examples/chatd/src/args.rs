//! The command line.

use crate::names::{self, BadName};
#[cfg(all(feature = "pi", unix))]
use crate::pi::PiArgs;
use clap::{CommandFactory, Parser, ValueEnum, error::ErrorKind};
use std::{net::SocketAddr, time::Duration};
use tracing_subscriber::filter::Targets;

/// Two interfaces over the same sessions, one turn at a time each.
///
/// Type a line to send it as a message; /status, /stop, /new, /use NAME and /quit are commands. The page and the routes are
/// at the address that is printed.
#[derive(Debug, Parser)]
#[command(name = "chatd")]
pub(crate) struct Args {
    /// What answers.
    #[arg(long, value_enum, default_value_t = AgentKind::Echo)]
    pub(crate) agent: AgentKind,
    /// Where HTTP is served. Anything but loopback needs a token.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8484")]
    pub(crate) listen: SocketAddr,
    /// What HTTP clients must show as `Authorization: Bearer TOKEN`.
    #[arg(long, env = "CHATD_TOKEN", hide_env_values = true, value_parser = token)]
    pub(crate) token: Option<String>,
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
        if !args.listen.ip().is_loopback() && args.token.is_none() {
            Self::refuse(
                "anybody who reaches an address that is not loopback could talk to the sessions: give a --token",
            );
        }
        args
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

/// As a header can carry it.
fn token(text: &str) -> Result<String, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a token is made of visible ASCII characters, without spaces");
    }
    Ok(text.to_owned())
}
