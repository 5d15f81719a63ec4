//! etcd, one member or three.

use crate::{Family, Proxy, free_port, until};
use processes::{Folder, installed};
use serde_json::Value;
use std::{
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A version of etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(&'static str);

/// Those that `just etcd` fetches, the newest first.
pub const VERSIONS: [Version; 2] = [Version("3.5.16"), Version("3.4.23")];

impl Version {
    /// Its number.
    pub fn number(self) -> &'static str {
        self.0
    }

    fn program(self) -> PathBuf {
        installed(&format!("etcd/{}/etcd", self.0))
    }
}
/// Members of one etcd cluster. They end, and their data goes, when this is dropped.
#[derive(Debug)]
pub struct Servers {
    version: Version,
    root: Folder,
    flags: Vec<String>,
    secure: bool,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    client: u16,
    /// Where it listens for the others, which reach it through the proxy.
    peer: u16,
    proxy: Proxy,
    process: Option<Family>,
}

impl Servers {
    /// Starts so many members with additional flags, and waits until they answer. With `https` in a flag, the caller waits.
    pub async fn start(version: Version, count: usize, flags: &[&str]) -> Self {
        let mut members = Vec::new();
        for _ in 0..count {
            let peer = free_port();
            members.push(Member {
                client: free_port(),
                peer,
                proxy: Proxy::start(peer).await,
                process: None,
            });
        }
        let mut servers = Self {
            version,
            root: Folder::new(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            secure: flags.iter().any(|flag| flag.starts_with("--cert-file")),
            members,
        };
        for at in 0..count {
            servers.run(at);
        }
        servers.answer().await;
        servers
    }

    /// Waits until all members that run answer.
    pub async fn answer(&self) {
        for member in self
            .members
            .iter()
            .filter(|member| member.process.is_some())
        {
            let client = member.client;
            until("etcd answers", || async move {
                match self.secure {
                    true => TcpStream::connect(("127.0.0.1", client))
                        .await
                        .ok()
                        .map(drop),
                    false => get(client, "/health")
                        .await
                        .filter(|text| text["health"] == "true")
                        .map(drop),
                }
            })
            .await;
        }
    }

    fn run(&mut self, at: usize) {
        let scheme = if self.secure { "https" } else { "http" };
        let url = |scheme: &str, port: u16| format!("{scheme}://127.0.0.1:{port}");
        let all = self.members.iter().enumerate();
        let all: Vec<_> = all
            .map(|(at, member)| format!("m{at}={}", url("http", member.proxy.port())))
            .collect();
        let member = &self.members[at];
        let client = url(scheme, member.client);
        let data = self.root.join(&format!("m{at}"));
        let program = self.version.program();
        let mut command = vec![program.display().to_string()];
        for (flag, value) in [
            ("name", format!("m{at}")),
            ("data-dir", data.display().to_string()),
            ("listen-client-urls", client.clone()),
            ("advertise-client-urls", client),
            ("listen-peer-urls", url("http", member.peer)),
            (
                "initial-advertise-peer-urls",
                url("http", member.proxy.port()),
            ),
            ("initial-cluster", all.join(",")),
            ("log-level", "warn".to_owned()),
        ] {
            command.push(format!("--{flag}={value}"));
        }
        command.extend(self.flags.iter().cloned());
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.root.join(&format!("m{at}.log")));
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let process = Family::start(&command, Stdio::from(log.expect("a log")));
        self.members[at].process = Some(process);
    }

    /// Its client URL.
    pub fn url(&self, at: usize) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.members[at].client)
    }

    /// All of them.
    pub fn urls(&self) -> Vec<String> {
        (0..self.members.len()).map(|at| self.url(at)).collect()
    }

    /// Where a member listens for clients.
    pub fn port(&self, at: usize) -> u16 {
        self.members[at].client
    }

    /// Its process.
    ///
    /// # Panics
    ///
    /// If it has been killed.
    pub fn process(&self, at: usize) -> &Family {
        let process = self.members[at].process.as_ref();
        process.expect("it runs")
    }

    /// kill -9.
    pub fn kill(&mut self, at: usize) {
        self.members[at].process = None;
    }

    /// Starts a killed one again, on its data.
    pub fn restart(&mut self, at: usize) {
        self.run(at);
    }

    /// The member that the others follow.
    pub async fn leader(&self) -> usize {
        until("there is a leader", || async {
            for (at, member) in self.members.iter().enumerate() {
                let status = post(member.client, "/v3/maintenance/status", "{}").await;
                let Some(status) = status else { continue };
                if status["leader"].is_string() && status["leader"] == status["header"]["member_id"]
                {
                    return Some(at);
                }
            }
            None
        })
        .await
    }

    /// Cuts one member off from the others, in both directions, or joins it again. Clients still reach it.
    pub async fn cut(&self, at: usize, cut: bool) {
        let client = self.members[at].client;
        let id = until("a member answers", || async move {
            let status = post(client, "/v3/maintenance/status", "{}").await?;
            status["header"]["member_id"].as_str()?.parse::<u64>().ok()
        })
        .await;
        for (place, member) in self.members.iter().enumerate() {
            match place == at {
                true => member.proxy.cut_all(cut),
                false => member.proxy.cut_from(cut.then_some(id)),
            }
        }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.process = None;
        }
        if std::thread::panicking() {
            for at in 0..self.members.len() {
                let log =
                    fs::read_to_string(self.root.join(&format!("m{at}.log"))).unwrap_or_default();
                for line in log.lines().rev().take(5) {
                    eprintln!("m{at}: {}", line.get(..300).unwrap_or(line));
                }
            }
        }
    }
}

async fn get(port: u16, path: &str) -> Option<Value> {
    http(port, &format!("GET {path} HTTP/1.0\r\n\r\n")).await
}

/// One request of etcd's gateway, without a client. `None` without an answer in JSON.
pub async fn post(port: u16, path: &str, body: &str) -> Option<Value> {
    let length = body.len();
    let head = format!("POST {path} HTTP/1.0\r\nContent-Length: {length}");
    http(port, &format!("{head}\r\n\r\n{body}")).await
}

/// The same, with a token.
pub async fn post_as(port: u16, token: &str, path: &str, body: &str) -> Option<Value> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.0\r\nAuthorization: {token}\r\nContent-Length: {length}");
    http(port, &format!("{head}\r\n\r\n{body}")).await
}

async fn http(port: u16, request: &str) -> Option<Value> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await.ok()?;
        serde_json::from_str(text.split_once("\r\n\r\n")?.1).ok()
    };
    let limit = std::time::Duration::from_secs(1);
    tokio::time::timeout(limit, exchange).await.ok()?
}
