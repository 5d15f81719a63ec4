//! Connections to other nodes. Each request has its own, which ends with it: so the other node notices when nobody waits any more.

use super::Cluster;
use axum::body::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{AUTHORIZATION, HOST},
    http::request,
};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

/// For a node to accept a connection.
const CONNECT: Duration = Duration::from_secs(1);

/// For a node to answer that it is there.
const ALIVE: Duration = Duration::from_secs(1);

/// A connection. It is closed when this is dropped.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// A request was not answered.
pub(super) enum Failure {
    /// The node has certainly not received it.
    Unsent,
    /// It may have.
    Broken,
}

impl Connection {
    pub(super) async fn open(address: &str) -> Result<Self, String> {
        let failed =
            |why: &dyn std::fmt::Display| format!("the node {address} cannot be reached: {why}");
        let stream = timeout(CONNECT, TcpStream::connect(address)).await;
        let stream = stream.map_err(|_| failed(&"it does not accept connections"))?;
        let stream = stream.map_err(|error| failed(&error))?;
        // A part of an answer is not to wait for the next.
        stream.set_nodelay(true).map_err(|error| failed(&error))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failed(&error))?;
        let driver = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to another node ended badly");
            }
        });
        Ok(Self { sender, driver })
    }

    pub(super) async fn send(
        &mut self,
        cluster: &Cluster,
        address: &str,
        request: request::Builder,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        let request = request
            .header(HOST, address)
            .header(AUTHORIZATION, format!("Bearer {}", cluster.token()))
            .body(Full::new(body))
            .map_err(|_| Failure::Unsent)?;
        // After the answer before.
        self.sender.ready().await.map_err(|_| Failure::Unsent)?;
        let answer = self.sender.try_send_request(request).await;
        // It comes back if nothing of it was written.
        answer.map_err(|mut error| match error.take_message() {
            Some(_) => Failure::Unsent,
            None => Failure::Broken,
        })
    }

    /// Whether the node answers at all. One that is stopped has accepted the connection, and may answer later.
    pub(super) async fn is_alive(&mut self, cluster: &Cluster, address: &str) -> bool {
        let request = Request::head("/health");
        let answer = self.send(cluster, address, request, Bytes::new());
        matches!(timeout(ALIVE, answer).await, Ok(Ok(_)))
    }

    /// A `GET` without a body.
    pub(super) async fn get(
        &mut self,
        cluster: &Cluster,
        address: &str,
        path: &str,
    ) -> Result<Response<Incoming>, Failure> {
        let request = Request::get(path);
        self.send(cluster, address, request, Bytes::new()).await
    }
}
