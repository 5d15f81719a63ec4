//! Who asks the daemon to end: a signal, or the terminal.

use std::{future::pending, io};
use tokio::sync::mpsc;

pub(crate) struct Asked {
    signals: Signals,
    /// `/quit`, or the end of input at a terminal.
    quits: mpsc::Receiver<()>,
}

impl Asked {
    /// From here on signals do not end the program by themselves.
    pub(crate) fn new() -> io::Result<(Self, mpsc::Sender<()>)> {
        let (quit, quits) = mpsc::channel(1);
        let signals = Signals::new()?;
        Ok((Self { signals, quits }, quit))
    }

    /// Resolves each time that somebody asks; says who. Cancel-safe.
    pub(crate) async fn again(&mut self) -> &'static str {
        tokio::select! {
            signal = self.signals.next() => signal,
            Some(()) = self.quits.recv() => "the terminal",
        }
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.terminate.recv() => "SIGTERM",
            Some(()) = self.interrupt.recv() => "SIGINT",
            else => pending().await,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => pending().await,
        }
    }
}
