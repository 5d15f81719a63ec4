//! A machine that has no thread to spare.

use crate::daemon::PATIENCE;
use std::{fs, os::unix::fs::PermissionsExt, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Command,
    time::timeout,
};

/// The limit of root's processes binds nobody: the daemon is another user's, for whom it must lie where that user reaches it.
const OTHER: u32 = 54_321;

/// So many threads, this one included.
async fn run_with(threads: usize, program: &str) -> (Option<i32>, String, String) {
    // One shell has it by this letter, another by that.
    let limit =
        format!("ulimit -p {threads} 2>/dev/null || ulimit -u {threads}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &limit, program]);
    shell.args(["--listen", "127.0.0.1:0", "--delay", "0"]);
    if rustix::process::geteuid().is_root() {
        shell.uid(OTHER).gid(OTHER);
    }
    shell
        .env("TOKIO_WORKER_THREADS", "2")
        .env("CHATD_LOG", "error");
    shell.env_remove("CHATD_TOKEN");
    shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    shell.stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = shell.spawn().expect("there is a shell");
    let stdin = child.stdin.take();
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut printed = String::new();
    let ends = async {
        stdout.read_line(&mut printed).await.expect("text");
        if printed.starts_with("chatd: http://") {
            let id = child.id().expect("it runs").to_string();
            let kill = Command::new("kill").arg(id).status().await;
            assert!(kill.expect("`kill` can be run").success());
        }
        stdout.read_to_string(&mut printed).await.expect("text");
        child.wait_with_output().await.expect("it was started")
    };
    let ended = timeout(PATIENCE, ends).await.expect("it ends");
    drop(stdin);
    let log = String::from_utf8(ended.stderr).expect("text");
    (ended.status.code(), printed, log)
}

#[tokio::test]
async fn a_daemon_without_a_spare_thread_says_so_or_ends_with_its_report() {
    let folder = std::env::temp_dir().join(format!("chatd-spare-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let program = folder.join("chatd");
    fs::copy(env!("CARGO_BIN_EXE_chatd"), &program).expect("a copy");
    let program = program.to_str().expect("it is UTF-8");
    let mut served = Vec::new();
    // More than it has.
    for threads in 1..=8 {
        let (code, printed, log) = run_with(threads, program).await;
        assert!(!log.contains("panicked"), "{threads} threads: {log}");
        if printed.starts_with("chatd: http://") {
            assert_eq!(code, Some(0), "{threads} threads: {printed}{log}");
            assert!(
                printed.contains("chatd: ended in "),
                "{threads} threads: {printed}"
            );
            served.push(threads);
        } else {
            assert_eq!(code, Some(1), "{threads} threads: {printed}{log}");
            assert!(
                log.starts_with("chatd: no thread"),
                "{threads} threads: {log}"
            );
        }
    }
    assert!(!served.contains(&1) && served.contains(&8), "{served:?}");
    fs::remove_dir_all(folder).expect("it is ours");
}
