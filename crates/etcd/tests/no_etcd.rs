//! Endpoints that are not an etcd.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};
use turnwise_etcd::Etcd;

// The connection is closed by a task, beside this test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_an_end_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it connects");
        let _ = stream.read(&mut [0; 4096]).expect("it asks");
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9000000000000\r\n\r\n";
        let mut written = 0;
        let mut part = &head[..];
        // Until the client closes the connection.
        while let Ok(count @ 1..) = stream.write(part) {
            written += count;
            part = &[b' '; 1 << 16];
        }
        written
    });
    let etcd = Etcd::builder("c", [format!("http://{address}")]);
    let etcd = etcd
        .connect_timeout(Duration::from_secs(25))
        .connect()
        .await;
    let words = etcd.expect_err("it is not an etcd").to_string();
    assert!(words.contains("length limit exceeded"), "{words}");
    // What the client has read, and the buffers of the sockets.
    let written = server.join().expect("it does not panic");
    assert!(written < 64 << 20, "{written} bytes were taken");
}

/// The error names the endpoint once, and shows what came instead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_server_is_named_with_its_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("it connects");
        let _ = stream.read(&mut [0; 4096]).expect("it asks");
        let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\nno page\r\n";
        stream.write_all(answer).expect("the client reads");
    });
    let url = format!("http://{address}");
    let etcd = Etcd::builder("c", [&url]).connect().await;
    let words = etcd.expect_err("it is not an etcd").to_string();
    assert_eq!(words, format!("{url} does not answer as an etcd: no page"));
    server.join().expect("it does not panic");
    // Nobody listens there any more.
    let etcd = Etcd::builder("c", [&url]).connect().await;
    let words = etcd.expect_err("nobody listens").to_string();
    assert!(words.contains("refused"), "{words}");
    assert_eq!(words.matches(&url).count(), 1, "{words}");
}
