//! The records between the daemon and its guard, and descriptors in a message.
//!
//! The two speak over a socket without a name, made by `socketpair`. It is the guard's stdin, so nothing has to be inherited that other
//! children of the daemon could inherit too, and nobody else can connect. Its end is the end of the daemon.

use super::deadline::{BootTime, Term};
use rustix::{
    cmsg_space,
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, recv, recvmsg, send, sendmsg,
    },
};
use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// Of as many descriptors as a message has at most.
const FILES: usize = 3;

/// From the daemon to its guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Renew(Term),
    /// The process has ended: the guard exits, and ends what the process left running, unless that is kept.
    Release {
        keep: bool,
    },
}

/// From the guard to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The shim runs, and has this number. A pidfd of it comes along.
    Ready(i32),
    /// There is no shim, because of this errno.
    Failed(i32),
    /// The process has ended, with this status as `wait` gives it.
    Ended(i32),
}

impl Order {
    pub(super) fn send(self, socket: impl AsFd) -> io::Result<()> {
        let (made, until) = match self {
            Self::Renew(Term { made, until }) => (made.to_nanos(), until.to_nanos()),
            Self::Release { keep } => (u64::MAX, u64::from(keep)),
        };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&made.to_ne_bytes());
        bytes[8..].copy_from_slice(&until.to_ne_bytes());
        // A socket takes all of so few bytes, or nothing.
        send(socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        Ok(())
    }

    /// The next one. `WouldBlock` if there is none yet, `UnexpectedEof` if there will be none.
    pub(super) fn receive(socket: impl AsFd) -> io::Result<Self> {
        let mut bytes = [0; 16];
        let (read, _) = recv(socket, &mut bytes, RecvFlags::DONTWAIT)?;
        if read < bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let [made, until] = [0, 8].map(|at| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_ne_bytes(number)
        });
        if made == u64::MAX {
            return Ok(Self::Release { keep: until > 0 });
        }
        let [made, until] = [made, until].map(BootTime::from_nanos);
        Ok(Self::Renew(Term { made, until }))
    }
}

impl Report {
    pub(super) fn send(self, socket: impl AsFd, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let (kind, value) = match self {
            Self::Ready(pid) => (0, pid),
            Self::Failed(errno) => (1, errno),
            Self::Ended(status) => (2, status),
        };
        let bytes = [[kind, 0, 0, 0], value.to_ne_bytes()].concat();
        send_with(socket, &bytes, files)?;
        Ok(())
    }

    /// As [`Order::receive`].
    pub(super) fn receive(socket: impl AsFd) -> io::Result<(Self, Vec<OwnedFd>)> {
        let mut bytes = [0; 8];
        let (read, files) = receive_with(socket, &mut bytes)?;
        let [kind, _, _, _, value @ ..] = bytes;
        let value = i32::from_ne_bytes(value);
        let report = match kind {
            _ if read < bytes.len() => return Err(io::ErrorKind::UnexpectedEof.into()),
            0 => Self::Ready(value),
            1 => Self::Failed(value),
            _ => Self::Ended(value),
        };
        Ok((report, files))
    }
}

/// Sends bytes and descriptors, as many bytes as there is room for. Does not block.
pub(super) fn send_with(
    socket: impl AsFd,
    bytes: &[u8],
    files: &[BorrowedFd<'_>],
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        let fits = control.push(SendAncillaryMessage::ScmRights(files));
        debug_assert!(fits, "there is room for three");
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    Ok(sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut control,
        flags,
    )?)
}

/// Receives bytes, and the descriptors that came with them. No child inherits these. Blocks if the socket does.
pub(super) fn receive_with(
    socket: impl AsFd,
    bytes: &mut [u8],
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = loop {
        let mut into = [IoSliceMut::new(bytes)];
        match recvmsg(&socket, &mut into, &mut control, flags) {
            Err(Errno::INTR) => {}
            received => break received?,
        }
    };
    let mut files = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            files.extend(received);
        }
    }
    Ok((received.bytes, files))
}
