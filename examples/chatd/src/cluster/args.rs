//! The cluster's part of the command line.

use crate::args::{AgentKind, some_seconds};
use std::{net::SocketAddr, path::PathBuf, sync::OnceLock, time::Duration};
use turnwise_process::{BootTime, Guard, GuardDeadline};

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Beyond one machine")]
pub(crate) struct ClusterArgs {
    /// Shares sessions with other chatds through this etcd. Separate the URLs of several members by commas. No TLS.
    #[arg(
        long,
        value_name = "etcd=URL",
        value_parser = endpoints,
        requires_all = ["peer_listen", "peer_token"]
    )]
    cluster: Option<Endpoints>,
    /// The address where the other nodes reach this one. It is also the name of this node.
    #[arg(long, value_name = "ADDRESS", requires = "cluster")]
    pub(super) peer_listen: Option<SocketAddr>,
    /// A file with the token that all nodes share. It is read like --token-file.
    #[arg(long, value_name = "FILE", requires = "cluster")]
    pub(super) peer_token: Option<PathBuf>,
    /// The name of the cluster. Nodes share sessions if they have the same name and the same etcd.
    #[arg(
        long,
        value_name = "NAME",
        default_value = "chatd",
        requires = "cluster"
    )]
    pub(super) cluster_name: String,
    /// How long the sessions of a dead node stay blocked. A node that cannot reach etcd for four fifths of this time stops its sessions.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = some_seconds, requires = "cluster")]
    pub(super) cluster_ttl: Duration,
    /// When the processes of sessions are killed, unless the node moves it.
    #[arg(skip)]
    deadline: OnceLock<GuardDeadline>,
}

#[derive(Clone, Debug)]
pub(super) struct Endpoints(pub(super) Vec<String>);

fn endpoints(text: &str) -> Result<Endpoints, &'static str> {
    const FORM: &str = "write etcd= once, then URLs with commas between them, as in etcd=http://10.0.0.5:2379,http://10.0.0.6:2379";
    const TLS: &str = "chatd has no TLS for etcd: use a private network and http://, or connect to a local TLS tunnel such as stunnel, as in \
                       etcd=http://127.0.0.1:2379";
    let urls = text.strip_prefix("etcd=").ok_or(FORM)?;
    if urls.split(',').any(|url| url.starts_with("https://")) {
        return Err(TLS);
    }
    if urls.split(',').any(|url| !url.starts_with("http://")) {
        return Err(FORM);
    }
    let urls = urls
        .split(',')
        .map(|url| url.trim_end_matches('/').to_owned());
    Ok(Endpoints(urls.collect()))
}

impl ClusterArgs {
    pub(crate) fn is_set(&self) -> bool {
        self.cluster.is_some()
    }

    pub(super) fn endpoints(&self) -> Option<&[String]> {
        self.cluster.as_ref().map(|endpoints| &*endpoints.0)
    }

    /// What ends the processes of sessions: the end of this node's term.
    pub(crate) fn guard(&self) -> Option<Guard> {
        let deadline = || GuardDeadline::new(BootTime::now());
        self.is_set()
            .then(|| Guard::until(self.deadline.get_or_init(deadline)))
    }

    /// `None` if no session has a process.
    pub(super) fn deadline(&self) -> Option<&GuardDeadline> {
        self.deadline.get()
    }

    /// Why these sessions cannot be shared.
    pub(crate) fn check(&self, agent: AgentKind) -> Result<(), &'static str> {
        if !self.is_set() {
            return Ok(());
        }
        if !matches!(agent, AgentKind::Echo) && !cfg!(target_os = "linux") {
            return Err(
                "with --cluster, sessions that are processes need Linux: only there can a guard end them in time",
            );
        }
        if self.peer_listen.is_some_and(|at| at.ip().is_unspecified()) {
            return Err(
                "--peer-listen needs the address at which other nodes reach this one, not 0.0.0.0 or [::]",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etcd_with_tls_is_refused_with_what_to_do() {
        for text in ["etcd=https://a:2379", "etcd=http://a:2379,https://b:2379"] {
            let why = endpoints(text).expect_err("there is no TLS");
            assert!(why.contains("no TLS") && why.contains("tunnel"), "{why}");
        }
        assert!(endpoints("http://a:2379").is_err_and(|why| why.contains("write etcd=")));
        let urls = endpoints("etcd=http://a:2379/,http://b:2379").expect("they are plain");
        assert_eq!(urls.0, ["http://a:2379", "http://b:2379"]);
    }
}
