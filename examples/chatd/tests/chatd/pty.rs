//! A terminal for the daemon: a pseudoterminal, whose other side the test holds.

use crate::daemon::{Daemon, command};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{fs::File, os::fd::OwnedFd, pin::Pin};
use tokio::process::{Child, Command};

pub(crate) struct Pty {
    /// The person's side.
    person: OwnedFd,
    /// The program's side. While it is open here, a program that ends is not the end of the terminal.
    program: OwnedFd,
}

impl Pty {
    pub(crate) fn open() -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let person = openpt(flags).expect("a pseudoterminal");
        grantpt(&person).expect("it is ours");
        unlockpt(&person).expect("it is ours");
        let name = ptsname(&person, Vec::new()).expect("it has a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program = rustix::fs::open(name, flags, Mode::empty()).expect("its other side");
        Self { person, program }
    }

    /// The program of this command, as the leader of a session with this terminal; its pid is the session's.
    pub(crate) fn spawn(&self, inner: &Command) -> Child {
        let inner = inner.as_std();
        let mut outer = Command::new("setsid");
        outer.arg("--ctty").arg(inner.get_program());
        outer.args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        let side = || self.program.try_clone().expect("a descriptor");
        outer.stdin(side()).stdout(side()).stderr(side());
        let child = outer.kill_on_drop(true).spawn();
        child.expect("`setsid` can be run")
    }

    /// The same, once a daemon in it is ready.
    pub(crate) async fn start(&self, inner: &Command) -> Daemon {
        let child = self.spawn(inner);
        Daemon::ready(child, self.side(), self.side()).await
    }

    /// What a person types or reads.
    pub(crate) fn side(&self) -> Pin<Box<tokio::fs::File>> {
        let side = self.person.try_clone().expect("a descriptor");
        Box::pin(tokio::fs::File::from_std(File::from(side)))
    }

    /// Waits until the terminal takes no output (Ctrl-S), or takes it.
    pub(crate) async fn until_held(&self, held: bool) {
        loop {
            let mut side = [PollFd::new(&self.program, PollFlags::OUT)];
            let now = Some(Timespec::default());
            poll(&mut side, now.as_ref()).expect("it can be asked");
            if side[0].revents().contains(PollFlags::OUT) != held {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// The daemon as the only program of a terminal.
pub(crate) async fn on_terminal(pty: &Pty, args: &[&str], variables: &[(&str, &str)]) -> Daemon {
    let mut command = command(args);
    command.envs(variables.iter().copied());
    pty.start(&command).await
}
