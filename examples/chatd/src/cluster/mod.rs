//! Several daemons as one: each answers for every session.
//!
//! etcd stores which node owns a session, and turnwise starts no session that another node owns. The rest is here: a request for
//! a session of another node goes there, once.
//!
//! | module | its one idea |
//! |---|---|
//! | `args` | the command line |
//! | `route` | whether a request is answered here; if not, when it is tried again |
//! | `forward` | one request to another node, and its answer as it comes |
//! | `others` | the sessions of the other nodes, as they change |
//! | `client` | connections to other nodes |
//! | `rounds` | what an operator watches |

mod args;
mod client;
mod forward;
mod others;
mod rounds;
mod route;

pub(crate) use args::ClusterArgs;

use self::rounds::Counts;
use crate::{args::Args, daemon::Failed, token};
use parking_lot::Mutex;
use std::{borrow::Cow, collections::BTreeSet, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use turnwise::manager::{NotOwned, Ownership};
use turnwise_cluster::{ClusterKey, Node, Settings};
use turnwise_etcd::Etcd;
use turnwise_process::BootTime;

/// Nodes that are listed.
const NODES: usize = 1000;

/// This node, among the others. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Cluster(Arc<Inner>);

struct Inner {
    node: Node<Arc<Etcd>>,
    etcd: Arc<Etcd>,
    name: Arc<str>,
    token: String,
    ttl: Duration,
    announcement: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
    trouble: Mutex<Option<String>>,
    /// Has a receiver for each message that is at another node.
    under_way: watch::Sender<()>,
    /// Whether answers of other nodes are not waited for any more.
    ended: watch::Sender<bool>,
    counts: Counts,
}

/// Another node that owns a session.
#[derive(Clone, Debug, PartialEq)]
struct Owner {
    /// No other process has this one.
    record: Arc<str>,
}

impl Owner {
    fn address(&self) -> &str {
        Settings::name_of(&self.record)
    }
}

/// The record of a node itself. No session has such a key: names have no line breaks.
struct Place(String);

impl ClusterKey for Place {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0.as_bytes())
    }
}

const PLACES: &str = "\n";

impl Cluster {
    /// This node, and where it listens for the others. `None` if this daemon is alone.
    pub(crate) async fn join(
        args: &Args,
    ) -> Result<Option<(Self, TcpListener, SocketAddr)>, Failed> {
        let args = &args.cluster;
        let Some(((endpoints, listen), file)) = args
            .endpoints()
            .zip(args.peer_listen)
            .zip(args.peer_token.as_ref())
        else {
            return Ok(None);
        };
        let token = token::read(file)?;
        let (listener, address) = crate::daemon::tcp(listen).await?;
        let etcd = Etcd::builder(&args.cluster_name, endpoints).connect().await;
        let etcd = Arc::new(etcd.map_err(|error| format!("cannot join the cluster: {error}"))?);
        for warning in etcd.warnings() {
            tracing::warn!("{warning}");
        }
        let name = address.to_string();
        let ttl = args.cluster_ttl;
        let settings = Settings::new(&name).time_to_live(ttl).margin(ttl / 5);
        let settings = settings.wait(ttl / 2);
        let engine = Arc::clone(&etcd);
        let node = match args.deadline() {
            None => Node::in_process(engine, settings),
            Some(deadline) => {
                let deadline = deadline.clone();
                Node::guarded(engine, settings, move || {
                    let (before, deadline) = (BootTime::now(), deadline.clone());
                    move |time| deadline.set(before + time)
                })
            }
        };
        let cluster = Self(Arc::new(Inner {
            node: node.map_err(|error| format!("cannot start a node of the cluster: {error}"))?,
            etcd,
            name: name.into(),
            token,
            ttl,
            announcement: Mutex::default(),
            trouble: Mutex::default(),
            under_way: watch::Sender::default(),
            ended: watch::Sender::default(),
            counts: Counts::default(),
        }));
        let (end, ends) = oneshot::channel();
        let task = tokio::spawn(cluster.clone().announce(ends));
        *cluster.0.announcement.lock() = Some((end, task));
        tokio::spawn(cluster.clone().look_around());
        Ok(Some((cluster, listener, address)))
    }

    /// Its address.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// By which nodes know each other.
    pub(crate) fn token(&self) -> &str {
        &self.0.token
    }

    pub(crate) fn ownership(&self) -> Arc<dyn Ownership<String>> {
        Arc::new(self.0.node.clone())
    }

    /// Awaits the shutdown, by which each session goes to whoever asks for it next; then this node is none any more.
    pub(crate) async fn leave<T>(&self, shutdown: impl Future<Output = T>) -> T {
        let inner = &self.0;
        let all = async {
            let report = shutdown.await;
            inner.ended.send_replace(true);
            let announcement = inner.announcement.lock().take();
            if let Some((end, task)) = announcement {
                drop(end);
                drop(task.await);
            }
            report
        };
        inner.node.leave(all).await
    }

    /// Resolves when other nodes have answered all messages that came here.
    pub(crate) async fn answered(&self) {
        self.0.under_way.closed().await;
    }

    /// Holds the record of this node, by which the others find it. It goes with the lease.
    async fn announce(self, mut ends: oneshot::Receiver<()>) {
        let Inner {
            node, name, ttl, ..
        } = &*self.0;
        let place = Place(format!("{PLACES}{name}"));
        let pause = *ttl / 10;
        loop {
            let acquired = tokio::select! {
                acquired = Ownership::acquire(node, &place) => acquired,
                _ = &mut ends => return,
            };
            let held = match acquired {
                Ok(held) => held,
                Err(why) => {
                    let why = match why {
                        NotOwned::Elsewhere(_) => {
                            "another process with the same --peer-listen has a lease; \
                             the lease of an earlier process ends by itself"
                                .into()
                        }
                        NotOwned::Unavailable(why) => why,
                        _ => "its record was refused".into(),
                    };
                    let why = format!("the record of this node cannot be written: {why}");
                    if self.0.trouble.lock().replace(why.clone()).is_none() {
                        tracing::warn!("{why}");
                    }
                    tokio::select! {
                        () = sleep(pause) => continue,
                        _ = &mut ends => return,
                    }
                }
            };
            if self.0.trouble.lock().take().is_some() {
                tracing::info!("this node has its record and a lease again");
            }
            while held.holds() {
                tokio::select! {
                    () = sleep(pause) => {}
                    _ = &mut ends => return Ownership::release(node, &place, held.number()),
                }
            }
            Ownership::release(node, &place, held.number());
            let why = "the lease of this node has ended, and its sessions were stopped";
            tracing::warn!("{why}");
            *self.0.trouble.lock() = Some(why.to_owned());
        }
    }

    /// What the operator should know.
    pub(crate) fn trouble(&self) -> Option<String> {
        let trouble = self.0.trouble.lock().clone();
        let none = || (!self.has_lease()).then(|| "this node has no lease".to_owned());
        trouble.or_else(none)
    }

    /// The node that owns a session, if it is not this one.
    async fn owner(&self, key: &str) -> Result<Option<Owner>, String> {
        let owner = self.asked(self.0.etcd.owner(key.as_bytes())).await?;
        let other = owner.filter(|record| **record != *self.0.node.owner());
        Ok(other.map(|record| Owner { record }))
    }

    /// The addresses of the other nodes.
    async fn nodes(&self) -> Result<BTreeSet<String>, String> {
        let places = self.0.etcd.owners(PLACES.as_bytes(), NODES);
        let names = self.asked(places).await?.into_iter();
        let names = names.map(|(_, record)| Settings::name_of(&record).to_owned());
        Ok(names.filter(|name| **name != *self.0.name).collect())
    }

    async fn asked<T>(&self, answer: impl Future<Output = io::Result<T>>) -> Result<T, String> {
        match timeout(self.0.ttl / 5, answer).await {
            Ok(answer) => answer.map_err(|error| format!("etcd does not answer: {error}")),
            Err(_) => Err("etcd did not answer in time".to_owned()),
        }
    }
}
