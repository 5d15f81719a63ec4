//! Every public future is dropped at every one of its polls: before the first, between any two, and after the last, with the
//! rest of the runtime running in between. Nothing is lost by that: the key is free for the next, the ledger is in order.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use turnwise::manager::{SessionTurn, TurnOptions};

use crate::script::{Act, Step, fail, say};
use crate::{HOUR, Manager, Stage, plain, settled};

const MILLI: Duration = Duration::from_millis(1);

type Call = Pin<Box<dyn Future<Output = ()>>>;

/// What others do to the key meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    ItRests,
    ItIsBusy,
    ItIsHeldAndDiscarded,
    AStartFails,
    AStartPanics,
    ItIsStopped,
    ItIsNotHealthy,
    TheLineIsSentAway,
    AllIsSwept,
}

const MEANWHILE: [Meanwhile; 10] = [
    Meanwhile::Nothing,
    Meanwhile::ItRests,
    Meanwhile::ItIsBusy,
    Meanwhile::ItIsHeldAndDiscarded,
    Meanwhile::AStartFails,
    Meanwhile::AStartPanics,
    Meanwhile::ItIsStopped,
    Meanwhile::ItIsNotHealthy,
    Meanwhile::TheLineIsSentAway,
    Meanwhile::AllIsSwept,
];

impl Meanwhile {
    /// Before the call.
    async fn before(self, m: &Manager, stage: &Stage) {
        match self {
            Self::Nothing => {}
            Self::ItRests | Self::AllIsSwept => drop(m.turn("a").await),
            Self::ItIsBusy | Self::TheLineIsSentAway => {
                m.send_message("a", say("before").takes(7 * MILLI)).detach();
            }
            Self::ItIsHeldAndDiscarded => {
                let turn = m.turn("a").await.expect("free");
                tokio::spawn(async move {
                    tokio::time::sleep(3 * MILLI).await;
                    SessionTurn::discard(turn);
                });
            }
            Self::AStartFails | Self::AStartPanics => {
                let act = match self {
                    Self::AStartFails => fail(),
                    _ => Act::panic(),
                };
                let first = m.turn("a");
                stage.script.tell("a", Step::Start, Act::take(3 * MILLI));
                stage.script.tell("a", Step::Start, act);
                tokio::spawn(async move { SessionTurn::discard(first.await.expect("free")) });
            }
            Self::ItIsStopped => {
                drop(m.turn("a").await);
                drop(m.stop("a"));
            }
            Self::ItIsNotHealthy => {
                drop(m.turn("a").await);
                stage.script.tell("a", Step::IsHealthy, fail());
            }
        }
    }

    /// After the poll of this number.
    async fn between(self, m: &Manager, poll: usize) {
        match self {
            Self::TheLineIsSentAway if poll == 4 => drop(m.dismiss("a")),
            Self::AllIsSwept if poll == 2 => drop(tokio::spawn(m.cleanup_idle(Duration::ZERO))),
            _ => {}
        }
        settled().await;
    }
}

/// Drops the call after `polls` of them. True if it came to its end before.
async fn dropped_after(polls: usize, meanwhile: Meanwhile, call: fn(&Manager) -> Call) -> bool {
    let (m, stage) = plain();
    stage.script.all_take(2 * MILLI);
    meanwhile.before(&m, &stage).await;
    let mut future = call(&m);
    let mut ended = false;
    for poll in 0..polls {
        let mut cx = Context::from_waker(Waker::noop());
        if let Poll::Ready(()) = future.as_mut().poll(&mut cx) {
            ended = true;
            break;
        }
        meanwhile.between(&m, poll).await;
    }
    drop(future);
    // The key is free for the next, who waits for what goes on, and shares an error at most once.
    let mut next = m.send_message("a", say("next"));
    let mut served = tokio::time::timeout(HOUR, &mut next).await;
    if let Ok(Err(error)) = &served {
        let closed = matches!(error.error, turnwise::manager::TurnError::Closed);
        let shared = matches!(
            error.error,
            turnwise::manager::TurnError::Start(_) | turnwise::manager::TurnError::StartPanicked
        );
        assert!(closed || shared, "{error:?}");
        if shared {
            served = tokio::time::timeout(HOUR, m.send_message("a", say("again"))).await;
            assert!(matches!(served, Ok(Ok(_))), "a new start");
        }
    }
    assert!(served.is_ok(), "the key is stuck");
    drop(next);
    stage.end(m).await;
    ended
}

/// `least`: so many polls must be there to be dropped at, in some situation.
async fn at_every_poll(least: usize, call: fn(&Manager) -> Call) {
    let mut most = 0;
    for meanwhile in MEANWHILE {
        let mut polls = 0;
        while !dropped_after(polls, meanwhile, call).await {
            polls += 1;
            assert!(polls < 1000, "it never ends, {meanwhile:?}");
        }
        most = most.max(polls);
    }
    assert!(most >= least, "of {least} polls there were {most}");
}

#[tokio::test(start_paused = true)]
async fn turn_dropped_at_every_poll() {
    at_every_poll(5, |m| {
        let entering = m.turn("a");
        Box::pin(async { drop(entering.await) })
    })
    .await;
}

/// The turn is kept for a while and then discarded: the future that holds it is dropped there too.
#[tokio::test(start_paused = true)]
async fn a_turn_in_use_dropped_at_every_poll() {
    at_every_poll(8, |m| {
        let entering = m.turn("a");
        Box::pin(async {
            if let Ok(turn) = entering.await {
                settled().await;
                settled().await;
                SessionTurn::discard(turn);
            }
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn turn_with_dropped_at_every_poll() {
    at_every_poll(4, |m| {
        let entering = m.with(TurnOptions::default().wait(3 * MILLI)).turn("a");
        Box::pin(async { drop(entering.await) })
    })
    .await;
    at_every_poll(2, |m| {
        let entering = m.with(TurnOptions::no_wait()).turn("a");
        Box::pin(async { drop(entering.await) })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn with_turn_dropped_at_every_poll() {
    at_every_poll(8, |m| {
        let closure = m.with_turn("a", async |live| {
            live.told(u64::MAX);
            settled().await;
            settled().await;
            live.read(u64::MAX);
        });
        Box::pin(async { drop(closure.await) })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn restart_dropped_at_every_poll() {
    at_every_poll(7, |m| {
        let entering = m.restart("a");
        Box::pin(async { drop(entering.await) })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn send_message_dropped_at_every_poll() {
    at_every_poll(8, |m| {
        let sending = m.send_message("a", say("dropped").takes(3 * MILLI));
        Box::pin(async { drop(sending.await) })
    })
    .await;
}

/// A message that does not end when it is cancelled is cut short in the end.
#[tokio::test(start_paused = true)]
async fn a_deaf_message_dropped_at_every_poll() {
    at_every_poll(6, |m| {
        let sending = m.send_message("a", say("deaf").takes(HOUR / 100));
        Box::pin(async {
            let _ = tokio::time::timeout(6 * MILLI, sending).await;
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn started_and_next_event_dropped_at_every_poll() {
    at_every_poll(6, |m| {
        let mut sending = m.send_message("a", say("dropped").in_parts(2).takes(3 * MILLI));
        Box::pin(async move {
            let _ = sending.started().await;
            while sending.next_event().await.is_some() {}
            drop(sending.await);
        })
    })
    .await;
}

/// The message goes on: only the look at it is dropped.
#[tokio::test(start_paused = true)]
async fn a_look_at_a_message_dropped_at_every_poll_loses_nothing() {
    for polls in 0..20 {
        let (m, stage) = plain();
        stage.script.all_take(2 * MILLI);
        let mut sending = m.send_message("a", say("heard").in_parts(3).takes(3 * MILLI));
        let mut parts = 0;
        for _ in 0..polls {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = std::pin::pin!(sending.started()).poll(&mut cx);
            if let Poll::Ready(Some(_)) = std::pin::pin!(sending.next_event()).poll(&mut cx) {
                parts += 1;
            }
            settled().await;
        }
        sending.started().await.expect("it starts");
        while sending.next_event().await.is_some() {
            parts += 1;
        }
        assert_eq!(parts, 3, "after {polls} polls");
        sending.await.expect("it ends");
        stage.end(m).await;
    }
}

#[tokio::test(start_paused = true)]
async fn stop_dropped_at_every_poll() {
    at_every_poll(4, |m| {
        let stopping = m.stop("a");
        Box::pin(async { drop(stopping.await) })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn cleanup_idle_dropped_at_every_poll() {
    at_every_poll(2, |m| {
        let sweep = m.cleanup_idle(Duration::ZERO);
        Box::pin(async { drop(sweep.await) })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_dropped_at_every_poll() {
    at_every_poll(4, |m| {
        let shutdown = m.shutdown(3 * MILLI);
        Box::pin(async { drop(shutdown.await) })
    })
    .await;
}

/// Nothing that is told is lost by a reader that goes away and comes back.
#[tokio::test(start_paused = true)]
async fn next_of_a_subscription_dropped_at_every_poll() {
    at_every_poll(4, |m| {
        let (mut events, mut heard) = (m.subscribe(), m.listen("a"));
        m.send_message("a", say("heard").in_parts(1).takes(3 * MILLI))
            .detach();
        Box::pin(async move {
            let turn = tokio::time::timeout(20 * MILLI, heard.next()).await;
            drop((turn, tokio::time::timeout(20 * MILLI, events.next()).await));
        })
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn cancelled_dropped_at_every_poll() {
    at_every_poll(4, |m| {
        let m = m.clone();
        Box::pin(async move {
            let Ok(turn) = m.turn("a").await else { return };
            let stop = m.stop("a");
            SessionTurn::cancelled(&turn).await;
            drop(turn);
            drop(stop.await);
        })
    })
    .await;
}
