//! A guarded process is as one without a guard: its start, its ends, its pipes. And nothing is left.

use crate::world::*;
use rustix::process::Signal;
use std::{env, fs, os::unix::process::ExitStatusExt, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};
use turnwise_process::{GuardError, Launcher};

pub(crate) async fn statuses() {
    for (script, code, signal) in [
        ("exit 0", Some(0), None),
        ("exit 3", Some(3), None),
        ("exit 255", Some(255), None),
        ("kill -USR1 $$", None, Some(10)),
        ("kill -9 $$", None, Some(9)),
    ] {
        let process = guarded(LONG).spawn(&mut sh(script)).await;
        let ended = within(process.expect("it runs").exited()).await;
        let status = ended.status.expect("it is known");
        assert_eq!((status.code(), status.signal()), (code, signal));
        assert!(!ended.asked && !ended.killed);
    }
}

pub(crate) async fn errors_are_those_without_a_guard() {
    let mut elsewhere = sh("true");
    elsewhere.current_dir("/there/is/none");
    let mut null = sh("true");
    null.arg("\0");
    let mut null_environment = sh("true");
    null_environment.env("NAME", "\0");
    let mut huge = sh("true");
    huge.arg("x".repeat(1 << 20));
    for command in [
        &mut Command::new("there-is-no-such-program"),
        &mut Command::new("/there/is/none"),
        &mut Command::new("/etc/passwd"),
        &mut Command::new("/"),
        &mut elsewhere,
        &mut null,
        &mut null_environment,
        &mut huge,
    ] {
        let plain = Launcher::new().spawn(command).await;
        let plain = plain.expect_err("it cannot be run");
        let error = guarded(LONG).spawn(command).await;
        let error = error.expect_err("it cannot be run");
        assert_eq!(error.program, plain.program);
        assert_eq!(error.source.kind(), plain.source.kind());
        assert!(error.guard().is_none());
        assert!(children_of(this()).is_empty(), "the guard is reaped");
    }
}

pub(crate) async fn a_user_is_refused() {
    let error = guarded(LONG).spawn(sh("true").uid(0)).await;
    let error = error.expect_err("it cannot be guarded");
    assert!(matches!(error.guard(), Some(GuardError::Identity)));
}

/// Runs the test `statuses` in a program like this, which does not call `init`, or calls it late.
async fn statuses_in(program: &mut std::process::Command) -> String {
    let mut command = Command::from(std::mem::replace(program, std::process::Command::new("")));
    command
        .args(["test", "spawns::statuses"])
        .kill_on_drop(true);
    let output = within(command.output()).await.expect("it can be started");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => "it runs".to_owned(),
        false => text,
    }
}

fn this_program() -> std::process::Command {
    std::process::Command::new(env::current_exe().expect("it has a path"))
}

pub(crate) async fn a_program_without_the_call() {
    let text = statuses_in(this_program().env("WITHOUT_INIT", "")).await;
    assert!(text.contains("NotInitialized"), "{text}");
}

pub(crate) async fn a_program_with_a_late_call() {
    let begin = now();
    let text = statuses_in(this_program().env("LATE_INIT", "")).await;
    assert!(text.contains("NoAnswer"), "{text}");
    assert!(now() > begin + SLACK, "it had its time");
}

/// Another file has its name by now, as after an upgrade, or none has.
pub(crate) async fn a_program_that_was_replaced() {
    let path = env::temp_dir().join(format!("turnwise-guard-program-{}", this()));
    fs::copy(env::current_exe().expect("it has a path"), &path).expect("it can be copied");
    let mut child = Command::new(&path)
        .args(["test", "spawns::after_a_line"])
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it can be started");
    until(|| stat(child.id().expect("it runs").try_into().expect("a number")).is_some()).await;
    fs::remove_file(&path).expect("it is there");
    fs::write(&path, "another program").expect("it can be written");
    drop(child.stdin.take());
    assert!(within(child.wait()).await.expect("it is ours").success());
    fs::remove_file(&path).expect("it is there");
}

/// Part of the test before this.
pub(crate) async fn after_a_line() {
    use std::io::Read;
    std::io::stdin()
        .read_to_end(&mut Vec::new())
        .expect("it ends");
    statuses().await;
}

pub(crate) async fn the_ladder() {
    let short = Duration::from_millis(100);
    for (script, killed, code) in [
        ("echo; cat >&2; exit 4", false, Some(4)),
        (
            "trap 'exit 143' TERM; echo; while :; do sleep 0.01; done",
            false,
            Some(143),
        ),
        (
            "trap '' TERM; echo; while :; do sleep 0.01; done",
            true,
            None,
        ),
    ] {
        let grace = if killed { short } else { LONG };
        let input = if code == Some(4) { LONG } else { short };
        let launcher = guarded(LONG).input_grace(input).term_grace(grace);
        let process = launcher.spawn(&mut sh(script)).await;
        let mut process = process.expect("it runs");
        let stdout = process.stdout.as_mut().expect("it is a pipe");
        within(stdout.read_u8()).await.expect("it is ready");
        let ended = within(process.stop()).await;
        assert_eq!((ended.asked, ended.killed), (true, killed));
        let status = ended.status.expect("it is known");
        assert_eq!(status.code(), code, "{script}");
    }
}

pub(crate) async fn ends_of_pipes() {
    // Its output ends while it runs; then its input does; and its last words are kept.
    let script = "echo hello; exec >&-; read line; echo \"$line\" >&2; cat; echo bye >&2; exit 5";
    let process = guarded(LONG).spawn(&mut sh(script)).await;
    let mut process = process.expect("it runs");
    let mut text = String::new();
    let stdout = process.stdout.as_mut().expect("it is a pipe");
    within(stdout.read_to_string(&mut text))
        .await
        .expect("it is text");
    assert_eq!(text, "hello\n");
    let stdin = process.stdin.as_mut().expect("it is a pipe");
    within(stdin.write_all(b"word\n")).await.expect("it reads");
    process.stdin = None;
    let status = within(process.exited()).await.status;
    assert_eq!(status.and_then(|status| status.code()), Some(5));
    assert!(process.stderr().text().contains("word\n"));
    assert!(process.stderr().text().ends_with("bye"));
}

pub(crate) async fn children_that_are_kept() {
    let launcher = guarded(Duration::from_millis(300)).keep_children(true);
    let process = launcher
        .spawn(&mut sh("setsid sleep 600 & echo $!; cat"))
        .await;
    let mut process = process.expect("it runs");
    let mut lines = process.lines(100).expect("it was not taken");
    let pid = number(&mut lines).await;
    let guard = guard_of(&process);
    drop(lines);
    assert!(
        within(process.stop())
            .await
            .status
            .expect("it is known")
            .success()
    );
    assert!(!runs(guard), "it was let go");
    assert!(runs(pid), "it was kept");
    signal(pid, Signal::KILL);
}

pub(crate) async fn all_that_it_has_is_as_without_a_guard() {
    let mut of_shell = sh("pwd; env | grep -vE '^(TURNWISE_PROCESS|_)='; ulimit -a; umask");
    of_shell.env("ONE", "first").current_dir("/proc");
    of_shell.env_remove("CARGO_MANIFEST_DIR");
    let mut cleared = Command::new("/usr/bin/env");
    cleared.env_clear().env("ONE", "only");
    let mut signals = Command::new("grep");
    signals.args(["-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]);
    let mut files = Command::new("ls");
    files.arg("/proc/self/fd");
    let mut group = Command::new("cut");
    group.args(["-d ", "-f1,5", "/proc/self/stat"]);
    for command in [
        &mut of_shell,
        &mut cleared,
        &mut signals,
        &mut files,
        &mut group,
    ] {
        let (plain, _) = output(&Launcher::new(), command).await;
        let (guarded, mark) = output(&guarded(LONG), command).await;
        assert!(!plain.is_empty() && !mark.is_empty());
        assert_eq!(guarded, plain, "{command:?}");
    }
}

/// As behind `&` in a script.
pub(crate) async fn signals_that_are_ignored_stay_so() {
    let this = std::env::current_exe().expect("it has a path");
    let this = this.to_str().expect("it is text");
    let test = format!(
        "trap '' INT QUIT; exec '{this}' test spawns::all_that_it_has_is_as_without_a_guard"
    );
    let status = within(sh(&test).status()).await;
    assert!(status.expect("it runs").success());
}

/// What it writes, without its number and its mark. And the mark.
async fn output(launcher: &Launcher, command: &mut Command) -> (String, String) {
    let process = launcher.spawn(command).await;
    let mut process = process.expect("it runs");
    let mut text = String::new();
    let stdout = process.stdout.as_mut().expect("it is a pipe");
    let read = within(stdout.read_to_string(&mut text)).await;
    read.expect("it is text");
    let id = process.id().to_string();
    within(process.exited()).await;
    let set = command.as_std().get_envs();
    let mark = set.filter(|(name, _)| *name == "TURNWISE_PROCESS");
    let mark = mark.filter_map(|(_, value)| value?.to_str()).next();
    let mark = mark.expect("it has one").to_owned();
    (text.replace(&mark, "mark").replace(&id, "itself"), mark)
}

/// At any moment of it.
pub(crate) async fn a_spawn_that_is_given_up() {
    let witness = Witness::new();
    let mut given_up = 0;
    for tenth in 0..200 {
        let limit = Duration::from_micros(tenth * 100);
        let mut command = actors(&witness.0);
        let launcher = guarded(LONG);
        let spawned = timeout(limit, launcher.spawn(&mut command)).await;
        given_up += u32::from(spawned.is_err());
    }
    assert!(given_up > 0);
    until(|| witness.actors().is_empty()).await;
    until(|| children_of(this()).is_empty()).await;
}

pub(crate) async fn the_end_of_the_runtime() {
    // A runtime of its own cannot end inside of another.
    let ended = tokio::task::spawn_blocking(|| {
        let witness = Witness::new();
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().expect("a runtime can be made");
        let process = runtime.block_on(async {
            let process = guarded(LONG).spawn(&mut actors(&witness.0)).await;
            witness.all_act(Duration::ZERO).await;
            process.expect("it runs")
        });
        drop(runtime);
        assert!(witness.actors().is_empty());
        drop(process);
    });
    within(ended).await.expect("nothing is left");
}

pub(crate) async fn twenty_at_once() {
    let files = || fs::read_dir("/proc/self/fd").expect("it is Linux").count();
    // tokio opens what it keeps.
    let first = guarded(LONG).spawn(&mut sh("true")).await;
    within(first.expect("it runs").exited()).await;
    let before = files();
    let tasks = (0..20).map(|_| {
        tokio::spawn(async {
            let witness = Witness::new();
            let process = guarded(LONG).spawn(&mut actors(&witness.0)).await;
            let mut process = process.expect("it runs");
            let killed = within(process.kill()).await;
            assert!(killed.status.is_some());
            assert!(witness.actors().is_empty());
        })
    });
    let tasks: Vec<_> = tasks.collect();
    for task in tasks {
        task.await.expect("it ends");
    }
    assert!(children_of(this()).is_empty());
    until(|| files() == before).await;
}
