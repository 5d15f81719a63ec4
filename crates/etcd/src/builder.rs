//! The settings of a connection to etcd.

#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::{
    etcd::Etcd,
    inner::Inner,
    link::{Lane, Member, Members},
    wire,
};
use data_encoding::BASE64;
use std::{fmt, io, time::Duration};

/// Settings of an [`Etcd`]. [`Etcd::builder`] returns it, and [`connect`](Self::connect) makes the engine.
#[must_use = "it connects when `connect` is called"]
pub struct EtcdBuilder {
    cluster: String,
    endpoints: Vec<String>,
    prefix: String,
    user: Option<(String, String)>,
    connect: Duration,
    long: Duration,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
}

impl fmt::Debug for EtcdBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EtcdBuilder")
            .field("cluster", &self.cluster)
            .field("endpoints", &self.endpoints)
            .field("prefix", &self.prefix)
            .field("user", &self.user.as_ref().map(|(name, _)| name))
            .finish_non_exhaustive()
    }
}

impl Etcd {
    /// Returns a builder for an etcd cluster whose members have these client URLs. If a member does not answer, the next one is used. Nodes with
    /// the same `cluster` share their keys. The name of a cluster must not contain `/`.
    pub fn builder<I>(cluster: impl Into<String>, endpoints: I) -> EtcdBuilder
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let endpoints = endpoints.into_iter().map(Into::into);
        EtcdBuilder {
            cluster: cluster.into(),
            endpoints: endpoints.collect(),
            prefix: "turnwise/".to_owned(),
            user: None,
            connect: Duration::from_secs(1),
            // Heartbeats decide when a node is dead, and this cleans up after the last one.
            long: Duration::from_secs(86_400),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl EtcdBuilder {
    /// Sets the first part of the names of all records. Default: `turnwise/`. The record of a key is `PREFIX CLUSTER /k/ KEY`, without the spaces.
    pub fn prefix(self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        Self { prefix, ..self }
    }

    /// Sets the user of etcd. Its role needs `readwrite` on all keys that begin with the prefix, the cluster's name and `/`.
    ///
    /// When etcd no longer accepts the token that it gave for this user, a new one is requested.
    pub fn user(self, name: impl Into<String>, password: impl Into<String>) -> Self {
        let user = Some((name.into(), password.into()));
        Self { user, ..self }
    }

    /// Sets the certificates for `https` endpoints.
    #[cfg(feature = "tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
    pub fn tls(self, tls: Tls) -> Self {
        let tls = Some(tls);
        Self { tls, ..self }
    }

    /// Limits the time to connect to one member, TLS included. Then the next member is tried. Default: 1 s.
    pub fn connect_timeout(self, connect: Duration) -> Self {
        Self { connect, ..self }
    }

    /// For tests. Sets how long etcd keeps a lease that nobody prolongs: a day.
    #[doc(hidden)]
    pub fn etcd_keeps(self, long: Duration) -> Self {
        Self { long, ..self }
    }

    /// Returns the engine. Before that, it requests the version of each member, and checks that the keys can be read.
    ///
    /// The connections that the engine uses are made later, by its node, on the node's own thread.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if a setting is wrong. Another error if no member answers, the cluster has no leader for 10 s, an
    /// etcd is older than 3.4, or etcd refuses the user.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn connect(self) -> io::Result<Etcd> {
        let wrong = |words: &str| io::Error::new(io::ErrorKind::InvalidInput, words);
        if self.cluster.is_empty() || self.cluster.contains('/') {
            return Err(wrong("a cluster's name is not empty, and has no `/` in it"));
        }
        let root = format!("{}{}/", self.prefix, self.cluster);
        if root.len() > 256 {
            return Err(wrong("prefix and cluster's name have more than 255 bytes"));
        }
        let list: io::Result<Vec<_>> = self.endpoints.iter().map(|url| Member::new(url)).collect();
        let members = Members {
            list: list?,
            connect: self.connect,
            #[cfg(feature = "tls")]
            tls: self.tls.as_ref().map(Tls::connector).transpose()?,
        };
        if members.list.is_empty() {
            return Err(wrong("there is no endpoint"));
        }
        #[cfg(feature = "tls")]
        if members.tls.is_none() && members.list.iter().any(Member::is_secure) {
            return Err(wrong("https needs `EtcdBuilder::tls`"));
        }
        let mut etcd = Etcd::new(Inner::new(members, root, self.user, self.long));
        etcd.warnings = versions(&etcd.inner.members).await?;
        // Not by a lane of the engine: its connections live on another thread.
        let lane = Lane::default();
        let key = BASE64.encode(etcd.inner.root.as_bytes());
        let body = format!(r#"{{"key":"{key}","keys_only":true}}"#);
        let asked = etcd.inner.call(&lane, "/v3/kv/range", body);
        let late = || io::Error::new(io::ErrorKind::TimedOut, "etcd has no leader");
        let limit = Duration::from_secs(10);
        let answer = tokio::time::timeout(limit, asked).await;
        answer.map_err(|_| late())?.map_err(io::Error::other)?;
        Ok(etcd)
    }
}

/// Warnings about the members.
async fn versions(members: &Members) -> io::Result<Vec<String>> {
    let mut warnings = Vec::new();
    let mut answered = false;
    for at in 0..members.list.len() {
        let url = &members.list[at].url;
        match version(members, at).await {
            Ok(version) => {
                answered = true;
                let warning = wire::warning(&version).map_err(io::Error::other)?;
                warnings.extend(warning.map(|words| format!("{url}: {words}")));
            }
            Err(words) => warnings.push(format!("{url} does not answer as an etcd: {words}")),
        }
    }
    match answered {
        true => Ok(warnings),
        false => Err(io::Error::other(warnings.join("; "))),
    }
}

async fn version(members: &Members, at: usize) -> Result<String, String> {
    let (lane, member) = (Lane::default(), members.only(at));
    let asked = lane.send(&member, "/version", None, None);
    let answer = tokio::time::timeout(members.connect * 2, asked).await;
    let answer = answer.unwrap_or_else(|_| Err("no answer in time".to_owned()));
    // Its caller names the member.
    let named = format!("{}: ", member.list[0].url);
    let (_, text, _) = answer.map_err(|words| words.replace(&named, ""))?;
    let answer = wire::unwrapped(&text)?;
    let version = answer["etcdserver"].as_str();
    version
        .map(str::to_owned)
        .ok_or_else(|| "its answer names no version".to_owned())
}
