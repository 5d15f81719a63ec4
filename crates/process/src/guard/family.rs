//! All descendants of a guard. An orphan among them becomes the guard's child, not that of `init`: so none is lost, and each is found
//! without a look through all processes. Hundreds of guards whose daemon was killed would take seconds for that.

use crate::leftovers::{parent_and_group, rounds};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, getpid, pidfd_open, pidfd_send_signal,
    set_child_subreaper, waitid,
};
use std::{fs, os::fd::OwnedFd, process::id};

/// Makes this process the parent of its orphans. Does nothing where the kernel does not list children: nobody could reap them.
pub(super) fn adopt() {
    if !children_of(id()).is_empty() {
        // Without it, orphans are found by their mark.
        let _ = set_child_subreaper(Some(getpid()));
    }
}

/// Reaps orphans that have ended, and returns whether there are others.
pub(super) fn reap(leader: Pid) -> bool {
    let mut others = false;
    for child in children_of(id()) {
        let child = i32::try_from(child).ok().and_then(Pid::from_raw);
        if let Some(child) = child.filter(|child| *child != leader) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            others |= matches!(waitid(WaitId::Pid(child), options), Ok(None));
        }
    }
    others
}

/// Kills all of them, until there is none.
pub(super) fn end() {
    rounds(kill);
}

/// Those that were not dead yet.
fn kill() -> Vec<OwnedFd> {
    let mut killed = Vec::new();
    let mut parents = vec![id()];
    while let Some(parent) = parents.pop() {
        for child in children_of(parent) {
            parents.push(child);
            let pid = i32::try_from(child).ok().and_then(Pid::from_raw);
            let Some(Ok(process)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
                continue;
            };
            // Opened before this look: should the number have gone to another process, it has another parent. An orphan has this one.
            let family = [parent, id()];
            let is_ours = parent_and_group(child).is_some_and(|(its, _)| family.contains(&its));
            if is_ours && pidfd_send_signal(&process, Signal::KILL).is_ok() {
                killed.push(process);
            }
        }
    }
    killed
}

/// The children of all threads of a process, also those that have ended.
fn children_of(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            let numbers = list.split_whitespace().map(str::parse);
            numbers.flatten().collect::<Vec<_>>()
        })
        .collect()
}
