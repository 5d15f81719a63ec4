//! Deadlines that are renewed, set by their owner, and passed.

use crate::world::*;
use rustix::process::Signal;
use std::time::Duration;
use turnwise_process::{BootTime, Guard, GuardDeadline, GuardError, Launcher};

pub(crate) async fn renewals_keep_it() {
    let witness = Witness::new();
    let limit = Duration::from_secs(2);
    let process = guarded(limit).spawn(&mut actors(&witness.0)).await;
    let mut process = process.expect("it can be started");
    witness.all_act(now() + limit * 2).await;
    assert_eq!(process.ended(), None);
    within(process.kill()).await;
    assert!(witness.actors().is_empty());
}

pub(crate) async fn its_owner_sets_it() {
    let witness = Witness::new();
    let deadline = GuardDeadline::new(BootTime::now() + LONG);
    let launcher = Launcher::new().guard(Guard::until(&deadline));
    let process = launcher.spawn(&mut actors(&witness.0)).await;
    let process = process.expect("it can be started");
    witness.all_act(Duration::ZERO).await;
    let (begin, second) = (now(), Duration::from_secs(1));
    // An earlier one, of which the guard must hear; a later one, in time; and then no more.
    deadline.set(BootTime::now() + second * 2);
    deadline.set(BootTime::now() + second * 4);
    drop(deadline);
    witness.all_act(begin + second * 3).await;
    let last = witness.over().await;
    assert!(last < begin + second * 4 + SLACK);
    let ended = within(process.exited()).await;
    assert_eq!(ended.to_string(), "signal: 9 (SIGKILL)");
}

pub(crate) async fn one_that_has_passed() {
    let witness = Witness::new();
    let deadline = GuardDeadline::new(BootTime::now());
    let launcher = Launcher::new().guard(Guard::until(&deadline));
    let error = launcher.spawn(&mut actors(&witness.0)).await;
    let error = error.expect_err("it has passed");
    assert!(matches!(error.guard(), Some(GuardError::DeadlinePassed)));
    assert!(children_of(this()).is_empty(), "nothing was started");
    deadline.set(BootTime::now() + LONG);
    let process = launcher.spawn(&mut actors(&witness.0)).await;
    let process = process.expect("it can be started");
    deadline.set(BootTime::now());
    let ended = within(process.exited()).await;
    assert_eq!(ended.to_string(), "signal: 9 (SIGKILL)");
    // It is final.
    deadline.set(BootTime::now() + LONG);
    assert!(witness.actors().is_empty());
}

/// The daemon sees it too.
pub(crate) async fn one_that_passes_at_a_stopped_guard() {
    let witness = Witness::new();
    let deadline = GuardDeadline::new(BootTime::now() + LONG);
    let launcher = Launcher::new().guard(Guard::until(&deadline));
    let process = launcher.spawn(&mut actors(&witness.0)).await;
    let process = process.expect("it can be started");
    witness.all_act(Duration::ZERO).await;
    let guard = guard_of(&process);
    stop(guard).await;
    let begin = now();
    deadline.set(BootTime::now() + Duration::from_millis(100));
    let last = witness.over().await;
    assert!(last < begin + SLACK * 2);
    within(process.exited()).await;
    assert!(!runs(guard));
    signal(guard, Signal::CONT);
}

/// A guard that is stopped for long, and a daemon that goes on: it is not blocked, and the guard hears of the newest deadline.
pub(crate) async fn more_than_a_socket_holds() {
    let deadline = GuardDeadline::new(BootTime::now() + LONG);
    let launcher = Launcher::new().guard(Guard::until(&deadline));
    let process = launcher.spawn(&mut sh("read line; exit 3")).await;
    let process = process.expect("it can be started");
    let guard = guard_of(&process);
    stop(guard).await;
    for millis in 0..5_000 {
        deadline.set(BootTime::now() + LONG + Duration::from_millis(millis));
        tokio::task::yield_now().await;
    }
    deadline.set(BootTime::now() + SLACK);
    signal(guard, Signal::CONT);
    let ended = within(process.exited()).await;
    assert_eq!(ended.to_string(), "signal: 9 (SIGKILL)");
}
