//! Waits in turns that close a circle are refused, and no others. Claim A14.

mod doer;
mod limits;

use std::task::Poll;
use std::time::Duration;

use tokio::sync::oneshot;
use turnwise::manager::*;

use crate::script::Gate;
use crate::{MINUTE, SECOND, settled};
use doer::{A, B, C, D, ask, asks, does, end, idle, in_words, manager, refusal, starting, until};

#[tokio::test(start_paused = true)]
async fn a_circle_of_turns_is_refused() {
    let m = manager();
    for round in 1..3 {
        let circle = ask(&m, B, ask(&m, A, idle()));
        assert_eq!(
            asks(&m, A, circle).await.expect("it is answered"),
            "circle of b, a; back"
        );
        assert_eq!(m.stats().refused.deadlock, round);
        // Nothing is left of it.
        assert_eq!(
            asks(&m, B, ask(&m, A, idle()))
                .await
                .expect("it is answered"),
            "done"
        );
        assert_eq!(
            asks(&m, A, ask(&m, B, idle()))
                .await
                .expect("it is answered"),
            "done"
        );
    }
    let three = ask(&m, B, ask(&m, C, ask(&m, A, idle())));
    assert_eq!(
        asks(&m, A, three).await.expect("it is answered"),
        "circle of c, a, b; back"
    );
    assert_eq!(m.stats().turns.failed, 0);
    end(m).await;
}

#[tokio::test(start_paused = true)]
async fn the_own_key_is_refused_at_once() {
    let m = manager();
    for limit in [None, Some(SECOND)] {
        let mut options = TurnOptions::default();
        options.wait = limit;
        let own = m.with(options);
        let turn = does(async move {
            let message = asks(&own, A, idle()).await.expect_err("it is refused");
            let turn = own.turn(&A).await.map(drop).expect_err("it is refused");
            let closure = own
                .with_turn(&A, async |_| ())
                .await
                .expect_err("it is refused");
            let restart = own.restart(&A).await.map(drop).expect_err("it is refused");
            assert!(own.queue(&A).is_empty());
            let others = [turn, closure, restart].map(|error| refusal(&error));
            Ok([&[message][..], &others].concat().join(" "))
        });
        let begun = tokio::time::Instant::now();
        let all = "circle of a; back circle of a circle of a circle of a";
        assert_eq!(asks(&m, A, turn).await.expect("it is answered"), all);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
    let text = TurnError::<String>::Deadlock(["a".into(), "b".into()].into());
    let text = text.to_string();
    assert_eq!(
        text,
        "waiting here would never end; the circle of keys is a -> b -> a"
    );
    end(m).await;
}

/// Every way to wait for a message.
#[tokio::test(start_paused = true)]
async fn each_wait_for_a_message_is_refused() {
    let m = manager();
    let own = m.clone();
    let turn = does(async move {
        let mut sending = own.send_message(&A, idle());
        let started = sending.started().await.expect_err("it is refused");
        let reply = in_words(sending.await).expect_err("it is refused");
        let mut sending = own.send_message(&A, idle());
        let event = sending.next_event().await;
        let after = in_words(sending.await).expect_err("it is refused");
        let mut stream = Box::pin(own.send_message(&A, idle()).into_stream());
        let next = std::future::poll_fn(|cx| futures_core::Stream::poll_next(stream.as_mut(), cx));
        let Some(Update::Done(streamed)) = next.await else {
            panic!("there is no event");
        };
        let all = [reply, after, in_words(streamed).expect_err("it is refused")];
        assert_eq!(all, ["circle of a; back"; 3].map(str::to_owned));
        Ok(format!("{}, {event:?}", refusal(&started)))
    });
    assert_eq!(
        asks(&m, A, turn).await.expect("it is answered"),
        "circle of a, None"
    );
    assert_eq!(m.stats().refused.deadlock, 3);
    end(m).await;
}

/// A closure in a turn, and a plain turn that was called outside of it.
#[tokio::test(start_paused = true)]
async fn closures_are_turns() {
    let m = manager();
    let closure = {
        let m = m.clone();
        does(async move {
            let closure = m.with_turn(&B, async |_| {
                asks(&m, A, idle()).await.expect_err("it is refused")
            });
            closure.await.map_err(|error| refusal(&error))
        })
    };
    assert_eq!(
        asks(&m, A, closure).await.expect("it is answered"),
        "circle of b, a; back"
    );
    // Called outside, and awaited in the closure.
    let gate = Gate::new();
    let first = {
        let (m, gate) = (m.clone(), gate.clone());
        does(async move {
            gate.pass().await;
            asks(&m, B, idle()).await
        })
    };
    let first = m.send_message(&A, first);
    settled().await;
    let second = m.turn(&A);
    let closure = m.with_turn(&B, async |_| {
        gate.open();
        settled().await;
        second.await.map(drop).expect_err("it is refused")
    });
    let refused = closure.await.expect("the turn is free");
    assert_eq!(refusal(&refused), "circle of b, a");
    assert_eq!(in_words(first.await).expect("it is answered"), "done");
    end(m).await;
}

/// Two turns begin, and then wait for each other at the same time.
#[tokio::test(start_paused = true)]
async fn two_at_once() {
    let m = manager();
    let (gate, both) = (Gate::new(), [(A, B), (B, A)]);
    let turns = both.map(|(own, other)| {
        let (m, gate) = (m.clone(), gate.clone());
        let asks_then = does(async move {
            gate.pass().await;
            asks(&m, other, idle()).await
        });
        (own, asks_then)
    });
    let [first, second] = turns.map(|(own, turn)| m.send_message(&own, turn));
    settled().await;
    gate.open();
    let ends = [in_words(first.await), in_words(second.await)];
    let refused = ends.iter().filter(|end| end.is_err());
    assert_eq!(refused.count(), 1, "{ends:?}");
    end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_waits_for_several() {
    let m = manager();
    let gate = Gate::new();
    let several = {
        let (m, gate) = (m.clone(), gate.clone());
        does(async move {
            let works = [
                (B, until(&gate)),
                (C, ask(&m, A, idle())),
                (D, until(&gate)),
            ];
            let [b, c, d] = works.map(|(key, work)| m.send_message(&key, work));
            let (b, c, d) = tokio::join!(b, c, d);
            Ok([b, c, d]
                .map(|reply| in_words(reply).expect("it is answered"))
                .join(" "))
        })
    };
    let turn = m.send_message(&A, several);
    settled().await;
    assert_eq!(m.stats().refused.deadlock, 1);
    gate.open();
    let all = "done circle of c, a; back done";
    assert_eq!(in_words(turn.await).expect("it is answered"), all);
    end(m).await;
}

/// A turn waits for a start that waits for the turn's key. The start fails; with a plain turn, the turn is refused.
#[tokio::test(start_paused = true)]
async fn a_start_in_a_circle() {
    let m = starting(B, |m| {
        let m = m.clone();
        does(async move { asks(&m, A, idle()).await })
    });
    let reply = asks(&m, A, ask(&m, B, idle()))
        .await
        .expect("it is answered");
    assert!(
        reply.ends_with("failed to start: circle of b, a; back; back"),
        "{reply}"
    );
    end(m).await;

    let m = starting(B, |m| {
        let m = m.clone();
        does(async move { asks(&m, A, idle()).await })
    });
    let turn = {
        let m = m.clone();
        does(async move {
            m.turn(&B)
                .await
                .map(|_| "taken".to_owned())
                .map_err(|error| refusal(&error))
        })
    };
    let reply = asks(&m, A, turn).await.expect_err("it is refused");
    assert!(reply.contains("circle of a, b"), "{reply}");
    // The start has its answer, and the session is there.
    assert_eq!(asks(&m, B, idle()).await.expect("it is answered"), "done");
    assert_eq!(m.stats().starts, 2);
    end(m).await;

    // Its own key.
    let m = starting(B, |m| {
        let m = m.clone();
        does(async move { asks(&m, B, idle()).await })
    });
    let reply = asks(&m, B, idle()).await.expect_err("it is refused");
    assert!(
        reply.contains("failed to start: circle of b; back"),
        "{reply}"
    );
    end(m).await;
}

/// A message that its turn does not wait for is legal, and so is a future that is not polled there.
#[tokio::test(start_paused = true)]
async fn follow_ups_are_answered() {
    let m = manager();
    let (give, take) = oneshot::channel();
    let (ended, end_of_follow_up) = oneshot::channel();
    let turn = {
        let m = m.clone();
        does(async move {
            let follow_up = async {
                ended
                    .send(())
                    .map(|()| String::new())
                    .map_err(|()| String::new())
            };
            m.send_message(&A, does(follow_up)).detach();
            let kept = (m.send_message(&A, idle()), m.turn(&A));
            let spawned = tokio::spawn(m.send_message(&A, idle()));
            drop(m.turn(&A));
            give.send((kept, spawned)).map_err(|_| String::new())?;
            Ok("ended".to_owned())
        })
    };
    assert_eq!(asks(&m, A, turn).await.expect("it is answered"), "ended");
    end_of_follow_up.await.expect("it is delivered");
    let ((sending, entering), spawned) = take.await.expect("they are kept");
    assert_eq!(in_words(sending.await).expect("it is answered"), "done");
    SessionTurn::done(entering.await.expect("it is free"));
    assert_eq!(
        in_words(spawned.await.expect("no panic")).expect("it is answered"),
        "done"
    );
    assert_eq!(m.stats().refused.deadlock, 0);
    end(m).await;
}

#[tokio::test(start_paused = true)]
async fn chains_and_diamonds_are_no_circles() {
    let m = manager();
    let gate = Gate::new();
    let diamond = {
        let (m, gate) = (m.clone(), gate.clone());
        does(async move {
            let turns = [B, C].map(|key| m.send_message(&key, ask(&m, D, until(&gate))));
            let [b, c] = turns;
            let (b, c) = tokio::join!(b, c);
            Ok([b, c]
                .map(|reply| in_words(reply).expect("it is answered"))
                .join(" "))
        })
    };
    let turn = m.send_message(&A, diamond);
    let behind = m.send_message(&B, ask(&m, D, idle()));
    settled().await;
    gate.open();
    assert_eq!(in_words(turn.await).expect("it is answered"), "done done");
    assert_eq!(in_words(behind.await).expect("it is answered"), "done");
    assert_eq!(m.stats().refused.deadlock, 0);
    end(m).await;
}

/// A wait that was dropped, or that is polled elsewhere, closes no circle.
#[tokio::test(start_paused = true)]
async fn a_wait_that_was_given_up() {
    for elsewhere in [false, true] {
        let m = manager();
        let (gate, busy) = (Gate::new(), Gate::new());
        let held = m.send_message(&B, until(&busy));
        let turn = {
            let (m, gate) = (m.clone(), gate.clone());
            does(async move {
                let mut sending = Box::pin(m.send_message(&B, ask(&m, C, idle())));
                let mut entering = Box::pin(m.turn(&B));
                let polled = std::future::poll_fn(|cx| {
                    let polled = (sending.as_mut().poll(cx), entering.as_mut().poll(cx));
                    Poll::Ready((polled.0.is_pending(), polled.1.is_pending()))
                });
                assert_eq!(polled.await, (true, true));
                if elsewhere {
                    tokio::spawn(async move { drop(tokio::join!(sending, entering)) });
                } else {
                    drop((sending, entering));
                }
                gate.pass().await;
                Ok("ended".to_owned())
            })
        };
        let turn = m.send_message(&A, turn);
        settled().await;
        let other = m.send_message(&C, ask(&m, A, idle()));
        let third = m.send_message(&B, ask(&m, A, idle()));
        settled().await;
        busy.open();
        settled().await;
        assert_eq!(m.stats().refused.deadlock, 0);
        gate.open();
        for sending in [held, turn, other, third] {
            in_words(sending.await).expect("it is answered");
        }
        end(m).await;
    }
}

/// A turn waits for a part of an answer, in vain, and then for nothing. The turn that it asked may wait for it.
#[tokio::test(start_paused = true)]
async fn a_part_that_was_given_up() {
    let m = manager();
    let asked = {
        let m = m.clone();
        does(async move {
            tokio::time::sleep(2 * SECOND).await;
            asks(&m, A, idle()).await
        })
    };
    let turn = {
        let m = m.clone();
        does(async move {
            let mut sending = m.send_message(&B, asked);
            let part = tokio::time::timeout(SECOND, sending.next_event()).await;
            assert!(part.is_err(), "it says nothing");
            tokio::time::sleep(MINUTE).await;
            sending.detach();
            Ok("ended".to_owned())
        })
    };
    let turn = m.send_message(&A, turn);
    in_words(turn.await).expect("it ends");
    settled().await;
    assert_eq!(m.stats().refused.deadlock, 0, "nobody waited in a circle");
    assert_eq!(m.stats().turns.done, 3, "each was answered");
    end(m).await;
}
