//! What a caller does, and what holds of each call.

use super::told::streamed;
use super::{IDLE, KEYS, Run, below, draw, is_once, one_in};
use crate::backend::{Act, Failed, step};
use crate::ledger::Key;
use crate::world::LONG;
use std::future::{Future, poll_fn, ready};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;
use turnwise::{
    Phase,
    manager::{KeepAlive, SessionTurn, StopError, StopReason, TurnError, TurnOptions},
};

/// How many calls a caller makes.
pub(super) const CALLS: usize = 10;

impl Run {
    /// One caller.
    pub(super) async fn calls(self) {
        for _ in 0..CALLS {
            steps(6).await;
            let key = draw(&KEYS[..self.keys]);
            self.calls.fetch_add(1, Ordering::SeqCst);
            match below(12) {
                0..=3 => self.sends(key).await,
                4 => self.enters(key, false).await,
                5 => self.enters(key, true).await,
                6 => self.runs(key).await,
                7 | 8 => self.stops(key).await,
                9 => self.sweeps().await,
                10 => self.meddles(key).await,
                _ => self.looks(key),
            }
        }
    }

    /// A message: waited for, read part by part, cancelled, dropped or let go.
    async fn sends(&self, key: Key) {
        let id = self.messages.fetch_add(1, Ordering::SeqCst) * 10 + u32::from(key);
        let act = draw(&[
            Act::Done,
            Act::Done,
            Act::Done,
            Act::Slow,
            Act::Slow,
            Act::Fail,
            Act::Hang,
            Act::Panic,
            Act::Obey,
            Act::Check,
        ]);
        let options = match below(6) {
            0 => TurnOptions::no_wait(),
            1 => TurnOptions::default().wait(LONG),
            2 => TurnOptions::default().turn(LONG),
            _ => TurnOptions::default(),
        };
        let closed = self.closed();
        let mut sending = self.world.send_with(key, id, act, options.clone());
        let refused = sending.ticket().is_none();
        let answer = match below(5) {
            0 => return sending.detach(),
            1 => {
                steps(8).await;
                sending.abort();
                Some(sending.await)
            }
            2 => in_part(streamed(id, sending)).await,
            3 => {
                let started = in_part(sending.started()).await;
                let answer = in_part(&mut sending).await;
                if let (Some(started), Some(answer)) = (started, &answer) {
                    let back = matches!(answer, Err(error) if error.message.is_some());
                    assert_eq!(started.is_err(), back, "started, and back");
                }
                answer
            }
            _ => in_part(sending).await,
        };
        let Some(answer) = answer else {
            return self.saw("it is dropped");
        };
        if let Err(error) = &answer {
            self.is_right(&error.error, closed, refused, &options);
        } else {
            assert!(!closed, "A4: a reply after the shutdown");
        }
        let words = self.world.hear(id, ready(answer)).await;
        // Too rare to be seen each time.
        if !words.contains("Discarded") {
            self.saw(words.split(" of #").next().unwrap_or_default());
        }
    }

    /// A refusal has a reason.
    fn is_right(
        &self,
        error: &TurnError<Failed>,
        closed: bool,
        refused: bool,
        options: &TurnOptions,
    ) {
        let right = match error {
            TurnError::Closed => self.closes.load(Ordering::SeqCst),
            _ if closed || refused && !options.no_wait => false,
            TurnError::Busy => options.no_wait,
            TurnError::QueueFull => false,
            TurnError::RegistryFull => self.counted,
            TurnError::WaitTimedOut => options.wait.is_some(),
            TurnError::TurnTimedOut => self.limited || options.turn.is_some(),
            _ => true,
        };
        assert!(right, "{error:?} without a reason");
    }

    /// A plain turn, or the same after a restart.
    async fn enters(&self, key: Key, restart: bool) {
        let closed = self.closed();
        let entering = if restart {
            self.manager().restart(&key)
        } else {
            self.manager().turn(&key)
        };
        let refused = entering.ticket().is_none();
        steps(6).await; // not polled yet, it may hold the key
        let turn = match in_part(entering).await {
            None => return,
            Some(Err(error)) => {
                return self.is_right(&error, closed, refused, &TurnOptions::default());
            }
            Some(Ok(turn)) => turn,
        };
        assert!(!closed, "A4: a turn after the shutdown");
        assert_eq!(*SessionTurn::key(&turn), key, "another key's turn");
        self.saw(if restart {
            "a turn by restart"
        } else {
            "a turn"
        });
        let stay = turn.in_turn();
        steps(6).await;
        if one_in(4) {
            SessionTurn::cancelled(&turn).await;
        }
        drop(stay);
        if one_in(4) {
            SessionTurn::discard(turn);
        }
    }

    /// A closure in a turn, which may be dropped in the middle.
    async fn runs(&self, key: Key) {
        let closed = self.closed();
        let running = self.manager().with_turn(&key, async move |session| {
            let _turn = session.in_turn();
            session.answers.push_back(u32::MAX);
            steps(6).await;
            session.answers.pop_back();
        });
        match in_part(running).await {
            None => {}
            Some(Ok(())) => {
                assert!(!closed, "A4: a closure runs after the shutdown");
                self.saw("a turn in a closure");
            }
            Some(Err(error)) => self.is_right(&error, closed, false, &TurnOptions::default()),
        }
    }

    async fn stops(&self, key: Key) {
        let stopping = self.manager().stop(&key);
        steps(6).await;
        let words = match in_part(stopping).await {
            None => return,
            Some(Ok(true)) => "stop: stopped",
            Some(Ok(false)) => "stop: nothing",
            Some(Err(StopError::Closed)) => {
                let closes = self.closes.load(Ordering::SeqCst);
                assert!(closes, "A6: a stop is refused without a shutdown");
                "stop: Closed"
            }
            Some(Err(StopError::Failed(_))) => "stop: Failed",
            Some(Err(StopError::Panicked)) => "stop: Panicked",
            Some(Err(_)) => "stop: Abandoned",
        };
        self.saw(words);
    }

    /// Time passes, and what has rested too long is stopped.
    async fn sweeps(&self) {
        self.hand.advance(IDLE / draw(&[1, 2]));
        let ledger = &self.world.ledger;
        let before = ledger.read(|book| book.stops.len());
        let sweep = self.manager().cleanup_idle(IDLE);
        steps(6).await;
        let Some(report) = in_part(sweep).await else {
            return;
        };
        let failed = report.failed.iter().map(|(key, _)| key);
        let ended = report.stopped.iter().chain(failed);
        let ended: Vec<Key> = ended.chain(&report.abandoned).copied().collect();
        // Of those that are skipped a key may be named twice: it went and came back while the sweep looked.
        is_once(ended.iter());
        let stops = ledger.read(|book| book.stops[before..].to_vec());
        for key in ended {
            let idle = |stop: &(Key, u64, StopReason)| (stop.0, stop.2) == (key, StopReason::Idle);
            assert!(
                stops.iter().any(idle),
                "A3: key {key} was not stopped as idle"
            );
            self.saw("a sweep stops");
        }
    }

    /// What takes no time, and readers that come and go.
    async fn meddles(&self, key: Key) {
        let manager = self.manager();
        match below(7) {
            0 => drop(manager.touch(&key)),
            1 => drop(manager.dismiss(&key)),
            2 => drop(manager.abort(&key, None)),
            3 => self.keeps(key).await,
            4 => {
                let session = self
                    .world
                    .ledger
                    .read(|book| book.controls.get(&key).cloned());
                if let Some(session) = session {
                    session.discard("by a caller");
                }
            }
            5 => drop(in_part(self.clone().listens(key, manager.listen(&key))).await),
            _ => drop(in_part(manager.subscribe().next()).await),
        }
    }

    /// A session that is kept alive is not stopped for being idle, nor to make room.
    async fn keeps(&self, key: Key) {
        let Some(kept) = self.manager().keep_alive(&key) else {
            return;
        };
        steps(6).await;
        let number = KeepAlive::incarnation(&kept).get();
        let policy = [StopReason::Idle, StopReason::Capacity];
        let taken = |&(of, stopped, why): &(Key, u64, StopReason)| {
            (of, stopped) == (key, number) && policy.contains(&why)
        };
        let stopped = self.world.ledger.read(|book| book.stops.iter().any(taken));
        assert!(!stopped, "A10: a session is stopped that is kept alive");
    }

    fn looks(&self, key: Key) {
        let _seen = self.manager().status(&key);
        let seen = self.manager().snapshot();
        // A key that goes and comes back meanwhile may be seen twice; each of its incarnations is seen once.
        is_once(seen.iter().map(|(key, status)| (*key, status.incarnation)));
        for (key, status) in seen {
            let rests = status.phase == Phase::Idle;
            assert_eq!(rests, status.turn.is_none(), "key {key}: {status:?}");
        }
    }
}

/// Fewer steps than this.
pub(super) async fn steps(limit: usize) {
    for _ in 0..below(limit) {
        step().await;
    }
}

/// To its end, or it is dropped after a few steps, wherever it is then.
async fn in_part<T>(whole: impl Future<Output = T>) -> Option<T> {
    let mut left = one_in(3).then(|| below(12));
    let mut whole = pin!(whole);
    poll_fn(|cx| {
        if let Some(left) = &mut left {
            if *left == 0 {
                return Poll::Ready(None);
            }
            *left -= 1;
            cx.waker().wake_by_ref();
        }
        whole.as_mut().poll(cx).map(Some)
    })
    .await
}
