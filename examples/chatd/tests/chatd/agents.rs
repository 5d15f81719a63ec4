//! `--agent pi` over a script in pi's place: what is kept, and how much of it.

use crate::{client::refused, daemon::Daemon};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

/// Speaks as pi does. It answers with the name of its conversation; the answer to `error` is one of 4 MB, and so is the
/// note in `note`.
const SCRIPT: &str = r#"#!/bin/sh
while [ "$1" != --session-id ]; do shift; done
name=$2
long() { head -c 4194304 /dev/zero | tr '\0' E; }
while read -r line; do
  id=${line#*\"id\":\"}; id=${id%%\"*}
  answer() { printf '{"type":"response","id":"%s","success":true%s}\n' "$id" "$1"; }
  case $line in
  *\"get_state\"*) answer ",\"data\":{\"sessionId\":\"$name\"}" ;;
  *\"prompt\"*)
    answer; printf '{"type":"agent_start"}\n'
    case $line in
    *'"message":"error"'*)
      printf '{"type":"message_end","message":{"role":"assistant","content":[],"stopReason":"error","errorMessage":"'
      long; printf '"}}\n' ;;
    *'"message":"note"'*)
      printf '{"type":"auto_retry_start","attempt":1,"maxAttempts":3,"delayMs":1000,"errorMessage":"'
      long; printf '"}\n'
      continue ;;
    *) printf '{"type":"message_end","message":{"role":"assistant","content":[{"type":"text","text":"%s"}],"stopReason":"stop"}}\n' "$name" ;;
    esac
    printf '{"type":"agent_settled"}\n' ;;
  *\"abort\"*) answer; printf '{"type":"agent_settled","aborted":true}\n' ;;
  *) answer ;;
  esac
done
"#;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("chatd-agents-{}-{name}", std::process::id());
        let folder = Self(std::env::temp_dir().join(folder));
        drop(fs::remove_dir_all(&folder.0));
        fs::create_dir_all(folder.sessions()).expect("a folder");
        fs::write(folder.program(), SCRIPT).expect("a script");
        let may_run = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.program(), may_run).expect("it may be run");
        folder
    }

    fn program(&self) -> PathBuf {
        self.0.join("agent")
    }

    fn sessions(&self) -> PathBuf {
        self.0.join("sessions")
    }

    async fn start(&self) -> Daemon {
        let text = |path: &Path| path.to_str().expect("it is UTF-8").to_owned();
        let (program, sessions) = (text(&self.program()), text(&self.sessions()));
        let pi = ["--agent", "pi", "--pi-program", &program];
        let limits = ["--pi-session-dir", &sessions, "--start-timeout", "150"];
        Daemon::start(&[pi, limits].concat()).await
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The conversation that answers.
async fn conversation(daemon: &Daemon, key: &str) -> Value {
    let (status, answer) = daemon.say(key, "hello").answer().await;
    assert_eq!(status, 200, "{answer}");
    answer["reply"].clone()
}

/// Until all conversations that have begun are kept: a new one is kept when that is answered.
async fn keep(daemon: &Daemon) {
    conversation(daemon, "other").await;
    let new = daemon.ask("POST", "/sessions/other/new").answer().await;
    assert_eq!(new.0, 200, "{}", new.1);
}

/// The clients do not wait for their answers.
#[tokio::test]
async fn absent_names_leave_no_trace() {
    const NAMES: usize = 2000;
    let folder = Folder::new("absent");
    let daemon = folder.start().await;
    assert_eq!(conversation(&daemon, "first").await, "first");
    for number in 0..NAMES {
        let mut client = TcpStream::connect(daemon.address)
            .await
            .expect("it listens");
        let ask = format!("DELETE /sessions/absent-{number} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        client.write_all(ask.as_bytes()).await.expect("it is read");
    }
    assert_eq!(conversation(&daemon, "second").await, "second");
    let absent = daemon.ask("DELETE", "/sessions/absent").answer().await;
    assert_eq!(refused(&absent), (404, "no_session"));
    let second = daemon.ask("DELETE", "/sessions/second").answer().await;
    assert_eq!(second.0, 200, "{}", second.1);
    daemon.signal("TERM").await;
    assert_eq!(daemon.ends_unread().await, Some(0));
    let kept = fs::read_to_string(folder.sessions().join("conversations.json"));
    let kept = kept.expect("a conversation was left");
    assert!(!kept.contains("absent"), "{} bytes are kept", kept.len());
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    assert_eq!(kept["conversations"], json!({ "first": 0, "second": 1 }));
}

#[tokio::test]
async fn long_errors_are_truncated() {
    let folder = Folder::new("errors");
    let daemon = folder.start().await;
    let failed = daemon.say("a", "error").answer().await;
    assert_eq!(refused(&failed), (502, "agent_failed"));
    let cut = |text: &Value| {
        let text = text.as_str().expect("text");
        assert!(text.len() < 1200, "{} bytes are shown", text.len());
        assert!(
            text.contains("EEE") && text.ends_with(" bytes cut)"),
            "{text}"
        );
    };
    cut(&failed.1["message"]);
    let session = daemon.get("/sessions/a").answer().await.1;
    cut(&session["last"]["error"]);

    let noted = daemon.say("b", "note").later();
    let session = daemon
        .until("b", |session| session["note"].is_string())
        .await;
    cut(&session["note"]);
    cut(&daemon.get("/sessions").answer().await.1[1]["note"]);
    assert_eq!(
        daemon.ask("POST", "/sessions/b/abort").answer().await.0,
        200
    );
    assert_eq!(refused(&noted.await.expect("an answer")), (409, "aborted"));
}

/// As on a full disk: something is in the way of the file.
#[tokio::test]
async fn what_could_not_be_kept_is_told_and_tried_again() {
    let folder = Folder::new("unkept");
    let daemon = folder.start().await;
    assert_eq!(conversation(&daemon, "a").await, "a");
    keep(&daemon).await;
    let draft = folder.sessions().join("conversations.json.new");
    fs::create_dir(&draft).expect("nothing is written");
    let unkept = daemon.ask("POST", "/sessions/a/new").answer().await;
    assert_eq!(refused(&unkept), (500, "not_kept"));
    let second = conversation(&daemon, "a").await;
    assert_ne!(second, "a", "it is new all the same");
    let session = daemon.get("/sessions/a").answer().await.1;
    assert!(
        session["trouble"]
            .as_str()
            .is_some_and(|why| why.contains("tries again")),
        "{session}"
    );
    let health = daemon.get("/health").answer().await.1;
    assert!(health["trouble"].is_string(), "{health}");

    fs::remove_dir(&draft).expect("it is empty");
    daemon
        .until("a", |session| session["trouble"].is_null())
        .await;
    assert_eq!(
        daemon.get("/health").answer().await.1,
        json!({ "status": "ok" })
    );
    // Without a chance to keep anything at its end.
    daemon.signal("KILL").await;
    assert_eq!(daemon.ends_unread().await, None);
    let daemon = folder.start().await;
    assert_eq!(conversation(&daemon, "a").await, second);
}

#[tokio::test]
async fn what_was_never_kept_does_not_come_back_silently() {
    let folder = Folder::new("doubt");
    let daemon = folder.start().await;
    assert_eq!(conversation(&daemon, "a").await, "a");
    keep(&daemon).await;
    let draft = folder.sessions().join("conversations.json.new");
    fs::create_dir(&draft).expect("nothing is written");
    let unkept = daemon.ask("POST", "/sessions/a/new").answer().await;
    assert_eq!(refused(&unkept), (500, "not_kept"));
    daemon.signal("KILL").await;
    assert_eq!(daemon.ends_unread().await, None);

    fs::remove_dir(&draft).expect("it is empty");
    let daemon = folder.start().await;
    assert_eq!(conversation(&daemon, "a").await, "a");
    let session = daemon.get("/sessions/a").answer().await.1;
    let trouble = session["trouble"].as_str().expect("it is told");
    assert!(trouble.contains("may be an old one"), "{trouble}");
}
