//! Connections to the members of an etcd cluster.

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::{fmt, io, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

/// Bytes of an answer. A batch of 100 keys is answered by some 200 KB; what an endpoint sends that is no etcd has no other bound.
const LONGEST: usize = 16 << 20;

/// The members, and how to connect to one.
pub(crate) struct Members {
    pub(crate) list: Vec<Member>,
    pub(crate) connect: Duration,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tokio_rustls::TlsConnector>,
}

#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) url: String,
    #[cfg(feature = "tls")]
    secure: bool,
    host: String,
    port: u16,
}

impl Member {
    pub(crate) fn new(url: &str) -> io::Result<Self> {
        let wrong =
            |words: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{url}: {words}"));
        let uri: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") if cfg!(feature = "tls") => {}
            Some("https") => return Err(wrong("https needs the feature `tls` of turnwise-etcd")),
            _ => return Err(wrong("an endpoint begins with http:// or https://")),
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("it names no host"))?.to_owned();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if uri.path() != "/" || uri.query().is_some() || authority.contains('@') {
            return Err(wrong("an endpoint is a host and a port, and nothing else"));
        }
        Ok(Self {
            url: url.to_owned(),
            #[cfg(feature = "tls")]
            secure: uri.scheme_str() == Some("https"),
            host,
            port: uri.port_u16().unwrap_or(2379),
        })
    }

    #[cfg(feature = "tls")]
    pub(crate) fn is_secure(&self) -> bool {
        self.secure
    }
}

/// Requests that share connections. After a failure, or when a request is dropped, the next one goes to another member.
#[derive(Default)]
pub(crate) struct Lane(Mutex<State>);

#[derive(Default)]
struct State {
    at: usize,
    idle: Vec<(usize, Sender)>,
}

type Sender = SendRequest<Full<Bytes>>;

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}

/// A request under way. Unless it is [kept](Self::keep), the lane leaves its member.
pub(crate) struct Visit<'a> {
    lane: &'a Lane,
    members: usize,
    at: usize,
    kept: bool,
}

impl Visit<'_> {
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        let mut state = self.lane.0.lock();
        if !self.kept && state.at == self.at {
            state.at = (self.at + 1) % self.members;
            state.idle.clear();
        }
    }
}

impl Lane {
    pub(crate) fn begins_at(at: usize) -> Self {
        let idle = Vec::new();
        Self(Mutex::new(State { at, idle }))
    }

    /// An idle connection to the member that is next.
    fn take(&self) -> (usize, Option<Sender>) {
        let mut state = self.0.lock();
        let at = state.at;
        state
            .idle
            .retain(|(of, sender)| *of == at && !sender.is_closed());
        (at, state.idle.pop().map(|(_, sender)| sender))
    }

    /// Sends one request. It is sent again only if it has certainly not been sent.
    pub(crate) async fn send<'a>(
        &'a self,
        members: &Members,
        path: &str,
        body: Option<&Bytes>,
        token: Option<&str>,
    ) -> Result<(StatusCode, Bytes, Visit<'a>), String> {
        let mut refused = Vec::new();
        loop {
            let (at, idle) = self.take();
            let visit = Visit {
                lane: self,
                members: members.list.len(),
                at,
                kept: false,
            };
            let member = &members.list[at];
            let words = |words: &dyn fmt::Display| format!("{}: {words}", member.url);
            let fresh = idle.is_none();
            let mut sender = match idle {
                Some(sender) => sender,
                None => match members.connection(member).await {
                    Ok(sender) => sender,
                    Err(e) => {
                        refused.push(words(&e));
                        if refused.len() >= members.list.len() {
                            return Err(refused.join(", "));
                        }
                        continue;
                    }
                },
            };
            if !fresh && sender.ready().await.is_err() {
                visit.keep();
                continue;
            }
            let request = member.request(path, body, token).map_err(|e| words(&e))?;
            let response = match sender.try_send_request(request).await {
                Ok(response) => response,
                Err(mut e) => {
                    let unsent = e.take_message().is_some();
                    if !unsent || fresh {
                        return Err(words(&e.into_error()));
                    }
                    // The connection was closed while it was idle.
                    visit.keep();
                    continue;
                }
            };
            let status = response.status();
            let body = Limited::new(response.into_body(), LONGEST).collect().await;
            let body = body.map_err(|e| words(&e))?.to_bytes();
            if !status.is_server_error() {
                self.0.lock().idle.push((at, sender));
            }
            return Ok((status, body, visit));
        }
    }
}

impl Member {
    fn request(
        &self,
        path: &str,
        body: Option<&Bytes>,
        token: Option<&str>,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let host = format!("{}:{}", self.host, self.port);
        let method = if body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, token);
        }
        request.body(Full::new(body.cloned().unwrap_or_default()))
    }
}

impl Members {
    /// One of them alone.
    pub(crate) fn only(&self, at: usize) -> Self {
        Self {
            list: vec![self.list[at].clone()],
            connect: self.connect,
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
        }
    }

    async fn connection(&self, member: &Member) -> io::Result<Sender> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no connection in time");
        timeout(self.connect, self.open(member))
            .await
            .map_err(late)?
    }

    async fn open(&self, member: &Member) -> io::Result<Sender> {
        // A URL has an IPv6 address in brackets.
        let host = member.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, member.port)).await?;
        stream.set_nodelay(true)?;
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.as_ref().filter(|_| member.secure) {
            let name = tokio_rustls::rustls::pki_types::ServerName::try_from(host.to_owned());
            let name = name.map_err(io::Error::other)?;
            return handshake(tls.connect(name, stream).await?).await;
        }
        handshake(stream).await
    }
}

/// The connection is driven by a task of its own, which ends with it.
async fn handshake<S>(stream: S) -> io::Result<Sender>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken: (Sender, _) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let (sender, connection) = shaken;
    let drive = async move { drop(connection.await) };
    drop(tokio::spawn(drive));
    Ok(sender)
}
