//! Ends of processes: each step of a stop, and nothing is left, whatever the process does. Shell scripts are the processes.
#![cfg(target_os = "linux")]

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;
#[macro_use]
extern crate deadline_attribute;

mod marks;

use processes::{runs, within};
use std::{
    fs, future::poll_fn, io::ErrorKind, os::unix::process::ExitStatusExt, pin::pin, task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
};
use turnwise_process::{Ended, Launcher, LineError, Process};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(100);

/// A launcher that waits for each step as long as it takes.
fn patient() -> Launcher {
    Launcher::new().input_grace(LONG).term_grace(LONG)
}

/// A script. It has written its pid and those of its background jobs when this returns.
async fn script(launcher: &Launcher, text: &str) -> (Process, Vec<String>) {
    let text = format!("jobs=; {text}");
    let started = within(launcher.spawn(Command::new("sh").args(["-c", &text]))).await;
    let mut process = started.expect("`sh` can be run");
    let stdout = process.stdout.as_mut().expect("it is piped");
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        line.push(within(stdout.read_u8()).await.expect("it writes its pids"));
    }
    let line = String::from_utf8(line).expect("they are numbers");
    (
        process,
        line.split_whitespace().map(str::to_owned).collect(),
    )
}

/// One in its group, one in a session of its own, and one whose parent is gone.
const CHILDREN: &str = "sleep 600 & a=$!; setsid sleep 600 & b=$!; c=$( (setsid sleep 600 >/dev/null & echo $!) ); echo $$ $a $b $c;";

fn none_runs(pids: &[String]) {
    assert!(pids.len() > 1, "it has children");
    let left: Vec<_> = pids.iter().filter(|pid| runs(pid)).collect();
    assert!(left.is_empty(), "{left:?} are left");
}

fn status(ended: &Ended) -> std::process::ExitStatus {
    ended.status.expect("it is known")
}

#[tokio::test]
async fn the_end_of_its_input_is_the_first_step() {
    let (mut process, pids) = script(&patient(), "echo $$; cat; exit 3").await;
    assert_eq!(pids, [process.id().to_string()]);
    assert!(process.is_running());
    let ended = within(process.stop()).await;
    assert_eq!(status(&ended).code(), Some(3));
    assert!(ended.asked && !ended.killed, "{ended:?}");
    assert_eq!(ended.to_string(), "exit status: 3");
    assert_eq!(process.ended(), Some(ended));
    assert!(!runs(&pids[0]));
}

#[tokio::test]
async fn sigterm_is_the_second() {
    let launcher = patient().input_grace(SHORT);
    let text = "trap 'exit 143' TERM; echo $$; while :; do sleep 0.01; done";
    let (mut process, _) = script(&launcher, text).await;
    let ended = within(process.stop()).await;
    assert_eq!(status(&ended).code(), Some(143));
    assert!(ended.asked && !ended.killed, "{ended:?}");
}

#[tokio::test]
async fn sigkill_is_the_last_and_takes_all() {
    let launcher = patient().input_grace(SHORT).term_grace(SHORT);
    // It floods both pipes meanwhile, so only a reader gets it so far.
    let text = format!("{CHILDREN} trap '' TERM; while :; do echo more; echo more >&2; done");
    let (mut process, pids) = script(&launcher, &text).await;
    let ended = within(process.stop()).await;
    assert_eq!(status(&ended).signal(), Some(9));
    assert!(ended.asked && ended.killed, "{ended:?}");
    none_runs(&pids);
    let stderr = process.stderr().text();
    assert!(
        stderr.ends_with("more") && stderr.len() <= 16 << 10,
        "{}",
        stderr.len()
    );
}

#[tokio::test]
async fn a_kill_gives_no_time() {
    let (mut process, pids) = script(
        &patient(),
        &format!("{CHILDREN} trap '' TERM; cat; sleep 600"),
    )
    .await;
    let ended = within(process.kill()).await;
    assert!(ended.asked && ended.killed, "{ended:?}");
    none_runs(&pids);
}

#[tokio::test]
async fn a_kill_hurries_a_stop() {
    let (mut process, pids) = script(
        &patient(),
        &format!("{CHILDREN} trap '' TERM; sleep 600; sleep 600"),
    )
    .await;
    // The stop waits for the process, for which only a kill helps.
    let begun = tokio::time::timeout(SHORT, process.stop()).await;
    assert!(begun.is_err(), "{begun:?}");
    let ended = within(process.kill()).await;
    assert!(ended.killed, "{ended:?}");
    none_runs(&pids);
}

#[tokio::test]
async fn a_stop_whose_future_is_dropped_goes_on() {
    let launcher = patient().input_grace(Duration::from_millis(300));
    let (mut process, pids) = script(
        &launcher,
        "trap 'exit 7' TERM; echo $$; while :; do sleep 0.01; done",
    )
    .await;
    let begun = tokio::time::timeout(Duration::from_millis(1), process.stop()).await;
    assert!(begun.is_err(), "{begun:?}");
    let ended = within(process.exited()).await;
    assert_eq!(status(&ended).code(), Some(7));
    assert_eq!(within(process.stop()).await, ended);
    assert!(!runs(&pids[0]));
}

#[tokio::test]
async fn an_end_that_nobody_asked_for_takes_the_children_along() {
    for keep in [false, true] {
        let launcher = patient().keep_children(keep);
        let (process, pids) = script(&launcher, &format!("{CHILDREN} exit 0")).await;
        let ended = within(process.exited()).await;
        assert!(status(&ended).success() && !ended.asked, "{ended:?}");
        none_runs(&pids);
    }
}

/// It had ended before the stop, so it did not obey it.
#[tokio::test]
async fn a_stop_that_comes_too_late_keeps_nothing() {
    let launcher = patient().keep_children(true);
    let (mut process, pids) = script(&launcher, &format!("{CHILDREN} exit 0")).await;
    within(async {
        while runs(&pids[0]) {
            std::thread::yield_now(); // the runtime does not see the end before the stop
        }
    })
    .await;
    assert!(!process.is_running());
    let ended = within(process.stop()).await;
    assert!(!ended.asked && !process.is_running(), "{ended:?}");
    none_runs(&pids);
}

#[tokio::test]
async fn children_of_an_obeyed_stop_are_ended_unless_they_are_kept() {
    for (keep, then, kept) in [
        (false, None, false),
        (true, None, true),
        (true, Some(false), false),
    ] {
        let launcher = patient().keep_children(keep);
        let (mut process, pids) = script(&launcher, &format!("{CHILDREN} cat; exit 0")).await;
        if let Some(keep) = then {
            process.keep_children(keep);
        }
        let ended = within(process.stop()).await;
        assert!(ended.asked && status(&ended).success(), "{ended:?}");
        let left: Vec<_> = pids[1..].iter().filter(|pid| runs(pid)).collect();
        assert_eq!(left.len(), if kept { 3 } else { 0 }, "{keep} {then:?}");
        for pid in left {
            let killed = std::process::Command::new("kill")
                .args(["-9", pid])
                .status();
            assert!(killed.expect("`kill` can be run").success());
        }
    }
}

/// A process may obey so fast that its end is seen before the stop.
#[tokio::test]
async fn an_obeyed_stop_keeps_children_though_its_end_is_seen_first() {
    let launcher = patient().keep_children(true);
    let (mut process, pids) = script(&launcher, &format!("{CHILDREN} cat; exit 0")).await;
    let ended = {
        // Its task is behind these, and the runtime looks for ends of processes in between.
        for _ in 0..200 {
            tokio::spawn(async {});
        }
        let mut stop = pin!(process.stop());
        let first = poll_fn(|cx| Poll::Ready(stop.as_mut().poll(cx))).await;
        assert!(first.is_pending());
        while runs(&pids[0]) {
            std::thread::yield_now(); // its task does not run meanwhile
        }
        within(stop).await
    };
    assert!(ended.asked && status(&ended).success(), "{ended:?}");
    let left: Vec<_> = pids[1..].iter().filter(|pid| runs(pid)).collect();
    assert_eq!(left.len(), 3, "they are kept");
    for pid in left {
        let killed = std::process::Command::new("kill")
            .args(["-9", pid])
            .status();
        assert!(killed.expect("`kill` can be run").success());
    }
}

/// Only an end in good order keeps them.
#[tokio::test]
async fn a_failing_stop_keeps_nothing() {
    let launcher = patient().keep_children(true);
    let (mut process, pids) = script(&launcher, &format!("{CHILDREN} cat; exit 1")).await;
    let ended = within(process.stop()).await;
    assert_eq!(status(&ended).code(), Some(1));
    none_runs(&pids);
}

#[tokio::test]
async fn a_drop_kills_all() {
    let (process, pids) = script(&patient(), &format!("{CHILDREN} trap '' TERM; sleep 600")).await;
    let exited = process.exited();
    drop(process);
    let ended = within(exited).await;
    assert!(ended.killed, "{ended:?}");
    none_runs(&pids);
}

#[test]
fn the_end_of_the_runtime_kills_all() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime can be made");
    let text = format!("{CHILDREN} trap '' TERM; sleep 600");
    let (process, pids) = runtime.block_on(script(&patient(), &text));
    assert!(pids.iter().all(runs), "{pids:?}");
    drop(runtime);
    none_runs(&pids);
    assert_eq!(process.ended(), None);
    let mut other = tokio::runtime::Builder::new_current_thread();
    let other = other.enable_all().build().expect("a runtime can be made");
    let ended = other.block_on(process.exited());
    assert!(ended.killed && ended.status.is_none(), "{ended:?}");
}

#[tokio::test]
async fn its_pipes_are_its_own() {
    // The child holds both pipes open, so the end of output comes only with its end.
    let (mut process, pids) = script(
        &patient(),
        "setsid sleep 600 & echo $$ $!; echo last; echo words >&2; exit 0",
    )
    .await;
    let mut lines = process.lines(1 << 10).expect("they are there");
    assert!(process.lines(1 << 10).is_none());
    let line = within(lines.next())
        .await
        .expect("it writes")
        .expect("it is short");
    assert_eq!(line, "last");
    assert!(within(lines.next()).await.is_none());
    within(process.exited()).await;
    assert_eq!(process.stderr().text(), "words");
    none_runs(&pids);
}

#[tokio::test]
async fn what_is_discarded_is_read_by_nobody() {
    let (mut process, _) = script(&patient(), "echo $$; printf 'first\\nsecond\\nthird\\n'").await;
    let mut lines = process.lines(1 << 10).expect("they are there");
    let first = within(lines.next()).await.expect("it writes");
    assert_eq!(first.expect("it is short"), "first");
    within(lines.discard()).await;
    let next = within(lines.next()).await;
    assert!(next.is_none(), "{next:?}");
    within(process.exited()).await;
}

#[tokio::test]
async fn the_beginning_of_a_line_is_discarded_too() {
    let (mut process, _) = script(&patient(), "echo $$; printf 'first\\nsec'; cat").await;
    let mut lines = process.lines(1 << 10).expect("they are there");
    let first = within(lines.next()).await.expect("it writes");
    assert_eq!(first.expect("it is short"), "first");
    // It looks for the end of the second one, and is dropped.
    poll_fn(|cx| {
        assert!(pin!(lines.next()).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    within(process.kill()).await;
    within(lines.discard()).await;
    let next = within(lines.next()).await;
    assert!(next.is_none(), "{next:?}");
}

#[tokio::test]
async fn a_line_without_an_end_is_refused() {
    let launcher = patient();
    let (mut process, _) = script(&launcher, "echo $$; head -c 100000 /dev/zero; cat").await;
    let mut lines = process.lines(1 << 10).expect("they are there");
    let line = within(lines.next()).await.expect("it writes");
    assert!(matches!(line, Err(LineError::TooLong(1024))), "{line:?}");
    within(process.kill()).await;
}

#[tokio::test]
async fn an_interrupt_is_no_end() {
    // These tests may run behind `&` in a script. There SIGINT is ignored, and a shell traps no signal that it inherits as ignored.
    let text = "exec env --default-signal=INT sh -c 'trap \"echo interrupted\" INT; echo $$; while :; do sleep 0.01; done'";
    let (mut process, _) = script(&patient(), text).await;
    let mut lines = process.lines(1 << 10).expect("they are there");
    for _ in 0..2 {
        process.interrupt();
        let line = within(lines.next()).await.expect("it writes");
        assert_eq!(line.expect("it is short"), "interrupted");
    }
    assert_eq!(process.ended(), None);
    within(process.kill()).await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let started = within(Launcher::new().spawn(&mut Command::new("/no/such\x1b[2J"))).await;
    let error = started.expect_err("it cannot be run");
    assert_eq!(error.source.kind(), ErrorKind::NotFound);
    assert_eq!(error.program, "/no/such\x1b[2J");
    let text = error.to_string();
    assert!(
        text.starts_with(r#"cannot start "/no/such\u{1b}[2J": "#),
        "{text}"
    );
}
