//! Limits of waits, messages that were delivered, and texts of keys.

use super::doer::{A, B, LONG, PANICS, ask, asks, does, end, idle, in_words, manager};
use crate::script::Gate;
use crate::{SECOND, settled};
use turnwise::manager::TurnOptions;

/// Only waits without a limit are refused, and a wait with one does not stand in a circle.
#[tokio::test(start_paused = true)]
async fn a_limit_ends_the_wait() {
    let m = manager();
    let short = m.with(TurnOptions::default().wait(SECOND));
    let waits = ask(&m, B, ask(&short, A, idle()));
    let timed_out = "timed out in the queue of the session; back";
    assert_eq!(asks(&m, A, waits).await.expect("it is answered"), timed_out);
    // The other way round: the turn that waits for a while is in the queue of the other one, which waits for it.
    let gate = Gate::new();
    let held = {
        let (m, gate) = (m.clone(), gate.clone());
        does(async move {
            gate.pass().await;
            asks(&m, A, idle()).await
        })
    };
    let held = m.send_message(&B, held);
    let turn = m.send_message(&A, ask(&short, B, idle()));
    settled().await;
    gate.open();
    assert_eq!(in_words(turn.await).expect("it is answered"), timed_out);
    assert_eq!(in_words(held.await).expect("it is answered"), "done");
    // Past the queue there is no limit.
    let waits = ask(&short, B, ask(&m, A, idle()));
    assert_eq!(
        asks(&m, A, waits).await.expect("it is answered"),
        "circle of b, a; back"
    );
    end(m).await;
}

/// A message that was delivered does not come back: its turn waits for the turn of its sender, which closes the circle later.
#[tokio::test(start_paused = true)]
async fn a_message_that_was_delivered() {
    let m = manager();
    let turn = {
        let m = m.clone();
        does(async move {
            let sending = m.send_message(&B, ask(&m, A, idle()));
            settled().await;
            in_words(sending.await)
        })
    };
    let begun = tokio::time::Instant::now();
    let refused = asks(&m, A, turn).await.expect_err("it is refused");
    assert!(refused.contains("circle of a, b; heard"), "{refused}");
    assert!(begun.elapsed() < SECOND);
    // Its turn was cancelled, and ends by itself.
    assert_eq!(asks(&m, B, idle()).await.expect("it is answered"), "done");
    end(m).await;
}

#[tokio::test(start_paused = true)]
async fn the_texts_of_keys_are_bounded() {
    let m = manager();
    let circle = ask(&m, LONG, ask(&m, PANICS, idle()));
    let words = asks(&m, PANICS, circle).await.expect("it is answered");
    assert!(
        words.ends_with(", [the text of the key panicked]; back"),
        "{words}"
    );
    assert!(
        words.contains("bytes cut]") && words.len() < 1200,
        "{words}"
    );
    end(m).await;
}
