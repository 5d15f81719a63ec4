//! The daemon, its guard, or both are killed or stopped.

use crate::world::*;
use rustix::process::Signal;
use std::{os::unix::process::ExitStatusExt, path::Path, time::Duration};
use turnwise_process::{BootTime, Guard, GuardDeadline, Launcher};

/// Prints a measurement.
fn report(what: &str, last: Duration, since: Duration) {
    let ms = last.as_secs_f64() * 1e3 - since.as_secs_f64() * 1e3;
    println!("{what}: last act after {ms:.1} ms");
}

pub(crate) async fn a_killed_daemon() {
    let witness = Witness::new();
    let daemon = Daemon::start(&witness, LONG).await;
    let begin = now();
    signal(daemon.pid, Signal::KILL);
    let last = witness.over().await;
    report("kill -9 of the daemon", last, begin);
    assert!(last < begin + SLACK);
    until(|| !runs(daemon.guard)).await;
}

pub(crate) async fn a_stopped_daemon() {
    let witness = Witness::new();
    let limit = Duration::from_secs(1);
    let mut daemon = Daemon::start(&witness, limit).await;
    let begin = now();
    stop(daemon.pid).await;
    let last = witness.over().await;
    report("SIGSTOP of the daemon, 1 s", last, begin);
    assert!(last < begin + limit + SLACK);
    until(|| !runs(daemon.guard)).await;
    signal(daemon.pid, Signal::CONT);
    // It hears of the end, with its status.
    let line = within(daemon.lines.next_line()).await.expect("it is text");
    assert_eq!(line.as_deref(), Some("signal: 9 (SIGKILL)"));
    within(daemon.child.wait()).await.expect("it is ours");
    assert_eq!(witness.over().await, last);
}

pub(crate) async fn a_killed_guard() {
    let witness = Witness::new();
    let process = guarded(LONG).spawn(&mut actors(&witness.0)).await;
    let process = process.expect("it can be started");
    witness.all_act(Duration::ZERO).await;
    let begin = now();
    signal(guard_of(&process), Signal::KILL);
    let last = witness.over().await;
    report("kill -9 of the guard", last, begin);
    assert!(last < begin + SLACK);
    let ended = within(process.exited()).await;
    assert_eq!((ended.status, ended.asked), (None, false));
}

/// Then there is only the kernel, which ends the process itself; and the daemon once it goes on.
pub(crate) async fn a_killed_guard_of_a_stopped_daemon() {
    let witness = Witness::new();
    let mut daemon = Daemon::start(&witness, LONG).await;
    stop(daemon.pid).await;
    let begin = now();
    signal(daemon.guard, Signal::KILL);
    until(|| !runs(daemon.leader)).await;
    let last = witness.last()["leader"];
    report("kill -9 of the guard of a stopped daemon", last, begin);
    assert!(last < begin + SLACK);
    signal(daemon.pid, Signal::CONT);
    witness.over().await;
    within(daemon.child.wait()).await.expect("it is ours");
}

pub(crate) async fn a_stopped_guard_and_a_kill() {
    let witness = Witness::new();
    let process = guarded(LONG).spawn(&mut actors(&witness.0)).await;
    let mut process = process.expect("it can be started");
    witness.all_act(Duration::ZERO).await;
    let guard = guard_of(&process);
    stop(guard).await;
    let begin = now();
    let kill = tokio::spawn(async move { within(process.kill()).await });
    let last = witness.over().await;
    report("SIGSTOP of the guard, and a kill", last, begin);
    // Not only when the daemon has given up its guard.
    assert!(last < begin + Duration::from_secs(2));
    let ended = kill.await.expect("it ends");
    assert!(!runs(guard));
    assert!(
        ended.asked && ended.killed && ended.status.is_none(),
        "{ended:?}"
    );
}

pub(crate) async fn a_stopped_guard_and_an_end() {
    let process = guarded(LONG).spawn(&mut sh("read line; exit 3")).await;
    let mut process = process.expect("it can be started");
    let guard = guard_of(&process);
    stop(guard).await;
    process.stdin = None;
    let ended = within(process.exited()).await;
    assert_eq!((ended.status, ended.asked), (None, false));
    assert!(!runs(guard));
}

/// Its daemon went on meanwhile, and the deadline was renewed all the time.
pub(crate) async fn a_stopped_guard_that_goes_on() {
    let limit = Duration::from_secs(2);
    let process = guarded(limit).spawn(&mut sh("read line; exit 3")).await;
    let mut process = process.expect("it can be started");
    let guard = guard_of(&process);
    stop(guard).await;
    // There is no event of a deadline that does not pass.
    tokio::time::sleep(limit * 2).await;
    signal(guard, Signal::CONT);
    until(|| stat(guard).is_some_and(|(state, _)| state == "S")).await;
    process.stdin = None;
    let ended = within(process.exited()).await;
    assert_eq!(ended.status.and_then(|status| status.code()), Some(3));
}

/// As if the machine was paused. What runs first when it goes on is up to the kernel; here, the guard is the last.
pub(crate) async fn all_stopped_together() {
    let witness = Witness::new();
    let limit = Duration::from_secs(1);
    let mut daemon = Daemon::start(&witness, limit).await;
    let actors = witness.actors();
    for pid in actors.iter().chain([&daemon.guard, &daemon.pid]) {
        stop(*pid).await;
    }
    let stopped = now();
    until(|| now() > stopped + limit * 2).await;
    let before = witness.last();
    let begin = now();
    for pid in actors.iter().chain([&daemon.pid, &daemon.guard]) {
        signal(*pid, Signal::CONT);
    }
    let last = witness.over().await;
    report("all stopped together, since SIGCONT", last, begin);
    let text = std::fs::read_to_string(&witness.0).expect("it was written");
    for (name, until) in before {
        let acts = text.lines().filter_map(|line| line.strip_prefix(&name));
        let acts = acts.filter(|act| {
            let micros = act.trim().parse().expect("a number");
            Duration::from_micros(micros) > until
        });
        println!("{name} acted {} times after the pause", acts.count());
    }
    assert!(last < begin + SLACK);
    let line = within(daemon.lines.next_line()).await.expect("it is text");
    assert_eq!(line.as_deref(), Some("signal: 9 (SIGKILL)"));
    within(daemon.child.wait()).await.expect("it is ours");
}

/// Sent to all processes of a service: the daemon ends its processes in its own way.
pub(crate) async fn signals_to_the_guard() {
    let process = guarded(LONG).spawn(&mut sh("read line; exit 3")).await;
    let mut process = process.expect("it can be started");
    let guard = guard_of(&process);
    for ignored in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
        signal(guard, ignored);
    }
    let pid = rustix::process::Pid::from_raw(guard);
    let group = rustix::process::getpgid(pid).expect("it runs");
    assert_eq!(
        Some(group),
        pid,
        "a signal to the daemon's group is none to it"
    );
    let directory = std::fs::read_link(format!("/proc/{guard}/cwd"));
    assert_eq!(directory.expect("it runs"), Path::new("/"));
    process.stdin = None;
    let status = within(process.exited()).await.status;
    assert_eq!(status.and_then(|status| status.code()), Some(3));
    let process = guarded(LONG).spawn(&mut sh("kill -TERM $$")).await;
    let process = process.expect("it can be started");
    let status = within(process.exited()).await.status;
    // It does not inherit that.
    assert_eq!(status.and_then(|status| status.signal()), Some(15));
}

/// It has left the group, its parents are gone, and it has no mark. Only the guard knows that it is a descendant.
pub(crate) async fn a_child_with_another_environment() {
    for way in ["exit", "kill", "deadline"] {
        let deadline = GuardDeadline::new(BootTime::now() + LONG);
        let launcher = Launcher::new().guard(Guard::until(&deadline));
        let script = "(setsid env -i sh -c 'echo $$; exec sleep 600' &); cat";
        let process = launcher.spawn(&mut sh(script)).await;
        let mut process = process.expect("it can be started");
        let mut lines = process.lines(100).expect("it was not taken");
        let pid = number(&mut lines).await;
        assert!(runs(pid));
        match way {
            "exit" => process.stdin = None,
            "kill" => assert!(within(process.kill()).await.killed),
            _ => deadline.set(BootTime::now()),
        }
        within(process.exited()).await;
        assert!(!runs(pid), "{way}");
    }
}

/// As `init` would.
pub(crate) async fn an_orphan_that_ends_is_reaped() {
    let script = "(setsid sh -c 'echo $$; exec sleep 600' &); cat";
    let process = guarded(LONG).spawn(&mut sh(script)).await;
    let mut process = process.expect("it can be started");
    let guard = guard_of(&process);
    let mut lines = process.lines(100).expect("it was not taken");
    let pid = number(&mut lines).await;
    // When its parent has ended.
    until(|| stat(pid).is_some_and(|(_, parent)| parent == guard)).await;
    signal(pid, Signal::KILL);
    until(|| stat(pid).is_none()).await;
    assert_eq!(process.ended(), None);
    within(process.stop()).await;
}
