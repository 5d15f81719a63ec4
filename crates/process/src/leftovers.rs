//! What a process leaves running when it ends. See the root of the documentation.

use std::hash::BuildHasher;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// An environment variable that no other process has.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    pub(crate) name: Arc<str>,
    pub(crate) value: Arc<str>,
}

/// A mark of this process, its number, and what cannot be guessed.
pub(crate) fn mark(name: &str) -> Mark {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let random = std::hash::RandomState::new().hash_one(count);
    Mark {
        name: name.into(),
        value: format!("{}-{count}-{random:016x}", std::process::id()).into(),
    }
}

/// By which the children of a process are known.
#[derive(Clone, Debug)]
#[cfg_attr(not(target_os = "linux"), allow(dead_code))] // nothing looks for children there
pub(crate) struct Children {
    pub(crate) mark: Mark,
    /// The number of its process group: that of the process itself, which has ended.
    pub(crate) group: Option<u32>,
    #[cfg(target_os = "linux")]
    pub(crate) cgroup: Option<Arc<crate::cgroup::Cgroup>>,
}

/// Kills every one of these, until there is none. Looks through all processes: not for a thread of the runtime.
#[cfg(not(target_os = "linux"))]
pub(crate) fn end(_children: &Children) {}

/// Kills every one of these, until there is none. Looks through all processes: not for a thread of the runtime.
#[cfg(target_os = "linux")]
pub(crate) fn end(children: &Children) {
    rounds(|| {
        let mut killed = kill(children);
        killed.extend(children.cgroup.iter().flat_map(|cgroup| cgroup.kill()));
        killed
    });
}

/// Kills again and again, until twice there was nobody to kill. `kill` returns those that were not dead yet.
#[cfg(target_os = "linux")]
pub(crate) fn rounds(mut kill: impl FnMut() -> Vec<std::os::fd::OwnedFd>) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use std::time::Duration;

    /// Children may be made while we look.
    const ROUNDS: usize = 100;
    /// One that does not die of this waits for a device.
    const PATIENCE: Timespec = Timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    /// A process that is about to run another program has no environment for a moment, and may have left the group: so there
    /// is none only if two looks find none, with this between them.
    const PAUSE: Duration = Duration::from_millis(5);
    let mut none = false;
    for _ in 0..ROUNDS {
        let killed = kill();
        if killed.is_empty() {
            if none {
                return;
            }
            none = true;
            // No signal cuts it short.
            std::thread::sleep(PAUSE);
            continue;
        }
        none = false;
        for process in &killed {
            // Readable when it is dead.
            let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&PATIENCE));
        }
    }
}

/// Whether a process has not exited.
#[cfg(target_os = "linux")]
pub(crate) fn runs(process: impl std::os::fd::AsFd) -> bool {
    use rustix::{
        event::{PollFd, PollFlags, Timespec, poll},
        io::Errno,
    };

    // Readable from its end on.
    let mut process = [PollFd::new(&process, PollFlags::IN)];
    loop {
        match poll(&mut process, Some(&Timespec::default())) {
            // SIGCHLD of another child does that, also to a call that does not wait.
            Err(Errno::INTR) => {}
            ready => return ready == Ok(0),
        }
    }
}

/// Those that were not dead yet.
#[cfg(target_os = "linux")]
fn kill(children: &Children) -> Vec<std::os::fd::OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    let Mark { name, value } = &children.mark;
    let line = format!("{name}={value}");
    // With its leader alive, the number is that of another group: ours was empty, and the number given away.
    let group = children.group.filter(|group| group_of(*group).is_none());
    let mut killed = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
        // Opened before the look: should the number go to another process in between, that one has no mark, or the signal
        // goes to the one that is gone.
        let Some(Ok(process)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
            continue;
        };
        // Of a process that is dead already it is empty; of another user's it cannot be read.
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let marked = environment
            .split(|byte| *byte == 0)
            .any(|set| set == line.as_bytes());
        let grouped = || group.is_some() && group_of(number) == group;
        if (marked || grouped()) && pidfd_send_signal(&process, Signal::KILL).is_ok() {
            killed.push(process);
        }
    }
    killed
}

/// The process group of a process. `None` of one that is dead.
#[cfg(target_os = "linux")]
fn group_of(pid: u32) -> Option<u32> {
    Some(parent_and_group(pid)?.1)
}

/// Of a process. `None` of one that is dead.
#[cfg(target_os = "linux")]
pub(crate) fn parent_and_group(pid: u32) -> Option<(u32, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // `pid (name) state parent group ...`; the name may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let mut number = || fields.next()?.parse().ok();
    let numbers = (number()?, number()?);
    (!["Z", "X"].contains(&state)).then_some(numbers)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::{Children, Mark, end};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    fn mark() -> Mark {
        super::mark("TURNWISE_TEST")
    }

    fn sleeps(mark: &Mark, group: i32) -> Child {
        let mut command = Command::new("sleep");
        command
            .arg("600")
            .env(&*mark.name, &*mark.value)
            .stdin(Stdio::null());
        let child = command.process_group(group).spawn();
        child.expect("`sleep` can be run")
    }

    #[test]
    fn the_marked_are_killed_and_no_others() {
        let (ours, others) = (mark(), mark());
        assert_ne!(ours.value, others.value);
        let (mut first, mut second) = (sleeps(&ours, 0), sleeps(&ours, 0));
        let mut other = sleeps(&others, 0);
        let children = Children {
            mark: ours,
            // Of a group whose leader lives: the number was given away.
            group: Some(other.id()),
            cgroup: None,
        };
        // A spawn returns when the environment is that of the program.
        end(&children);
        for killed in [&mut first, &mut second] {
            assert!(!killed.wait().expect("it is ours").success());
        }
        assert!(other.try_wait().expect("it is ours").is_none(), "it runs");
        other.kill().expect("it is ours");
        other.wait().expect("it is ours");
        end(&children);
    }

    #[test]
    fn the_group_of_one_that_has_ended_is_killed() {
        let others = mark();
        let mut leader = sleeps(&others, 0);
        let group = i32::try_from(leader.id()).expect("it is a number of a process");
        let (mut member, mut other) = (sleeps(&others, group), sleeps(&others, 0));
        leader.kill().expect("it is ours");
        leader.wait().expect("it is ours");
        end(&Children {
            mark: mark(),
            group: Some(leader.id()),
            cgroup: None,
        });
        assert!(!member.wait().expect("it is ours").success());
        assert!(other.try_wait().expect("it is ours").is_none(), "it runs");
        other.kill().expect("it is ours");
        other.wait().expect("it is ours");
    }
}
