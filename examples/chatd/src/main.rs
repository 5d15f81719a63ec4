//! A daemon over turnwise: two interfaces over the same sessions, one turn at a time each, and a status that answers at
//! once while a turn runs. `cargo run` starts it; README.md tells what to type.
//!
//! | module | its one idea |
//! |---|---|
//! | `args` | the command line |
//! | `agent`, `echo`, `pi` | what the sessions are made of |
//! | `desk` | what both interfaces may do: all of turnwise that the daemon uses |
//! | `board` | what there is to look at beside turnwise's status: what was asked last, and what was said |
//! | `terminal`, `input`, `paper` | interface one: lines in, lines out |
//! | `http` | interface two, and its page |
//! | `daemon`, `asked` | from the start to the report of the end; who asks for the end |
//! | `limits`, `names`, `words` | how long texts may be; which names sessions may have; how a text is cut |

mod agent;
mod args;
mod asked;
mod board;
mod daemon;
mod desk;
mod echo;
mod http;
mod input;
mod limits;
mod names;
mod paper;
#[cfg(all(feature = "pi", unix))]
mod pi;
mod terminal;
mod words;

#[cfg(all(feature = "pi", unix))]
use crate::pi::PiChat;
use crate::{
    args::{AgentKind, Args},
    echo::EchoAgent,
};
use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

/// 0: all went well. 1: something failed, or a session was abandoned. 2: bad usage.
fn main() -> ExitCode {
    let args = Args::read();
    let log = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    tracing_subscriber::registry()
        .with(log.with_filter(args.log.clone()))
        .init();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ended = match args.agent {
        AgentKind::Echo => {
            let agent = EchoAgent::new(args.delay);
            runtime.block_on(daemon::run(agent, args))
        }
        #[cfg(all(feature = "pi", unix))]
        AgentKind::Pi => {
            let Some(folder) = args.pi.session_dir() else {
                Args::refuse("there is no $HOME to keep conversations in: give a --pi-session-dir");
            };
            match PiChat::new(&args, &folder) {
                Ok(agent) => runtime.block_on(daemon::run(agent, args)),
                Err(error) => Err(error.into()),
            }
        }
        #[cfg(not(all(feature = "pi", unix)))]
        AgentKind::Pi => Args::refuse("this chatd was built without pi"),
    };
    match ended {
        Ok(report) if report.failed.is_empty() && report.abandoned.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("chatd: {}", words::told(error));
    ExitCode::FAILURE
}
