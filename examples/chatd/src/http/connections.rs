//! Connections: how many there may be, and how long each may take for what it has to do.
//!
//! | a client | |
//! |---|---|
//! | that is one too many | is told so, and its connection closed |
//! | that sends no whole head of a request in time, first or next | has its connection closed |
//! | that sends no whole body in time | gets 408 (`input`) |
//! | that takes nothing of its answer for a while | has its connection closed |
//! | that closes its side, or half of it | is gone: what it waits for is cancelled |

use crate::limits;
use axum::{Router, serve::Listener};
use futures_util::{FutureExt, future::poll_fn};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{Semaphore, oneshot, watch},
    time::{Sleep, sleep},
};

/// Until it is ended, and all connections are.
pub(super) async fn serve(
    mut listener: impl Listener,
    router: Router,
    most: u32,
    mut ends: oneshot::Receiver<()>,
) {
    let places = Arc::new(Semaphore::new(most as usize));
    let (end, ended) = watch::channel(());
    loop {
        let io = tokio::select! {
            (io, _) = listener.accept() => io,
            _ = &mut ends => break,
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            refuse(io);
            continue;
        };
        let connection = connection(io, router.clone(), ended.clone());
        tokio::spawn(connection.map(|()| drop(place)));
    }
    drop(end);
    drop(places.acquire_many(most).await);
}

/// So many at a time as are given, but never more than half of the files that the process may have: agents need some too. A node of a
/// cluster has two doors, and a request that goes to another node takes two connections. So each door has a sixth.
pub(crate) fn most(given: u32, is_node: bool) -> u32 {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        let files = getrlimit(Resource::Nofile).current;
        let share = if is_node { 6 } else { 2 };
        let share = files.map_or(u32::MAX, |files| {
            u32::try_from(files / share).unwrap_or(u32::MAX)
        });
        given.min(share).max(1)
    }
    #[cfg(not(unix))]
    {
        let _ = is_node;
        given
    }
}

/// Tries once to say why: whoever does not read that is not waited for.
fn refuse(mut io: impl AsyncWrite + Unpin) {
    const BODY: &str = r#"{"error":"too_many","message":"too many connections"}"#;
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let write = poll_fn(|cx| Pin::new(&mut io).poll_write(cx, answer.as_bytes()));
    drop(write.now_or_never());
}

async fn connection(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    mut ends: watch::Receiver<()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits::HEAD_TIME)
        .max_buf_size(limits::HEAD);
    let io = TokioIo::new(Patient { io, waits: None });
    let mut connection = pin!(http.serve_connection(io, TowerToHyperService::new(router)));
    let over = tokio::select! {
        over = connection.as_mut() => over,
        _ = ends.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = over {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// Fails a write that has waited too long for its reader.
struct Patient<I> {
    io: I,
    /// Since a write has begun to wait.
    waits: Option<Pin<Box<Sleep>>>,
}

impl<I> Patient<I> {
    fn unless_late<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waits = None;
            return written;
        }
        let waits = self
            .waits
            .get_or_insert_with(|| Box::pin(sleep(limits::WRITE_TIME)));
        waits
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patient<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patient<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.unless_late(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bytes);
        self.unless_late(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.unless_late(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.unless_late(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{body::Bytes, routing::get};
    use futures_util::stream;
    use std::{convert::Infallible, time::Duration};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        task::JoinHandle,
        time::{Instant, timeout},
    };

    /// A connection to a page that has no end.
    fn connect() -> (DuplexStream, JoinHandle<()>, watch::Sender<()>) {
        let more = || stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b'x'; 4096])));
        let endless = get(move || async move { axum::body::Body::from_stream(more()) });
        let (client, server) = duplex(8192);
        let (end, ends) = watch::channel(());
        let router = Router::new()
            .route("/", get(|| async { "hello" }))
            .route("/endless", endless);
        (client, tokio::spawn(connection(server, router, ends)), end)
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_a_byte_a_second_is_not_waited_for() {
        let began = Instant::now();
        let (mut client, served, _end) = connect();
        for byte in b"GET / HTTP/1.1\r\nhost: localhost\r\nx: "
            .iter()
            .chain([b'x'; 99].iter())
        {
            if client.write_all(&[*byte]).await.is_err() {
                break;
            }
            sleep(Duration::from_secs(1)).await;
        }
        served.await.expect("it does not panic");
        assert!(
            began.elapsed() < 2 * limits::HEAD_TIME,
            "{:?}",
            began.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_rests_is_closed() {
        let (mut client, served, _end) = connect();
        client
            .write_all(b"GET / HTTP/1.1\r\n\r\n")
            .await
            .expect("it is read");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("it ends");
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"),
            "{answer}"
        );
        served.await.expect("it does not panic");
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_reads_is_given_up() {
        let began = Instant::now();
        let (mut client, served, _end) = connect();
        client
            .write_all(b"GET /endless HTTP/1.1\r\n\r\n")
            .await
            .expect("it is read");
        served.await.expect("it does not panic");
        assert_eq!(began.elapsed().as_secs(), limits::WRITE_TIME.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_read_slowly_goes_on() {
        let (mut client, served, end) = connect();
        client
            .write_all(b"GET /endless HTTP/1.1\r\n\r\n")
            .await
            .expect("it is read");
        for _ in 0..10 {
            sleep(limits::WRITE_TIME / 2).await;
            client
                .read_exact(&mut [0; 8192])
                .await
                .expect("there is more");
        }
        assert!(!served.is_finished());
        // To the end of the daemon.
        drop(end);
        drop(client);
        timeout(limits::WRITE_TIME, served)
            .await
            .expect("it ends")
            .expect("it does not panic");
    }
}
