//! A cgroup of a process and of everything that it starts. A child cannot leave it without being allowed to.

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// A drop removes it. While a process is in it, the system refuses that.
#[derive(Debug)]
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// Makes one of this name, below that of this program.
    pub(crate) fn make(name: &str) -> io::Result<Self> {
        let none = || {
            io::Error::new(
                io::ErrorKind::NotFound,
                "this program has no cgroup of version 2",
            )
        };
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mount = mounts.lines().find_map(mount_of).ok_or_else(none)?;
        let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
        let path = Path::new(mount).join(own.ok_or_else(none)?);
        let path = path.join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Moves a process into it. What it starts from now on is in it too.
    ///
    /// A process that has ended already need not enter.
    pub(crate) fn enter(&self, pid: u32) -> io::Result<()> {
        let entered = fs::write(self.0.join("cgroup.procs"), pid.to_string());
        entered.or_else(
            |error| match error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) {
                true => Ok(()),
                false => Err(error),
            },
        )
    }

    /// Kills everything in it, and returns what was not dead yet.
    pub(crate) fn kill(&self) -> Vec<OwnedFd> {
        // All at once, with what is in cgroups below it (since Linux 5.14).
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        let members = || fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        let pids = members();
        let pids = pids
            .lines()
            .filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
        let opened = pids.filter_map(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?)));
        let opened: Vec<_> = opened.collect();
        // Opened before this look: so each that is a member still is what was opened.
        let members = members();
        let is_member = |pid: Pid| members.lines().any(|member| member == pid.to_string());
        let killed = opened.into_iter().filter(|(pid, process)| {
            is_member(*pid) && pidfd_send_signal(process, Signal::KILL).is_ok()
        });
        killed.map(|(_, process)| process).collect()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// The mount point of version 2. Spaces in it are escaped there; such a path is not found.
fn mount_of(line: &str) -> Option<&str> {
    let (before, after) = line.split_once(" - ")?;
    after
        .starts_with("cgroup2 ")
        .then(|| before.split(' ').nth(4))?
}
