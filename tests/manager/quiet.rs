//! A limit of silence: what gives no sign of life is ended, what makes progress goes on.

use std::convert::Infallible;
use std::time::Duration;

use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::*};

use crate::{HOUR, MINUTE, SECOND, seconds, settled};

/// Gives so many signs of life, one each minute, and then none.
struct Slow;

impl Slow {
    async fn signs(signs: u32, cx: &TurnContext<u32>) {
        for sign in 0..signs {
            tokio::time::sleep(MINUTE).await;
            if sign % 2 == 0 {
                cx.emit(sign);
            } else {
                cx.note(format!("{sign} signs"));
            }
        }
    }
}

impl Backend for Slow {
    type Key = u32;
    type Session = ();
    type Handle = ();
    type Event = u32;
    type Error = Infallible;

    /// Its key says how many signs its start gives.
    async fn start(&self, key: &u32, cx: &TurnContext<u32>) -> Result<((), ()), Infallible> {
        Self::signs(*key, cx).await;
        if *key == 7 {
            std::future::pending::<()>().await;
        }
        Ok(((), ()))
    }
}

impl Agent for Slow {
    type Message = (u32, Duration);
    type Reply = ();

    async fn send(
        &self,
        (): &mut (),
        (signs, then): (u32, Duration),
        cx: &TurnContext<u32>,
    ) -> Result<(), Infallible> {
        Self::signs(signs, cx).await;
        tokio::time::sleep(then).await;
        Ok(())
    }
}

fn limited(limits: Timeouts) -> SessionManager<Slow> {
    let built = SessionManager::builder(Slow).timeouts(limits).build();
    built.expect("in a runtime")
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_turn_and_progress_does_not() {
    let m = limited(Timeouts::default().quiet(90 * SECOND).start(2 * HOUR));
    // Forty minutes of progress, each event and each note in time.
    let (sent, took) = seconds(m.send_message(&0, (40, SECOND))).await;
    sent.expect("it makes progress");
    assert_eq!(took, 40 * 60 + 1);
    // Silent from its beginning, and after some progress.
    for signs in [0, 5] {
        let (sent, took) = seconds(m.send_message(&0, (signs, HOUR))).await;
        let error = sent.expect_err("it is silent");
        assert!(matches!(error.error, TurnError::Silent), "{error:?}");
        assert!(error.message.is_none());
        // Its last sign, the silence, the patience.
        assert_eq!(took, u64::from(signs) * 60 + 90 + 5);
    }
    assert_eq!(m.stats().turns.timed_out, 2);
    // A closure has no context, and so no limit of silence.
    let closure = m.with_turn(&0, async |()| tokio::time::sleep(HOUR).await);
    closure.await.expect("it has no limit");
    m.shutdown(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_start_and_progress_does_not() {
    let m = limited(Timeouts::default().quiet(90 * SECOND).start(2 * HOUR));
    let (turn, took) = seconds(m.turn(&30)).await;
    drop(turn.expect("it makes progress"));
    assert_eq!(took, 30 * 60);
    let (turn, took) = seconds(m.turn(&7)).await;
    assert!(matches!(turn.map(drop), Err(TurnError::StartTimedOut)));
    assert_eq!(took, 7 * 60 + 90);
    m.shutdown(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn the_status_has_the_last_sign() {
    let m = limited(Timeouts::default());
    let sending = m.send_message(&0, (2, HOUR));
    settled().await;
    let quiet = || m.status(&0).expect("it runs").quiet;
    assert_eq!(quiet(), None);
    tokio::time::sleep(MINUTE + 10 * SECOND).await;
    assert_eq!(quiet().map(|quiet| quiet.as_secs()), Some(10));
    tokio::time::sleep(MINUTE).await;
    assert_eq!(
        quiet().map(|quiet| quiet.as_secs()),
        Some(10),
        "a note is a sign too"
    );
    sending.await.expect("a reply");
    assert_eq!(quiet(), None, "of a turn that has ended");
    m.shutdown(HOUR).await;
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_no_time_is_refused() {
    let built = SessionManager::builder(Slow).timeouts(Timeouts::default().quiet(Duration::ZERO));
    assert_eq!(built.build().err(), Some(BuildError::ZeroTimeout));
    // The longest one is no limit.
    let m = limited(Timeouts::default().quiet(Duration::MAX));
    m.send_message(&0, (0, HOUR)).await.expect("a reply");
    m.shutdown(HOUR).await;
}
