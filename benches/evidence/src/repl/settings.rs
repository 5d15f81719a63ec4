//! What both servers are given by the driver, in their environment.

use std::{env, time::Duration};

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The program that is a user's shell.
    pub shell: String,
    /// How long one turn may take.
    pub limit: Duration,
    /// How long a start may take.
    pub start: Duration,
    /// After which time an idle shell is stopped.
    pub idle: Duration,
    /// How long a shell may take to obey a stop, before it is killed.
    pub grace: Duration,
}

impl Settings {
    /// Those of this process.
    pub fn of_environment() -> Self {
        let millis = |name: &str, default: u64| {
            let given = env::var(name).ok().and_then(|text| text.parse().ok());
            Duration::from_millis(given.unwrap_or(default))
        };
        Self {
            shell: env::var("REPL_SHELL").unwrap_or_else(|_| "sh".to_owned()),
            limit: millis("REPL_LIMIT_MS", 30_000),
            start: Duration::from_secs(5),
            idle: millis("REPL_IDLE_MS", 600_000),
            grace: Duration::from_secs(1),
        }
    }
}
