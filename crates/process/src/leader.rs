//! The process itself, as the child of this program or of its guard.

#[cfg(target_os = "linux")]
use crate::guard::Guarded;
use rustix::process::{Pid, Signal, kill_process_group};
use std::process::ExitStatus;
use tokio::process::Child;

#[derive(Debug)]
pub(crate) enum Leader {
    Own(Child),
    #[cfg(target_os = "linux")]
    Guarded(Guarded),
}

impl Leader {
    /// Its number. `None` after its end.
    pub(crate) fn id(&self) -> Option<u32> {
        match self {
            Self::Own(child) => child.id(),
            #[cfg(target_os = "linux")]
            Self::Guarded(guarded) => Some(guarded.id()),
        }
    }

    /// Its end. `None` if its status is unknown. Cancel-safe.
    pub(crate) async fn wait(&mut self) -> Option<ExitStatus> {
        match self {
            Self::Own(child) => child.wait().await.ok(),
            #[cfg(target_os = "linux")]
            Self::Guarded(guarded) => guarded.wait().await,
        }
    }

    /// To the whole group. It has its number as long as the child is not reaped, and tokio says when that is.
    pub(crate) fn signal(&self, signal: Signal) {
        match self {
            Self::Own(child) => {
                let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
                if let Some(group) = pid.and_then(Pid::from_raw) {
                    // It may have ended in this moment.
                    let _ = kill_process_group(group, signal);
                }
            }
            #[cfg(target_os = "linux")]
            Self::Guarded(guarded) => guarded.signal(signal),
        }
    }

    /// After its end: its guard ends too, with all that the process left running, unless that is kept.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(clippy::unused_async, unused_variables, reason = "a guard ends")
    )]
    pub(crate) async fn release(&mut self, keep: bool) {
        match self {
            Self::Own(_) => {}
            #[cfg(target_os = "linux")]
            Self::Guarded(guarded) => guarded.release(keep).await,
        }
    }
}
