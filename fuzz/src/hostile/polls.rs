//! Polls and waits of what is in the caller's hands, with wakers that are hostile too.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use turnwise::WaitError;

use super::calls::{keep, keep_turn};
use super::checks;
use super::hands::{Held, Wait, hold, pick};
use super::script::with;
use super::values;

/// Pending once.
pub(super) async fn pause() {
    let mut paused = false;
    poll_fn(|_| match std::mem::replace(&mut paused, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

/// A panic goes on when what was polled is back in the hands: it was not given away.
pub(super) fn poll(operand: u8, afresh: bool) {
    let waits = |held: &Held| match held {
        Held::Place { wait, .. } => !wait.spoiled,
        Held::Released(..) | Held::Drain(..) | Held::Start { .. } => true,
        _ => false,
    };
    match pick(operand, waits) {
        Some(Held::Place {
            key,
            mut enter,
            mut wait,
        }) => {
            let polled = polled(&mut wait, (afresh, false), |cx| {
                Pin::new(&mut enter).poll(cx)
            });
            // A future that has panicked is not polled again.
            wait.spoiled = polled.is_err();
            match polled {
                Ok(Poll::Ready(entry)) => keep(entry.ok()),
                Ok(Poll::Pending) => hold(Some(Held::Place { key, enter, wait })),
                Err(panic) => {
                    hold(Some(Held::Place { key, enter, wait }));
                    resume_unwind(panic);
                }
            }
        }
        Some(Held::Released(mut departure, mut wait)) => {
            let polled = polled(&mut wait, (afresh, false), |cx| {
                Pin::new(&mut departure).poll(cx)
            });
            hold(Some(Held::Released(departure, wait)));
            polled.map_or_else(|panic| resume_unwind(panic), drop);
        }
        Some(Held::Drain(mut drain, mut wait)) => {
            let polled = polled(&mut wait, (afresh, true), |cx| pin!(drain.next()).poll(cx));
            // Given or pending, or after a panic: it goes on. Drained, it may be asked again.
            hold(Some(Held::Drain(drain, wait)));
            match polled {
                Ok(Poll::Ready(closing)) => hold(closing.map(Held::Closing)),
                Ok(Poll::Pending) => {}
                Err(panic) => resume_unwind(panic),
            }
        }
        Some(Held::Start {
            key,
            ticket,
            mut start,
        }) => {
            // After a panic all that it has is dropped.
            match start.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(turn) => turn.map_or((), keep_turn),
                Poll::Pending => hold(Some(Held::Start { key, ticket, start })),
            }
        }
        _ => {}
    }
}

type Polled<T> = Result<Poll<T>, Box<dyn std::any::Any + Send>>;

fn polled<T>(
    wait: &mut Wait,
    (afresh, drain): (bool, bool),
    poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
) -> Polled<T> {
    let former = wait.waker;
    if afresh {
        wait.waker = with(|stage| stage.hands.new_wait()).waker;
    }
    with(|stage| stage.polled_drains.extend(drain.then_some(wait.waker)));
    let waker = values::waker(wait.waker);
    // Who is woken during a poll, by what the drop of its old waker did, is to be polled again: it does not sleep.
    let woken = checks::woken(wait.waker);
    let polled = catch_unwind(AssertUnwindSafe(|| poll(&mut Context::from_waker(&waker))));
    let pending = matches!(polled, Ok(Poll::Pending));
    wait.asleep = pending.then_some(woken);
    if polled.is_err() && with(|stage| stage.alive.wakers.contains_key(&former)) {
        wait.waker = former; // It still stands there: the other could not be cloned.
    }
    polled
}

/// With this thread: for as long as it takes if it was granted, else not at all.
pub(super) fn wait(operand: u8) {
    let waits = |held: &Held| matches!(held, Held::Place { wait, .. } if !wait.spoiled);
    let Some(Held::Place {
        key,
        enter,
        mut wait,
    }) = pick(operand, waits)
    else {
        return;
    };
    if checks::is_granted(key, &enter) {
        return keep(enter.wait().ok());
    }
    match enter.wait_timeout(Duration::ZERO) {
        Ok(entry) => keep(Some(entry)),
        Err(WaitError::TimedOut(enter)) => {
            // The waker in the line is this thread's.
            wait.asleep = None;
            hold(Some(Held::Place { key, enter, wait }));
        }
        Err(_) => {}
    }
}
