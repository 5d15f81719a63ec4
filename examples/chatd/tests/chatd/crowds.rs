//! Clients that are many, slow, or gone half-way.

use crate::{client::*, daemon::*};
use serde_json::Value;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

async fn connect(daemon: &Daemon) -> TcpStream {
    TcpStream::connect(daemon.address)
        .await
        .expect("the daemon listens")
}

fn head(daemon: &Daemon, line: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: {}\r\n", daemon.address)
}

/// All that comes until the connection is closed; `None` if it is not.
async fn rest(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut text)).await;
    // However it is closed.
    drop(read.ok()?);
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// Each byte is followed by a second in which the connection may be closed.
#[tokio::test]
async fn slow_request_heads_time_out() {
    let daemon = Daemon::start(&[]).await;
    let mut slow = connect(&daemon).await;
    let trickle = async {
        let head = head(&daemon, "GET /health");
        for byte in head.bytes().chain([b'x'; 60]).take(60) {
            if slow.write_all(&[byte]).await.is_err() {
                return true;
            }
            let mut answer = [0; 64];
            let closed = timeout(Duration::from_secs(1), slow.read(&mut answer)).await;
            if closed.is_ok() {
                return true;
            }
        }
        false
    };
    let mut silent = connect(&daemon).await;
    let mut rests = connect(&daemon).await;
    let whole = head(&daemon, "GET /health") + "\r\n";
    rests.write_all(whole.as_bytes()).await.expect("it is read");
    let mut body = connect(&daemon).await;
    let begun = head(&daemon, "POST /sessions/a/messages")
        + "content-type: application/json\r\ncontent-length: 20\r\n\r\n{";
    body.write_all(begun.as_bytes()).await.expect("it is read");
    let (trickled, silent, rests, body) = tokio::join!(
        trickle,
        rest(&mut silent),
        rest(&mut rests),
        rest(&mut body)
    );
    assert!(
        trickled,
        "after 60 bytes and a minute the connection is open"
    );
    assert_eq!(silent.as_deref(), Some(""));
    assert!(rests.is_some_and(|text| text.starts_with("HTTP/1.1 200")));
    let body = body.expect("it is closed");
    assert!(
        body.starts_with("HTTP/1.1 408") && body.contains("slow_body"),
        "{body}"
    );
    assert_eq!(daemon.get("/health").answer().await.0, 200);
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let daemon = Daemon::start(&["--max-connections", "2"]).await;
    let first = connect(&daemon).await;
    let mut feed = daemon.feed().await;
    feed.next().await.expect("an event");
    let mut third = connect(&daemon).await;
    let answer = rest(&mut third).await.expect("it is closed");
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("too_many"),
        "{answer}"
    );
    drop(first);
    // Its place is free as soon as the daemon has seen that.
    let ask = head(&daemon, "GET /health") + "connection: close\r\n\r\n";
    let served = async {
        loop {
            let mut next = connect(&daemon).await;
            drop(next.write_all(ask.as_bytes()).await);
            if rest(&mut next)
                .await
                .is_some_and(|text| text.starts_with("HTTP/1.1 200"))
            {
                return;
            }
        }
    };
    timeout(PATIENCE, served)
        .await
        .expect("there is room again");
}

#[tokio::test]
async fn many_readers_see_what_one_sees() {
    let daemon = Daemon::start(&[]).await;
    let mut feeds = Vec::new();
    for _ in 0..100 {
        feeds.push(daemon.feed().await);
    }
    let held = daemon.say("a", "!hold").later();
    for feed in &mut feeds {
        feed.until("a", |session| session["note"].is_string()).await;
    }
    // Who comes later sees what is so, and nothing older.
    let (_, first) = daemon.feed().await.next().await.expect("an event");
    assert!(busy(0)(&first["sessions"][0]), "{first}");
    assert_eq!(daemon.ask("DELETE", "/sessions/a").answer().await.0, 200);
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
    for feed in &mut feeds {
        feed.until("a", Value::is_null).await;
    }
    daemon.signal("TERM").await;
    for feed in &mut feeds {
        while feed.next().await.is_some() {}
    }
    assert_eq!(daemon.ends_unread().await, Some(0));
}

/// It cannot be told from one that is gone.
#[tokio::test]
async fn a_client_that_closes_half_is_gone() {
    let daemon = Daemon::start(&[]).await;
    let mut feed = daemon.feed().await;
    let mut half = connect(&daemon).await;
    let body = r#"{"message": "!hold"}"#;
    let ask = head(&daemon, "POST /sessions/a/messages");
    let ask = format!(
        "{ask}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    half.write_all(ask.as_bytes()).await.expect("it is read");
    feed.until("a", |session| session["note"].is_string()).await;
    half.shutdown().await.expect("it can be closed");
    feed.until("a", |session| {
        session["phase"] == "idle"
            && session["last"]["error"] == "the client went away before the answer was complete"
    })
    .await;
    assert_eq!(rest(&mut half).await.as_deref(), Some(""));
}
