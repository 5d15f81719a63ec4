//! What a user sets.

use super::deadline::{GuardDeadline, Term};
#[cfg(target_os = "linux")]
use super::serve;
use std::time::Duration;
use tokio::sync::watch;

/// Ends a process when this program is killed or stopped. [`Launcher::guard`](crate::Launcher::guard) sets it. Linux only.
///
/// Without a guard, the process goes on after `kill -9` of this program, and acts while this program is stopped. A guard is a small
/// parent of the process, outside of the process group of this program. This program renews the guard's deadline. The guard
/// kills the process and everything that the process started:
/// - when the deadline passes on CLOCK_BOOTTIME, which counts the time that the machine is suspended;
/// - at once when this program ends, in whatever way.
///
/// If the guard itself is killed, the kernel kills the process, and this program ends what the process left running.
///
/// A guard also finds children that left the group and have another environment: they are its descendants.
///
/// ```standalone_crate
/// use std::time::Duration;
/// use tokio::process::Command;
/// use turnwise_process::{Guard, Launcher};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     // First of all, before there is a runtime.
///     Guard::init();
///     serve()
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn serve() -> Result<(), Box<dyn std::error::Error>> {
///     let launcher = Launcher::new().guard(Guard::new(Duration::from_secs(5)));
///     let mut cat = launcher.spawn(&mut Command::new("cat")).await?;
///     assert!(cat.stop().await.status.is_some_and(|status| status.success()));
///     Ok(())
/// }
/// ```
///
/// # Details
///
/// - The guard is this program, started again with a mark in its environment. [`init`](Self::init) finds the mark. So there is no
///   second binary to install, to find, or to have another version: `/proc/self/exe` is the file that this program runs from, also
///   after an upgrade has replaced it.
/// - The deadline is renewed by a task of the runtime. If the runtime runs no task for so long, the program counts as stopped.
/// - A suspended machine does not renew a deadline. If it was suspended for longer than that, the process is killed after the suspend.
/// - A deadline that has passed is final. If the whole machine was paused, the process may act until its guard runs again, for an
///   instant. Only the resource that it acts on can refuse that.
/// - The kernel kills a process at the death of the thread that forked it. The guard forks from its main thread.
/// - The guard runs the program of the command with its arguments, its environment and its directory. A command with a user id, a
///   group id or groups is refused. `arg0` and `pre_exec` have no effect.
/// - A program that is set-user-ID or has file capabilities does not die with a guard that is killed.
/// - If this program and the guard are killed in the same instant, the process dies, and its children do not.
/// - An orphan of the process has the guard as its parent, not process 1.
#[derive(Clone, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))] // no guard reads it there
pub struct Guard(pub(crate) Source);

/// Where deadlines come from.
#[derive(Clone, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))] // no guard reads them there
pub(crate) enum Source {
    /// From this crate: it renews them for so long.
    Limit(Duration),
    /// From their owner.
    Owner(watch::Receiver<Term>),
}

impl Default for Guard {
    /// A process may act for 10 s after this program was stopped.
    fn default() -> Self {
        Self::new(Duration::from_secs(10))
    }
}

impl Guard {
    /// Returns a guard that lets a process act for at most `limit` after this program was stopped. The deadline is renewed when a third
    /// of this time has passed. Less than 100 ms counts as 100 ms.
    pub fn new(limit: Duration) -> Self {
        Self(Source::Limit(limit.max(Duration::from_millis(100))))
    }

    /// Returns a guard with a deadline that you move yourself: for a program that holds a lease, and may not act after its end.
    pub fn until(deadline: &GuardDeadline) -> Self {
        Self(Source::Owner(deadline.subscribe()))
    }

    /// Turns this process into a guard if it was started as one, and then never returns. Otherwise returns at once. If `TURNWISE_GUARD` is
    /// set for another reason, exits with status 1.
    ///
    /// Call it at the top of `main`, before there is a runtime or another thread, and before the program does anything.
    /// Without a call on the main thread, [`spawn`](crate::Launcher::spawn) fails with
    /// [`GuardError::NotInitialized`](crate::GuardError::NotInitialized). A late call is not detected: each guard then runs the code before it, and
    /// `spawn` may fail with [`GuardError::NoAnswer`](crate::GuardError::NoAnswer).
    ///
    /// The guard ignores signals such as SIGTERM: it ends with this program. On systems other than Linux, this does nothing.
    pub fn init() {
        #[cfg(target_os = "linux")]
        serve::init();
    }
}
