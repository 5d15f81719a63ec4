//! What a pi that was killed leaves running: the children of its tools.
//!
//! They have sessions and groups of their own, and their parent is gone; so each pi has a mark of its own in its environment,
//! which its children inherit. On Linux only; elsewhere they run to their end.

use crate::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::hash::BuildHasher;

/// The name of the mark.
pub(super) const MARK: &str = "TURNWISE_PI";

/// A mark that no other process has: of this one, its number, and what cannot be guessed.
pub(super) fn mark() -> Arc<str> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let random = crate::sync::RandomState::new().hash_one(count);
    format!("{}-{count}-{random:016x}", std::process::id()).into()
}

/// Kills every process with this mark, until there is none. Looks through all processes: not for a thread of the runtime.
#[cfg(not(target_os = "linux"))]
pub(super) fn end(_mark: &str) {}

/// Kills every process with this mark, until there is none. Looks through all processes: not for a thread of the runtime.
#[cfg(target_os = "linux")]
pub(super) fn end(mark: &str) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// Children may be made while we look.
    const ROUNDS: usize = 100;
    /// One that does not die of this waits for a device.
    const PATIENCE: Timespec = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    let line = format!("{MARK}={mark}");
    for _ in 0..ROUNDS {
        let killed = kill(line.as_bytes());
        if killed.is_empty() {
            return;
        }
        for process in &killed {
            // Readable when it is dead.
            let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&PATIENCE));
        }
    }
}

/// Those that were not dead yet.
#[cfg(target_os = "linux")]
fn kill(line: &[u8]) -> Vec<std::os::fd::OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let mut killed = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else {
            continue;
        };
        // Opened before the look: should the number go to another process in between, that one has no mark, or the signal
        // goes to the one that is gone.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        // Of a process that is dead already it is empty; of another user's it cannot be read.
        let Ok(environment) = std::fs::read(entry.path().join("environ")) else {
            continue;
        };
        let marked = environment.split(|byte| *byte == 0).any(|set| set == line);
        if marked && pidfd_send_signal(&process, Signal::KILL).is_ok() {
            killed.push(process);
        }
    }
    killed
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{MARK, end, mark};
    use std::process::{Command, Stdio};

    #[test]
    fn the_marked_are_killed_and_no_others() {
        let (ours, others) = (mark(), mark());
        assert_ne!(ours, others);
        let sleeps = |mark: &str| {
            let mut command = Command::new("sleep");
            command.arg("600").env(MARK, mark).stdin(Stdio::null());
            command.spawn().expect("`sleep` can be run")
        };
        let (mut first, mut second) = (sleeps(&ours), sleeps(&ours));
        let mut other = sleeps(&others);
        // A spawn returns when the environment is that of the program.
        end(&ours);
        for killed in [&mut first, &mut second] {
            assert!(!killed.wait().expect("it is ours").success());
        }
        assert!(other.try_wait().expect("it is ours").is_none(), "it runs");
        other.kill().expect("it is ours");
        other.wait().expect("it is ours");
        end(&ours);
    }
}
