//! A daemon over turnwise: two interfaces over the same sessions, one turn at a time each, and a status that answers at
//! once while a turn runs. `cargo run` starts it; README.md tells what to type.
//!
//! | module | its one idea |
//! |---|---|
//! | `args`, `token` | the command line; the token, and how the agent does not get it |
//! | `agent`, `echo`, `repl`, `pi`, `acp` | what the sessions are made of |
//! | `question` | what an agent asks in the middle of a turn |
//! | `desk` | what both interfaces may do: all of turnwise that the daemon uses |
//! | `view` | what is shown of a session |
//! | `board` | what there is to look at beside turnwise's status: what was asked last, and what was said |
//! | `metrics` | how often, and how long, for Prometheus |
//! | `terminal`, `input`, `paper` | interface one: lines in, lines out |
//! | `http`, `listen` | interface two, and its page; a Unix socket for it |
//! | `output`, `log` | what is written waits for nobody; the log |
//! | `cluster` | several daemons as one |
//! | `escape` | what an agent writes, where people read it |
//! | `foreground` | what a daemon in the background leaves undone |
//! | `daemon`, `asked` | from the start to the report of the end; who asks for the end |
//! | `live` (feature `live-bytes`) | how many bytes are allocated, for a script that measures |
//! | `limits`, `names`, `words` | how long texts may be; which names sessions may have; how a text is cut |

// Without these no agent asks.
#![cfg_attr(not(all(any(feature = "acp", feature = "pi"), unix)), allow(dead_code))]

#[cfg(all(feature = "acp", unix))]
mod acp;
mod agent;
mod args;
mod asked;
mod board;
#[cfg(all(feature = "cluster", unix))]
mod cluster;
#[cfg(not(all(feature = "cluster", unix)))]
#[path = "cluster/none.rs"]
mod cluster;
mod daemon;
mod desk;
mod echo;
mod escape;
#[cfg(unix)]
mod foreground;
mod http;
mod input;
mod limits;
#[cfg(unix)]
mod listen;
#[cfg(all(feature = "live-bytes", unix))]
mod live;
mod log;
mod metrics;
mod names;
mod output;
mod paper;
#[cfg(all(feature = "pi", unix))]
mod pi;
mod question;
#[cfg(unix)]
mod repl;
mod terminal;
mod token;
mod view;
mod words;

#[cfg(all(feature = "pi", unix))]
use crate::pi::PiChat;
use crate::{
    args::{AgentKind, Args},
    daemon::{Ended, Failed},
    echo::EchoAgent,
    output::Output,
};
use std::{
    io::{self, IsTerminal},
    panic,
    process::{self, ExitCode},
    time::Instant,
};
use tokio::runtime::Runtime;

/// 0: all went well. 1: something failed, or a session was abandoned. 2: bad usage.
fn main() -> ExitCode {
    #[cfg(unix)]
    turnwise_process::Guard::init();
    let args = Args::read();
    let token = args.take_token();
    let outputs = Outputs::start().and_then(|outputs| Ok((outputs, runtime()?)));
    let (outputs, runtime) = match outputs {
        Ok(started) => started,
        Err(error) => {
            // Nothing runs that this could hold.
            eprintln!("chatd: {error}");
            return ExitCode::FAILURE;
        }
    };
    log::start(
        outputs.log.clone(),
        args.log.clone(),
        io::stderr().is_terminal(),
    );
    #[cfg(all(feature = "live-bytes", unix))]
    runtime.spawn(live::report());
    let ended = run(&runtime, args, token, &outputs.terminal);
    let code = match &ended {
        Ok(ended) if ended.is_clean() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    };
    outputs.end(ended);
    code
}

fn run(
    runtime: &Runtime,
    args: Args,
    token: Option<String>,
    out: &Output,
) -> Result<Ended, Failed> {
    match args.agent {
        AgentKind::Echo => {
            let agent = EchoAgent::new(args.delay);
            runtime.block_on(daemon::run(agent, args, token, out))
        }
        #[cfg(unix)]
        AgentKind::Repl => {
            let agent = repl::ReplAgent::new(args.repl.clone(), args.guard());
            runtime.block_on(daemon::run(agent, args, token, out))
        }
        #[cfg(not(unix))]
        AgentKind::Repl => Args::refuse("a REPL needs Unix"),
        #[cfg(all(feature = "pi", unix))]
        AgentKind::Pi => {
            let folder = args.pi.session_dir(args.cluster.is_set());
            let folder = folder.unwrap_or_else(|why| Args::refuse(why));
            let agent = PiChat::new(&args, &folder)?;
            runtime.block_on(daemon::run(agent, args, token, out))
        }
        #[cfg(not(all(feature = "pi", unix)))]
        AgentKind::Pi => Args::refuse("this chatd was built without pi"),
        #[cfg(all(feature = "acp", unix))]
        _ => {
            let agent = acp::AcpChat::new(&args).unwrap_or_else(|why| Args::refuse(&why));
            runtime.block_on(daemon::run(agent, args, token, out))
        }
        #[cfg(not(all(feature = "acp", unix)))]
        _ => Args::refuse("this chatd was built without ACP"),
    }
}

/// tokio panics if a thread is missing, and would wait for those that it has: so the program ends there.
fn runtime() -> Result<Runtime, String> {
    let before = panic::take_hook();
    panic::set_hook(Box::new(|panicked| {
        let why = log::words(panicked.payload());
        eprintln!("chatd: no thread for the sessions: {why}");
        process::exit(1);
    }));
    let runtime = Runtime::new();
    panic::set_hook(before);
    runtime.map_err(|error| format!("cannot start tokio's runtime: {error}"))
}

/// Each has its thread from the start, so that the report needs none.
struct Outputs {
    terminal: Output,
    log: Output,
}

impl Outputs {
    fn start() -> Result<Self, String> {
        let none = |error| format!("no thread for the output: {error}");
        Ok(Self {
            terminal: Output::start("pieces of output", stdout()).map_err(none)?,
            log: Output::start("lines of the log", stderr()).map_err(none)?,
        })
    }

    /// The last words, as far as anybody reads them.
    fn end(self, ended: Result<Ended, Failed>) {
        let deadline = Instant::now() + limits::FAREWELL;
        match ended {
            Ok(ended) => {
                for line in ended.report() {
                    self.terminal.put_by(&format!("{line}\n"), deadline);
                }
                let lost = [self.terminal.lost(), self.log.lost()];
                let lost: Vec<String> = lost.into_iter().flatten().collect();
                if !lost.is_empty() {
                    let line = format!("  lost: {}\n", lost.join(", "));
                    self.terminal.put_by(&line, deadline);
                }
            }
            Err(error) => {
                let why = escape::line(&words::told(&*error));
                self.log.put_by(&format!("chatd: {why}\n"), deadline);
            }
        }
        self.terminal.finish(deadline);
        self.log.finish(deadline);
    }
}

#[cfg(unix)]
fn stdout() -> foreground::Standard<io::Stdout> {
    foreground::Standard(io::stdout())
}

#[cfg(unix)]
fn stderr() -> foreground::Standard<io::Stderr> {
    foreground::Standard(io::stderr())
}

#[cfg(not(unix))]
use io::{stderr, stdout};
