//! What a program in the background of a terminal may do there: not read, and not write either, if its user wants it so
//! (`stty tostop`). The system stops one that does.
//!
//! So each read and each write looks first, when it would not wait. Between the look and the read the user may put the daemon
//! into the background. Then the system sends SIGTTIN or SIGTTOU, which [`asked`](crate::asked) catches: the daemon serves,
//! and the call goes on when it is in the foreground again.

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::getpgrp,
    termios::{LocalModes, tcgetattr, tcgetpgrp},
};
use std::{
    io::{self, Read, Write},
    os::fd::AsFd,
};

/// How often a background daemon looks whether it is in the foreground again. Nothing announces that.
const AGAIN: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000_000,
};

/// Standard input or output, without std's buffers and locks.
pub(crate) struct Standard<F>(pub(crate) F);

impl<F: AsFd> Read for Standard<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            until_ready(&self.0, PollFlags::IN)?;
            match rustix::io::read(&self.0, &mut *buffer) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                // It is in the background, and no shell is left that could bring it back.
                Err(Errno::IO) if is_background(&self.0) => {}
                read => return Ok(read?),
            }
        }
    }
}

impl<F: AsFd> Write for Standard<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            until_ready(&self.0, PollFlags::OUT)?;
            match rustix::io::write(&self.0, bytes) {
                Err(Errno::INTR | Errno::AGAIN) => {}
                written => return Ok(written?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until a call would not wait, and would not stop the program.
fn until_ready(at: impl AsFd, what: PollFlags) -> io::Result<()> {
    loop {
        let (asked, at_most) = if would_stop(&at, what) {
            (PollFlags::empty(), Some(&AGAIN))
        } else {
            (what, None)
        };
        let mut polled = [PollFd::new(&at, asked)];
        match poll(&mut polled, at_most) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let found = polled[0].revents();
        // Nobody asks for these: the other side is gone, and no call waits.
        let gone = !(found - asked).is_empty();
        if gone || (!found.is_empty() && !would_stop(&at, what)) {
            return Ok(());
        }
    }
}

fn would_stop(at: impl AsFd, what: PollFlags) -> bool {
    let stops = || tcgetattr(&at).is_ok_and(|mode| mode.local_modes.contains(LocalModes::TOSTOP));
    is_background(&at) && (what == PollFlags::IN || stops())
}

/// Not so for what is no terminal, or not the program's own.
fn is_background(at: impl AsFd) -> bool {
    tcgetpgrp(at).is_ok_and(|group| group != getpgrp())
}
