//! A Unix socket as the place where HTTP is served: for those alone who may open it.

use crate::daemon::{Daemon, PATIENCE, command};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};

fn empty(name: &str) -> PathBuf {
    let folder = format!("chatd-socket-{name}-{}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

async fn health(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).await.expect("it listens");
    let ask = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(ask).await.expect("it reads");
    let mut answer = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut answer)).await;
    read.expect("an answer comes").expect("text");
    answer
}

/// What it prints when it does not start.
async fn refused(path: &Path) -> String {
    let mut command = command(&["--listen-unix"]);
    let ended = command
        .arg(path)
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    let ended = timeout(PATIENCE, ended.output()).await.expect("it ends");
    let ended = ended.expect("it runs");
    assert_eq!(ended.status.code(), Some(1));
    String::from_utf8(ended.stderr).expect("text")
}

#[tokio::test]
async fn a_socket_is_for_its_owner_and_goes_with_the_daemon() {
    let folder = empty("owner");
    let path = folder.join("chatd");
    let name = path.to_str().expect("it is UTF-8");
    let daemon = Daemon::start(&["--listen-unix", name]).await;
    let mode = fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "{mode:o}");
    assert!(health(&path).await.starts_with("HTTP/1.1 200 "));
    assert_eq!(daemon.get("/health").answer().await.0, 200, "by both");
    assert!(
        refused(&path)
            .await
            .contains("another program is listening there")
    );
    assert!(health(&path).await.starts_with("HTTP/1.1 200 "));

    // As one that was killed leaves it.
    daemon.signal("KILL").await;
    assert_eq!(daemon.ends().await.0, None);
    assert!(path.exists());
    let daemon = Daemon::start(&["--listen-unix", name]).await;
    assert!(health(&path).await.starts_with("HTTP/1.1 200 "));
    daemon.signal("TERM").await;
    assert_eq!(daemon.ends().await.0, Some(0));
    assert!(!path.exists());
    fs::remove_dir_all(folder).expect("it is ours");
}

#[tokio::test]
async fn what_is_not_the_daemons_is_left_alone() {
    let folder = empty("others");
    let path = folder.join("chatd");
    fs::write(&path, "text").expect("it can be written");
    assert!(refused(&path).await.contains("not a socket"));
    assert_eq!(fs::read(&path).expect("it is there"), b"text");
    fs::remove_file(&path).expect("it is ours");

    // Somebody has taken the path meanwhile.
    let name = path.to_str().expect("it is UTF-8");
    let daemon = Daemon::start(&["--listen-unix", name]).await;
    fs::remove_file(&path).expect("it is ours");
    let _other = UnixListener::bind(&path).expect("the path is free");
    daemon.signal("TERM").await;
    assert_eq!(daemon.ends().await.0, Some(0));
    assert!(path.exists());
    fs::remove_dir_all(folder).expect("it is ours");
}

/// Without a port.
#[tokio::test]
async fn a_socket_alone_will_do() {
    let folder = empty("alone");
    let path = folder.join("chatd");
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_chatd"));
    child.arg("--listen-unix").arg(&path).kill_on_drop(true);
    child.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = child.spawn().expect("it can be started");
    let mut stdout = child.stdout.take().expect("it is piped");
    let mut printed = vec![0; format!("chatd: unix:{}\n", path.display()).len()];
    let read = timeout(PATIENCE, stdout.read_exact(&mut printed)).await;
    read.expect("it prints a line").expect("it can be read");
    let printed = String::from_utf8(printed).expect("text");
    assert_eq!(printed, format!("chatd: unix:{}\n", path.display()));
    assert!(health(&path).await.starts_with("HTTP/1.1 200 "));
    fs::remove_dir_all(folder).expect("it is ours");
}
