//! What finds a child: the cgroup of its process, and the mark in its environment.

use super::*;
use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

/// The folder of this program's cgroup, if it may make others there.
fn own_cgroup() -> Option<PathBuf> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))?
        .to_owned();
    let folders =
        ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(|root| Path::new(root).join(&own));
    folders.into_iter().find(|folder| {
        let trial = folder.join(format!("turnwise-trial-{}", std::process::id()));
        folder.join("cgroup.procs").exists()
            && fs::create_dir(&trial).is_ok()
            && fs::remove_dir(&trial).is_ok()
    })
}

/// A child that has a session, a parent and an environment of its own is in the cgroup still.
#[tokio::test]
async fn a_cgroup_finds_what_hides() {
    // It is in the cgroup when it has an input.
    let text =
        "echo $$; read -r go; c=$( (setsid env -i sleep 600 >/dev/null & echo $!) ); echo $c; cat";
    let hides = async |process: &mut Process| {
        let stdin = process.stdin.as_mut().expect("it is there");
        stdin.write_all(b"go\n").await.expect("it reads");
        let mut lines = process.lines(1 << 10).expect("they are there");
        let pid = lines.next().await.expect("it writes").expect("it is short");
        let pid = String::from_utf8(pid.to_vec()).expect("it is a number");
        let program = format!("/proc/{pid}/comm");
        while fs::read_to_string(&program).expect("it runs") != "sleep\n" {
            tokio::task::yield_now().await;
        }
        pid
    };
    let launcher = patient().cgroup(true);
    let Some(folder) = own_cgroup() else {
        // Not by `eprintln`, which is captured.
        let mut stderr = std::io::stderr();
        let why = "CANNOT RUN a_cgroup_finds_what_hides: no cgroup of version 2 can be made here";
        writeln!(stderr, "{why}").expect("stderr is open");
        return;
    };
    // One that has ended before it would enter.
    for _ in 0..50 {
        let started = within(launcher.spawn(&mut Command::new("true"))).await;
        within(started.expect("it was started").exited()).await;
    }
    let (mut process, _) = script(&launcher, text).await;
    let pid = within(hides(&mut process)).await;
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
    assert!(own.contains("/TURNWISE_PROCESS-"), "{own}");
    within(process.stop()).await;
    assert!(!runs(&pid), "{pid} is left");
    let left = fs::read_dir(&folder).expect("it is there").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    let ours = format!("TURNWISE_PROCESS-{}-", std::process::id());
    let ours = |name: &std::ffi::OsString| name.to_string_lossy().starts_with(&ours);
    assert!(!left.iter().any(ours), "{left:?}");
    // Without a cgroup it is not found, so this test can fail.
    let (mut process, _) = script(&patient(), text).await;
    let pid = within(hides(&mut process)).await;
    within(process.stop()).await;
    assert!(runs(&pid));
    let killed = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status();
    assert!(killed.expect("`kill` can be run").success());
}

#[tokio::test]
async fn the_mark_is_of_each_process() {
    let launcher = Launcher::new().mark("MARK_OF_A_TEST").stderr_limit(4);
    let mut marks = Vec::new();
    for _ in 0..2 {
        let text = "echo $$ $MARK_OF_A_TEST; echo 123456 >&2; cat";
        let (mut process, words) = script(&launcher, text).await;
        marks.push(words[1].clone());
        within(process.stop()).await;
        assert_eq!(process.stderr().text(), "456");
    }
    assert_ne!(marks[0], marks[1]);
}
