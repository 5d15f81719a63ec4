//! turnwise on several machines: each key has at most one session in the whole cluster. For daemons that keep a session for each user,
//! chat or document, and that run more than once.
//!
//! An [`Engine`] with leases, such as etcd, stores which process owns which key. A [`Node`] is one process: it keeps a lease and
//! acquires keys under it, for a [`SessionManager`](turnwise::SessionManager).
//!
//! ```
//! use std::{convert::Infallible, sync::Arc, time::Duration};
//! use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::{SendError, StopReason, TurnError}};
//! use turnwise_cluster::{Node, Settings, testing::MemoryEngine};
//!
//! # struct Counters;
//! # impl Backend for Counters {
//! #     type Key = String;
//! #     type Session = usize;
//! #     type Handle = ();
//! #     type Event = Infallible;
//! #     type Error = Infallible;
//! #     async fn start(&self, _: &String, _: &TurnContext<Infallible>) -> Result<(usize, ()), Infallible> { Ok((0, ())) }
//! #     async fn stop(&self, _: &String, _: usize, _: StopReason) -> Result<(), Infallible> { Ok(()) }
//! # }
//! # impl Agent for Counters {
//! #     type Message = usize;
//! #     type Reply = usize;
//! #     async fn send(&self, sum: &mut usize, more: usize, _: &TurnContext<Infallible>) -> Result<usize, Infallible> {
//! #         *sum += more;
//! #         Ok(*sum)
//! #     }
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Two processes of a cluster, here in one.
//! let engine = MemoryEngine::new();
//! let process = |name: &str| {
//!     // Sessions that are processes need `Node::guarded`.
//!     let node = Node::in_process(engine.clone(), Settings::new(name))?;
//!     let sessions = SessionManager::builder(Counters).ownership(Arc::new(node.clone())).build();
//!     Ok::<_, Box<dyn std::error::Error>>((node, sessions?))
//! };
//! let (a, counters_of_a) = process("10.0.0.1:7000")?;
//! let (b, counters_of_b) = process("10.0.0.2:7000")?;
//!
//! assert_eq!(counters_of_a.send_message("apples", 3).await?, 3);
//! // The other process has the session. Its name is in the error, and the message comes back.
//! let end = counters_of_b.send_message("apples", 4).await;
//! let Err(SendError { error: TurnError::Elsewhere(owner), message: Some(4), .. }) = end else {
//!     panic!("{end:?}");
//! };
//! assert_eq!(&*owner, "10.0.0.1:7000");
//!
//! // A process that leaves hands its keys over one by one.
//! a.leave(counters_of_a.shutdown(Duration::from_secs(10))).await;
//! assert_eq!(counters_of_b.send_message("apples", 4).await?, 4);
//! # b.leave(counters_of_b.shutdown(Duration::from_secs(10))).await;
//! # Ok(()) }
//! ```
//!
//! # What it promises, and on which conditions
//!
//! - **One session.** Two conditions: the rates of the machines' clocks differ by less than the [margin](Settings::margin) allows for, and
//!   the engine does what [`Engine`] demands. Then no two sessions of a key act at the same time. A process that is stopped may still finish
//!   its current step.
//! - **Fences.** The numbers of a key's sessions rise in the order of their acquisitions. This needs no clock. A resource that the
//!   sessions act on can refuse each act of an earlier session: it compares [`Incarnation`](turnwise::Incarnation)s.
//! - **No stuck key.** An answer that is lost or late blocks no key, and neither does a caller that goes away. If a request takes effect
//!   after it was given up, a record may remain without a session. The node that it names can then have the key.
//! - **Outages.** If the engine cannot be reached for longer than the time to live minus the margin, all sessions are stopped.
//!
//! `docs/cluster.md` of turnwise has more, and an example of a store that compares the numbers.
//!
//! # The protocol
//!
//! - A node has one lease. It is renewed at least five times in its time to live, by a thread of its own. A renewal is given up after a sixth of
//!   that time and tried again, at another member of the engine.
//! - The deadline counts from a moment before the request was sent, on a clock that goes on while the machine is suspended. A session has
//!   the term that it was acquired under; a later term does not cover it.
//! - Requests for keys go in batches of up to 100, and two batches may be in flight. A key has one request in flight. Its action is
//!   chosen when its batch is made, so an acquisition replaces a release that has not been sent.
//! - An acquisition counts only by the answer to that very request, and only while its term holds. A node takes over its own record only
//!   by the revision that it has seen, and with a new number.
//! - A release compares the revision. It is repeated while the term holds. A key is released when the last of its sessions has been stopped.
//! - If an acquisition was not answered, the node reads the record and releases it, unless a caller wants the key again.
//!
//! # Layout of the source
//!
//! Each module uses only those below it in this table, and those to its right in its row.
//!
//! | module | its one idea |
//! |---|---|
//! | `testing` (feature `testing`) | a simulated world, an engine in memory, and the checker of histories |
//! | `node` | what a process embeds |
//! | `tasks` | what the node does by itself |
//! | `shared` | what its tasks share, and each step of them |
//! | `keys` | what is known of each key, and what is asked next |
//! | `term` | the time for which a node owns what it has acquired |
//! | `engine`, `settings`, `key`, `guard` | what an engine does; settings; keys as bytes; the deadline of guards |
//! | `host` | the clock, sleeps and tasks of a machine |
//! | `sync` | what differs in the checked build |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod engine;
mod guard;
mod host;
mod key;
mod keys;
mod node;
mod settings;
mod shared;
mod sync;
mod tasks;
mod term;
#[cfg(feature = "testing")]
pub mod testing;

pub use engine::{Action, Answer, Batch, Engine, Fault, Grant, Request};
pub use key::ClusterKey;
pub use node::Node;
pub use settings::Settings;

// Tests the example there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
