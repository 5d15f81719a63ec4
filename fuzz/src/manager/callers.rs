//! The callers: each has one future, polls it, and sees how it ends.

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use turnwise::testing::Scripted;
use turnwise::{
    Ticket,
    manager::{
        DrainReport, Entering, Sending, SessionTurn, Skip as RealSkip, StopError, SweepReport,
        TurnError,
    },
};

use super::words::*;
use super::worker::{Failure, Worker};

pub(crate) type Agent = Scripted<Worker>;

/// What a caller has of its call.
pub(crate) enum Thing {
    Sending(Sending<Agent>),
    Entering(Entering<Agent>),
    Other(Pin<Box<dyn Future<Output = End>>>),
    Turn(SessionTurn<Agent>),
    /// It has ended, or was dropped.
    Nothing,
}

pub(crate) struct Caller {
    pub(crate) key: usize,
    pub(crate) thing: Thing,
    pub(crate) ticket: Option<Ticket>,
    /// It is polled when it is woken.
    pub(crate) polls: bool,
    woken: Arc<Woken>,
    pub(crate) seen: Option<End>,
    /// Whether its message came back.
    pub(crate) back: Option<bool>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Caller {
    pub(crate) fn new(key: usize, thing: Thing, ticket: Option<Ticket>, polls: bool) -> Self {
        Self {
            key,
            thing,
            ticket,
            polls,
            woken: Arc::new(Woken(AtomicBool::new(true))),
            seen: None,
            back: None,
        }
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.polls && self.woken.0.load(Ordering::SeqCst)
    }

    /// It waits for something.
    pub(crate) fn waits(&self) -> bool {
        !matches!(self.thing, Thing::Nothing | Thing::Turn(_))
    }

    pub(crate) fn poll(&mut self) {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        let ended = match &mut self.thing {
            Thing::Nothing | Thing::Turn(_) => return,
            Thing::Sending(sending) => match Pin::new(sending).poll(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(_)) => (End::Done, Thing::Nothing),
                Poll::Ready(Err(error)) => {
                    self.back = Some(error.message.is_some());
                    (End::Failed(why(&error.error)), Thing::Nothing)
                }
            },
            Thing::Entering(entering) => match Pin::new(entering).poll(&mut cx) {
                Poll::Pending => return,
                Poll::Ready(Ok(turn)) => (End::Turn, Thing::Turn(turn)),
                Poll::Ready(Err(error)) => (End::Failed(why(&error)), Thing::Nothing),
            },
            // The panic of a closure is its caller's.
            Thing::Other(future) => {
                match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx))) {
                    Ok(Poll::Pending) => return,
                    Ok(Poll::Ready(end)) => (end, Thing::Nothing),
                    Err(_) => (End::Failed(Why::Panicked), Thing::Nothing),
                }
            }
        };
        let (seen, left) = ended;
        self.seen = Some(seen);
        drop(mem::replace(&mut self.thing, left));
    }
}

pub(crate) fn why(error: &TurnError<Failure>) -> Why {
    match error {
        TurnError::Busy => Why::Busy,
        TurnError::Closed => Why::Closed,
        TurnError::QueueFull => Why::QueueFull,
        TurnError::RegistryFull => Why::RegistryFull,
        TurnError::WaitTimedOut => Why::WaitTimedOut,
        TurnError::Dismissed => Why::Dismissed,
        TurnError::Start(_) => Why::Start,
        TurnError::StartTimedOut => Why::StartTimedOut,
        TurnError::StartPanicked => Why::StartPanicked,
        TurnError::Agent(_) => Why::Agent,
        TurnError::TurnTimedOut => Why::TurnTimedOut,
        TurnError::Aborted => Why::Aborted,
        TurnError::Panicked => Why::Panicked,
        other => unreachable!("{other:?} is new"),
    }
}

pub(crate) fn stopped(end: &Result<bool, StopError<Failure>>) -> End {
    match end {
        Ok(stopped) => End::Stopped(*stopped),
        Err(StopError::Closed) => End::StopClosed,
        Err(StopError::Held) => End::StopHeld,
        Err(StopError::Panicked) => End::StopFailed(Ended::Panic),
        Err(StopError::Abandoned) => End::StopFailed(Ended::Overran),
        Err(_) => End::StopFailed(Ended::Fail),
    }
}

fn keys(keys: impl IntoIterator<Item = u8>) -> Vec<usize> {
    let mut keys: Vec<usize> = keys.into_iter().map(usize::from).collect();
    keys.sort_unstable();
    keys
}

pub(crate) fn drained(report: DrainReport<u8>) -> End {
    let failed = report.failed.into_iter().map(|(key, _)| key);
    let ends = [keys(report.stopped), keys(failed), keys(report.abandoned)];
    End::Report(ends, Vec::new())
}

pub(crate) fn swept(report: SweepReport<u8>) -> End {
    let failed = report.failed.into_iter().map(|(key, _)| key);
    let ends = [keys(report.stopped), keys(failed), keys(report.abandoned)];
    let skip = |skip| match skip {
        RealSkip::Busy(_) => Skip::Busy,
        RealSkip::Waiting(_) => Skip::Waiting,
        RealSkip::Touched => Skip::Touched,
        RealSkip::Young => Skip::Young,
        other => unreachable!("{other:?} is new"),
    };
    let skipped = report.skipped.into_iter();
    let mut skipped: Vec<_> = skipped
        .map(|(key, why)| (usize::from(key), skip(why)))
        .collect();
    skipped.sort_unstable();
    End::Report(ends, skipped)
}
