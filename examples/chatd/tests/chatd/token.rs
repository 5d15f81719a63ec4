//! The token: where it comes from, and who cannot read it.

use crate::{client::refused, daemon::*, script::*};
use std::{fs, os::unix::fs::PermissionsExt, process::Stdio};
use tokio::time::timeout;

const SECRET: &str = "secret-of-the-daemon";

/// What the agent finds about the daemon, about its guard, and about itself.
const LOOKS: &str = r#"while read -r name value; do case $name in PPid:) daemon=$value; esac; done <"/proc/$PPID/status"
{ for pid in "$daemon" "$PPID"; do cat "/proc/$pid/environ" "/proc/$pid/cmdline"; done; cat "/proc/$$/environ"
for given in /proc/$$/fd/*; do timeout 1 cat <"$given"; done; } >"${0%/*}/found" 2>/dev/null
exit 1"#;

#[tokio::test]
async fn the_token_is_out_of_the_agents_reach() {
    let script = Script::new("reach", LOOKS);
    let args = script.args(&[]);
    let mut daemon = Daemon::start_with(&borrowed(&args), &[("CHATD_TOKEN", SECRET)]).await;
    assert_eq!(
        refused(&daemon.get("/sessions").answer().await),
        (401, "no_token")
    );
    daemon.types("hello").await;
    daemon.sees("[main] (").await;
    let found = fs::read(script.path("found")).expect("it was started");
    let found = String::from_utf8_lossy(&found);
    if cfg!(target_os = "linux") {
        assert!(found.contains("--pi-program"), "it has looked");
    }
    assert!(!found.contains(SECRET), "it has found the token");
    // The memory of a program that may not be dumped is root's to read.
    #[cfg(target_os = "linux")]
    {
        let memory = format!("/proc/{}/mem", daemon.id());
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(memory).expect("it runs"));
        assert_eq!(owner, 0);
    }
    let shown = daemon.get("/sessions");
    let shown = shown.header("authorization", &format!("Bearer {SECRET}"));
    assert_eq!(shown.answer().await.0, 200);
    daemon.signal("TERM").await;
    assert_eq!(daemon.ends().await.0, Some(0));
}

#[tokio::test]
async fn a_token_comes_from_a_file() {
    let script = Script::new("token-file", "exit 1");
    let path = script.path("token");
    fs::write(&path, format!("{SECRET}\n")).expect("it can be written");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let daemon = Daemon::start(&["--token-file", &path]).await;
    assert_eq!(
        refused(&daemon.get("/sessions").answer().await),
        (401, "no_token")
    );
    let shown = daemon.get("/sessions");
    let shown = shown.header("authorization", &format!("Bearer {SECRET}"));
    assert_eq!(shown.answer().await.0, 200);
}

/// The exit code, and all that is printed.
async fn run(args: &[&str], token: Option<&str>) -> (Option<i32>, String) {
    let mut command = command(args);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    if let Some(token) = token {
        command.env("CHATD_TOKEN", token);
    }
    let ended = timeout(PATIENCE, command.output()).await.expect("it ends");
    let ended = ended.expect("it runs");
    let text = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8(text).expect("text"))
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_printed() {
    let script = Script::new("refused-token", "exit 1");
    let path = script.path("token");
    let write = |text: &str, mode| {
        fs::write(&path, text).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    let file = &["--token-file", &path][..];
    let check = async |args: &[&str], token, why: &str| {
        let (code, text) = run(args, token).await;
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(text.contains(why), "{args:?}: {text}");
        assert!(!text.contains("hunter"), "{args:?}: {text}");
    };
    check(&[], Some("hunter 2"), "visible ASCII").await;
    check(&[], Some(""), "visible ASCII").await;
    check(&["--token", "hunter2"], None, "--token-file").await;
    check(&["--token=hunter2"], None, "--token-file").await;
    check(file, None, "cannot be read").await;
    for (text, mode, why) in [
        ("hunter2", 0o644, "chmod 600"),
        ("hunter2", 0o620, "chmod 600"),
        ("hunter 2\n", 0o600, "visible ASCII"),
        ("hunter\n2\n", 0o600, "visible ASCII"),
        ("\n", 0o600, "visible ASCII"),
        (&"hunter".repeat(1000), 0o600, "4096 bytes"),
    ] {
        write(text, mode);
        check(file, None, why).await;
    }
    write("hunter2", 0o600);
    check(file, Some("hunter2"), "one of them").await;
}

#[tokio::test]
async fn conversations_are_their_owners() {
    let script = Script::new("conversations", "exit 1");
    let args = script.args(&[]);
    let daemon = Daemon::start(&borrowed(&args)).await;
    let folder = fs::metadata(script.path("sessions")).expect("it is made at the start");
    assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    drop(daemon);
}
