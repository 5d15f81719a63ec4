//! Child processes that end when they should, together with everything that they started. For programs that keep one process
//! for each user, chat or session: a REPL, an agent, a browser. Unix only.
//!
//! ```
//! use tokio::{io::AsyncWriteExt, process::Command};
//! use turnwise_process::Launcher;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut cat = Launcher::new().spawn(&mut Command::new("cat")).await?;
//! let mut lines = cat.lines(1 << 20).ok_or("stdout was taken")?;
//! let stdin = cat.stdin.as_mut().ok_or("stdin was taken")?;
//! stdin.write_all(b"hello\n").await?;
//! assert_eq!(lines.next().await.ok_or("it has ended")??, "hello");
//!
//! // Closes its input, which ends `cat`. Other programs get SIGTERM, and then SIGKILL.
//! let ended = cat.stop().await;
//! assert!(ended.status.is_some_and(|status| status.success()));
//! # Ok(()) }
//! ```
//!
//! # What a process gets
//!
//! - A group of its own, so a Ctrl-C at your terminal does not reach it.
//! - A [stop](Process::stop) in steps: end of input, SIGTERM, SIGKILL. Each step has its own time. The process is always reaped.
//! - An end for everything that it started, also for what left its group: see [below](#what-a-process-leaves-running).
//! - A reader for stderr, so the process never blocks on that pipe. [The last bytes](Stderr::text) are kept, 16 KiB by default.
//! - [Lines](Process::lines) with a limit in bytes.
//! - The environment of your program, including the secrets in it. The module [secret] takes a secret out of the environment first.
//! - On request, a [guard](Guard): the process ends when your program is killed or stopped.
//! - A [report of its end](Process::exited), which you can await while the process is idle.
//!
//! # What a process leaves running
//!
//! Some children stay in the process group of the process. Others have sessions and groups of their own, and their parent is gone. So
//! each process has a mark in its environment, which its children inherit. When the process has ended, everything in its group and
//! everything with its mark is killed. Some children leave the group and clear their environment. A [guard](Guard) or
//! [`Launcher::cgroup`] finds those too. All of this is for Linux. On other systems, children are not searched for, and only a
//! SIGKILL reaches the whole group.
//!
//! A program may start something on purpose, such as a server that must outlive it. [`Launcher::keep_children`] keeps such children
//! when the process has obeyed a stop. After any other end, everything is killed.
//!
//! # Layout of the source
//!
//! | module | its one idea |
//! |---|---|
//! | `launcher` | the settings, and how a process is started |
//! | `process` | a running process, from the side of its user |
//! | `supervisor` | the task that owns the process, ends and reaps it |
//! | `leader` | the process, as a child of this program or of its guard |
//! | `guard` | the end of a process whose program is killed or stopped |
//! | `leftovers`, `cgroup` | what a process leaves running |
//! | `lines`, `tail` | lines with a limit; the end of stderr |
//! | `secret` | secrets of this program, which the processes must not find |

#![forbid(unsafe_code)]

#[cfg(not(unix))]
compile_error!("turnwise-process is for Unix: it needs process groups and signals");

#[cfg(target_os = "linux")]
mod cgroup;
mod guard;
mod launcher;
mod leader;
mod leftovers;
mod lines;
mod process;
pub mod secret;
mod supervisor;
mod tail;

pub use guard::{BootTime, Guard, GuardDeadline, GuardError};
pub use launcher::{Launcher, SpawnError};
pub use lines::{LineDecoder, LineError, Lines};
pub use process::Process;
pub use supervisor::Ended;
pub use tail::Stderr;

// Tests the example there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
