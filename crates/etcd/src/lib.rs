//! turnwise on several machines, with etcd: each key has at most one session in the whole cluster.
//!
//! [`Etcd`] is the [`Engine`](turnwise_cluster::Engine) of a [`Node`](turnwise_cluster::Node): it stores in etcd which process owns
//! which key. It needs etcd 3.4 or newer. The build needs no other software.
//!
//! ```no_run
//! use std::{convert::Infallible, sync::Arc, time::Duration};
//! use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::{SendError, TurnError}};
//! use turnwise_cluster::{Node, Settings};
//! use turnwise_etcd::Etcd;
//!
//! struct Counters;
//!
//! impl Backend for Counters {
//!     type Key = String;
//!     type Session = u64;
//!     type Handle = ();
//!     type Event = ();
//!     type Error = Infallible;
//!
//!     async fn start(&self, _: &String, _: &TurnContext<()>) -> Result<(u64, ()), Infallible> {
//!         Ok((0, ()))
//!     }
//! }
//!
//! impl Agent for Counters {
//!     type Message = u64;
//!     type Reply = u64;
//!
//!     async fn send(&self, sum: &mut u64, more: u64, _: &TurnContext<()>) -> Result<u64, Infallible> {
//!         *sum += more;
//!         Ok(*sum)
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Processes that name the same cluster share their keys.
//!     let etcd = Etcd::builder("counters", ["http://127.0.0.1:2379"]).connect().await?;
//!     for warning in etcd.warnings() {
//!         eprintln!("{warning}");
//!     }
//!     // Sessions that are processes need `Node::guarded`.
//!     let node = Node::in_process(etcd, Settings::new("10.0.0.1:7000"))?;
//!     let counters = SessionManager::builder(Counters).ownership(Arc::new(node.clone())).build()?;
//!
//!     match counters.send_message("apples", 3).await {
//!         Ok(sum) => println!("{sum} apples"),
//!         // The message has not been delivered, and comes back: forward it there.
//!         Err(SendError { error: TurnError::Elsewhere(owner), message: Some(more), .. }) => {
//!             println!("send {more} to {owner}");
//!         }
//!         Err(error) => return Err(error.into()),
//!     }
//!
//!     node.leave(counters.shutdown(Duration::from_secs(10))).await;
//!     Ok(())
//! }
//! ```
//!
//! # What is promised
//!
//! All that [`turnwise_cluster`] promises, on its conditions. One of them is that a lease does not expire early. **etcd's own leases do**:
//! when a leader goes on that was stuck or paused for longer than a lease lives, it may revoke leases that were renewed at its successor
//! (etcd issue 15247; 2 of 12 pauses with etcd 3.5.16). So this crate measures time itself. Each node has a heartbeat, which is a record. If
//! a heartbeat stands still for its time to live, by the clock of another node, that node ends the lease. etcd's own lease lives for a
//! day. It cleans up after the last node, and a leader that is stuck for a day may still revoke it early.
//!
//! So the keys of a dead node become free at the next request for one of them, or at the next renewal of another node, once its time
//! to live has passed since such a renewal first saw its last heartbeat. If another node was running when it died, that is at most the
//! time to live and about 0.8 s after its death. Otherwise it is the time to live after the first node has started.
//!
//! A restored backup of etcd goes back in time, and so do fences. A store that compares fences then refuses all new sessions until the
//! fences have caught up. Restore it with `etcdutl snapshot restore --bump-revision 1000000000 --mark-compacted`, which makes all later
//! revisions higher (etcd issue 16028). Keep all nodes stopped meanwhile.
//!
//! # Settings
//!
//! | setting | default |
//! |---|---|
//! | [endpoints](Etcd::builder) | none: give the client URLs of all members. If one fails, does not answer in time or has no leader, the next is used |
//! | [`prefix`](EtcdBuilder::prefix) | `turnwise/` |
//! | [`connect_timeout`](EtcdBuilder::connect_timeout) | 1 s for each member |
//! | time to live, margin, wait | those of the node's [`Settings`](turnwise_cluster::Settings); all requests are limited by parts of its time to live |
//!
//! A key has 1024 bytes at most. Calls for longer ones get `TurnError::Unavailable`.
//!
//! Each acquisition, release and renewal adds a revision to etcd's history; a node renews 108,000 times a day. etcd keeps all revisions until
//! it is full, unless it is started with `--auto-compaction-retention`, for example `=1` for an hour. An etcd that is full refuses
//! renewals, so all sessions of all nodes stop.
//!
//! # Users
//!
//! [`EtcdBuilder::user`] takes a name and a password. When etcd no longer accepts the token that it gave for them, a new one is requested. The
//! user needs access to all keys of its cluster, and to no others:
//!
//! ```text
//! etcdctl role add counters
//! etcdctl role grant-permission counters --prefix=true readwrite turnwise/counters/
//! etcdctl user add counters:PASSWORD
//! etcdctl user grant-role counters counters
//! ```
//!
//! # TLS
//!
//! The feature `tls` adds rustls and ring. `Tls` takes the certificates of the authorities that signed etcd's, and a client certificate for
//! an etcd with `--client-cert-auth`:
//!
//! ```no_run
//! use turnwise_etcd::{Etcd, Tls};
//!
//! # async fn connect() -> std::io::Result<Etcd> {
//! let tls = Tls::new(std::fs::read("ca.pem")?)
//!     .client_certificate(std::fs::read("client.pem")?, std::fs::read("client-key.pem")?);
//! let members = ["https://10.0.0.5:2379", "https://10.0.0.6:2379", "https://10.0.0.7:2379"];
//! Etcd::builder("counters", members).tls(tls).user("counters", "PASSWORD").connect().await
//! # }
//! ```
//!
//! # Details
//!
//! - Requests go through etcd's JSON gateway over HTTP/1.1, on its client port or at `--listen-client-http-urls`. The gateway is on unless
//!   etcd was started with `--enable-grpc-gateway=false`. It takes no user from the common name of a certificate.
//! - Leases have a connection of their own, so no batch delays a renewal. A batch of up to 100 keys is one transaction.
//! - A request that was given up may still take effect. This crate sends it again only if it has certainly not been sent, or if
//!   etcd has refused its token.
//! - The record of a key is `PREFIX CLUSTER /k/ KEY`, without the spaces. It holds the place in its batch and the owner's name:
//!   `etcdctl get --prefix turnwise/counters/k/` lists the owner of each key. The fence is the record's revision times 128, plus the place.
//! - The heartbeat of a node is `PREFIX CLUSTER /n/ LEASE`, with the lease in 16 hexadecimal digits, as `etcdctl lease` prints it. It holds
//!   the time to live in milliseconds, or 0 when another node has ended it. Each renewal of a node reads those of all nodes.
//! - [`Etcd::owner`] and [`Etcd::owners`] read the records, for tools and for programs that forward calls.
//! - No key is watched. That a key has become free is found at the next request for it.
//! - Answers of another etcd cluster are refused, in case the endpoints are mixed up.
//!
//! # Layout of the source
//!
//! Each module uses only those below it in this table.
//!
//! | module | its one idea |
//! |---|---|
//! | `builder` | settings, and the first questions |
//! | `etcd` | the engine |
//! | `beside` | what it does beside the requests of its node |
//! | `inner` | what all requests share, and how one is sent |
//! | `heartbeat` | which nodes are dead |
//! | `wire` | requests and answers as JSON |
//! | `link` | connections, and which member is next |
//! | `tls` (feature `tls`) | certificates |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod beside;
mod builder;
mod etcd;
mod heartbeat;
mod inner;
mod link;
#[cfg(feature = "tls")]
mod tls;
mod wire;

pub use builder::EtcdBuilder;
pub use etcd::Etcd;
#[cfg(feature = "tls")]
pub use tls::Tls;

// Tests the example there.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
