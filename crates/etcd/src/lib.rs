//! turnwise on several machines, with etcd: one session of a key in the whole cluster.
//!
//! [`Etcd`] is the [`Engine`](turnwise_cluster::Engine) of a [`Node`](turnwise_cluster::Node): it stores in etcd which process owns
//! which key. It needs etcd 3.4 or newer, and nothing to be installed for the build.
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
//! All that [`turnwise_cluster`] promises, on its conditions. One of them is that the engine keeps its word, and **etcd before 3.4.31
//! and 3.5.13 does not**: it may revoke a lease that was renewed, if its leader was stuck while another one was elected (etcd issue
//! 15247). Two processes may own one key then. [`Etcd::warnings`] names such members. The fences of a key rise all the same, so a store
//! that compares them refuses the earlier session.
//!
//! A restored backup of etcd goes back in time, and so do fences: a store that compares them refuses all new sessions, for as long as they are
//! lower. Restore it with `etcdutl snapshot restore --bump-revision 1000000000 --mark-compacted`, which makes all later revisions higher (etcd
//! issue 16028), and stop all nodes meanwhile.
//!
//! # Settings
//!
//! | setting | unless set |
//! |---|---|
//! | [endpoints](Etcd::builder) | the client URLs of all members. If one fails, does not answer in time or has no leader, the next is used |
//! | [`prefix`](EtcdBuilder::prefix) | `turnwise/` |
//! | [`connect_timeout`](EtcdBuilder::connect_timeout) | 1 s for each member |
//! | time to live, margin, wait | [`Settings`](turnwise_cluster::Settings) of the node; all requests are bounded by parts of its time to live |
//!
//! A key has 1024 bytes at most. Calls for longer ones get `TurnError::Unavailable`. etcd's shortest lease is one and a half
//! election timeouts: 2 s by default.
//!
//! Each acquisition and each release adds a revision to etcd's history, and etcd keeps all of them until it is full, unless it is started with
//! `--auto-compaction-retention`, for example `=1` for an hour. Renewals add none.
//!
//! # Users
//!
//! [`EtcdBuilder::user`] takes a name and a password. etcd's token for them is renewed when etcd has forgotten it. The user needs all keys
//! of its cluster, and no others:
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
//! Feature `tls`, which brings rustls and ring. `Tls` takes the certificates of the authorities that signed etcd's, and a certificate for
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
//! - Requests go through etcd's JSON gateway, on its client port, or where `--listen-client-http-urls` says: HTTP/1.1. It is on, unless etcd
//!   was started with `--enable-grpc-gateway=false`. It takes no user from the common name of a certificate.
//! - Leases have a connection of their own, so no batch delays a renewal. A batch of up to 100 keys is one transaction.
//! - A request that was given up may still take effect. It is not sent again by this crate, unless it has certainly not been sent or
//!   etcd has refused its token.
//! - The record of a key is `PREFIX CLUSTER / KEY`, without the spaces. It holds the place in its batch and the owner's name:
//!   `etcdctl get --prefix turnwise/counters/` lists the owner of each key. The fence is the record's revision times 128, and the place.
//! - [`Etcd::owner`] and [`Etcd::owners`] look at the records, for tools and for programs that forward calls.
//! - Nothing is watched. A key that becomes free is noticed when it is asked for.
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
//! | `wire` | requests and answers as JSON |
//! | `link` | connections, and which member is next |
//! | `tls` (feature `tls`) | certificates |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod builder;
mod etcd;
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
