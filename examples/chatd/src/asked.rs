//! Who asks the daemon to end: a signal, or the terminal.

use std::io;
#[cfg(unix)]
use std::task::Poll;
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
struct Signals(Vec<(&'static str, tokio::signal::unix::Signal)>);

#[cfg(unix)]
impl Signals {
    /// All that end a program and may be caught, but for those that say it is broken. One that was ignored before the
    /// start stays so: SIGHUP under `nohup`.
    fn new() -> io::Result<Self> {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};

        let ignored = ignored();
        let mut signals = Vec::new();
        for (name, number) in [
            ("SIGTERM", Signal::TERM),
            ("SIGINT", Signal::INT),
            ("SIGHUP", Signal::HUP),
            ("SIGQUIT", Signal::QUIT),
        ] {
            let number = number.as_raw();
            if ignored & (1 << (number - 1)) == 0 {
                signals.push((name, signal(SignalKind::from_raw(number))?));
            }
        }
        // They would stop a daemon in the background. See `foreground`.
        for number in [Signal::TTIN, Signal::TTOU] {
            drop(signal(SignalKind::from_raw(number.as_raw()))?);
        }
        Ok(Self(signals))
    }

    async fn next(&mut self) -> &'static str {
        std::future::poll_fn(|cx| {
            for (name, signal) in &mut self.0 {
                if signal.poll_recv(cx).is_ready() {
                    return Poll::Ready(*name);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The signals that this process inherited as ignored, one bit each. Zero where the system does not show them.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
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
            Err(_) => std::future::pending().await,
        }
    }
}
