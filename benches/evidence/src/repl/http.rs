//! Requests, each on a connection of its own, so that a client can go away in the middle of one.

use std::{io, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// An answer: its status and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Such as 200.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// A request that was sent. A drop closes its connection.
#[must_use = "a drop closes the connection"]
pub struct Request(TcpStream);

impl Request {
    /// Sends a request.
    ///
    /// # Errors
    ///
    /// Those of the connection.
    pub async fn send(
        server: SocketAddr,
        method: &str,
        path: &str,
        body: &str,
    ) -> io::Result<Self> {
        let mut stream = TcpStream::connect(server).await?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: repl\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        Ok(Self(stream))
    }

    /// Waits for the answer.
    ///
    /// # Errors
    ///
    /// Those of the connection; the answer is not one of HTTP.
    pub async fn answer(mut self) -> io::Result<Answer> {
        let mut text = String::new();
        self.0.read_to_string(&mut text).await?;
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok(Answer {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            body: body.to_owned(),
        })
    }
}
