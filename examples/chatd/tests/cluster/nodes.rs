//! A cluster of daemons.

use crate::daemon::{Daemon, command};
use etcd_tests::{Servers, VERSIONS, free_port};
use http_body_util::BodyExt;
use processes::{Folder, state, within};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

pub(crate) const TOKEN: &str = "the-token-of-the-nodes";

/// Sessions that are shells.
pub(crate) const SHELL: [&str; 6] = [
    "--agent",
    "repl",
    "--repl-command",
    "sh",
    "--repl-end",
    "echo {}",
];

pub(crate) struct Nodes {
    pub(crate) etcd: Servers,
    token: PathBuf,
    ttl: &'static str,
    nodes: Vec<Daemon>,
    names: Vec<String>,
    pub(crate) folder: Folder,
}

impl Nodes {
    /// So many, with the same arguments. A node that is dead keeps its sessions from others for so many seconds.
    pub(crate) async fn start(count: usize, ttl: &'static str, args: &[&str]) -> Self {
        Self::start_with(count, ttl, args, &[]).await
    }

    /// With these variables in their environment.
    pub(crate) async fn start_with(
        count: usize,
        ttl: &'static str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = Folder::new();
        let token = folder.join("token");
        fs::write(&token, TOKEN).expect("it can be written");
        let mode = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&token, mode).expect("it is ours");
        let mut nodes = Self {
            etcd: Servers::start(VERSIONS[0], 1, &[]).await,
            token,
            ttl,
            nodes: Vec::new(),
            names: Vec::new(),
            folder,
        };
        for _ in 0..count {
            nodes.add(args, variables).await;
        }
        nodes
    }

    async fn add(&mut self, args: &[&str], variables: &[(&str, &str)]) {
        let name = format!("127.0.0.1:{}", free_port());
        let etcd = format!("etcd={}", self.etcd.url(0));
        let token = self.token.to_str().expect("it is text");
        let cluster = [
            ["--cluster", &etcd],
            ["--peer-listen", &name],
            ["--peer-token", token],
            ["--cluster-ttl", self.ttl],
        ];
        let quick: &[&str] = match args.contains(&"--delay") {
            true => &[],
            false => &["--delay", "0"],
        };
        let mut command = command(&[cluster.as_flattened(), args, quick].concat());
        let log = fs::File::options()
            .append(true)
            .create(true)
            .open(self.folder.join("log"))
            .expect("it can be written");
        command.env("CHATD_LOG", "warn,chatd=info").stderr(log);
        command.envs(variables.iter().copied());
        self.nodes.push(Daemon::spawn(command).await);
        self.names.push(name);
    }

    pub(crate) fn take(&mut self, at: usize) -> Daemon {
        self.names.remove(at);
        self.nodes.remove(at)
    }

    /// Where others reach it.
    pub(crate) fn name(&self, at: usize) -> &str {
        &self.names[at]
    }

    /// Stops it, until SIGCONT. Its threads stop one after the other, and the last one might still answer.
    pub(crate) async fn stop(&self, at: usize) {
        self[at].signal("STOP").await;
        let id = self[at].id();
        let is_stopped = || {
            let threads = fs::read_dir(format!("/proc/{id}/task")).expect("it is there");
            let mut threads = threads.flatten().map(|thread| thread.file_name());
            threads
                .all(|thread| state(format!("{id}/task/{}", thread.to_string_lossy())) == Some('T'))
        };
        within(async {
            while !is_stopped() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// By which node a session is shown, on any.
    pub(crate) fn holder(&self, session: &Value) -> usize {
        let at = self.names.iter().position(|name| session["node"] == **name);
        at.unwrap_or_else(|| panic!("of no node: {session}"))
    }

    /// What all nodes have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// A metric of a node. Only metrics without labels.
    pub(crate) async fn metric(&self, at: usize, name: &str) -> u64 {
        let response = self[at].get("/metrics").response().await;
        let body = response.into_body().collect().await.expect("a body");
        let text = String::from_utf8(body.to_bytes().to_vec()).expect("text");
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(metric, _)| *metric == name);
        let (_, value) = found.unwrap_or_else(|| panic!("no {name}: {text}"));
        value.parse().expect("a whole number")
    }

    pub(crate) async fn metric_becomes(&self, at: usize, name: &str, value: u64) {
        within(async { while self.metric(at, name).await != value {} }).await;
    }

    /// The reply to a message at a node.
    pub(crate) async fn said(&self, at: usize, key: &str, message: &str) -> String {
        let (status, body) = self[at].say(key, message).answer().await;
        assert_eq!(status, 200, "{body}");
        body["reply"].as_str().expect("it is text").to_owned()
    }
}

/// The log helps to understand a failure.
impl Drop for Nodes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

impl std::ops::Index<usize> for Nodes {
    type Output = Daemon;

    fn index(&self, at: usize) -> &Daemon {
        &self.nodes[at]
    }
}
