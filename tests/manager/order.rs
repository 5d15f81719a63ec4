//! C3 as the manager keeps it: messages are heard in the order in which they were sent, whoever polls what first. On many
//! threads, by the real clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use turnwise::manager::{SessionTurn, TurnOptions};

use crate::script::{Act, Step, fail, say};
use crate::{SECOND, plain};

/// One task for each message, as a chat program does it. As an `async fn`, which takes its place when it is polled, the
/// order of a hundred was wrong in 157 of 200 rounds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_messages_are_heard_as_they_were_sent_in_every_round() {
    let (m, stage) = plain();
    for round in 0..200 {
        let key = (round % 7).to_string();
        let sent: Vec<_> = (0..100).map(|_| say("hello")).collect();
        let numbers: Vec<_> = sent.iter().map(|say| say.number).collect();
        let before = stage.script.numbers(&key).len();
        let tasks: Vec<_> = sent
            .into_iter()
            .map(|say| tokio::spawn(m.send_message(&key, say)))
            .collect();
        for task in tasks {
            task.await.expect("it runs").expect("it is answered");
        }
        assert_eq!(stage.script.numbers(&key)[before..], numbers, "{round}");
    }
    stage.end(m).await;
}

/// Different kinds of calls stand in one line.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn all_kinds_of_calls_keep_one_order() {
    let (m, stage) = plain();
    for round in 0..50 {
        let log = Arc::<Mutex<Vec<_>>>::default();
        let first = m.turn("a");
        let (mut turns, mut tasks) = (Vec::new(), Vec::new());
        for _ in 0..25 {
            let options = TurnOptions::default().wait(60 * SECOND);
            for entering in [m.with(options).turn("a"), m.restart("a")] {
                turns.push(entering.ticket());
                let log = Arc::clone(&log);
                tasks.push(tokio::spawn(async move {
                    let turn = entering.await.expect("its turn comes");
                    let mut log = log.lock().expect("no turn panics");
                    log.push(Some(SessionTurn::ticket(&turn)));
                }));
            }
            // The ledger looks at the tickets of messages.
            m.send_message("a", say("hello")).detach();
        }
        drop(first);
        for task in tasks {
            task.await.expect("it runs");
        }
        let log = log.lock().expect("no turn panics");
        assert!(log.is_sorted() && *log == turns, "{round}");
    }
    stage.end(m).await;
}

/// Threads that know no runtime: each keeps its own order, and nothing is lost or heard twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_outside_of_the_runtime_keep_their_order() {
    const THREADS: usize = 6;
    const EACH: usize = 300;
    let (m, stage) = plain();
    let keys = ["a", "b", "c"];
    let (sent, replies): (Vec<_>, Vec<_>) = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut sent = HashMap::<_, Vec<u64>>::new();
                    let mut replies = Vec::new();
                    for i in 0..EACH {
                        let (key, say) = (keys[i % keys.len()], say("hello"));
                        sent.entry(key).or_default().push(say.number);
                        replies.push(m.send_message(key, say));
                        let _ = (m.status(key), m.touch(key), m.snapshot());
                    }
                    (sent, replies)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no call panics"))
            .unzip()
    });
    for reply in replies.into_iter().flatten() {
        reply.await.expect("it is answered");
    }
    let mut heard = 0;
    for key in keys {
        let numbers = stage.script.numbers(key);
        heard += numbers.len();
        for sent in &sent {
            let own = &sent[key];
            let as_heard = numbers.iter().filter(|number| own.contains(number));
            assert!(as_heard.eq(own), "one thread's messages keep their order");
        }
    }
    assert_eq!(heard, THREADS * EACH);
    stage.end(m).await;
}

/// A storm of everything at once; the ledger looks at each step.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_calls_breaks_nothing() {
    let (m, stage) = plain();
    let tasks: Vec<_> = (0..8_u64)
        .map(|task| {
            let m = m.clone();
            let script = Arc::clone(&stage.script);
            tokio::spawn(async move {
                let mut seed = task + 1;
                for _ in 0..400 {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    let key = ["a", "b", "c"][(seed >> 40) as usize % 3];
                    match (seed >> 33) % 12 {
                        0 => drop(m.stop(key).await),
                        1 => drop(m.restart(key).await),
                        2 => drop(m.cleanup_idle(std::time::Duration::ZERO).await),
                        3 => drop(m.send_message(key, say("dropped"))),
                        4 => drop(m.send_message(key, say("p").and(Act::panic())).await),
                        5 => drop(
                            m.with_turn(key, async |_| tokio::task::yield_now().await)
                                .await,
                        ),
                        6 => {
                            if let Ok(turn) = m.turn(key).await {
                                SessionTurn::discard(turn);
                            }
                        }
                        7 => drop(m.with(TurnOptions::no_wait()).turn(key).await),
                        8 => {
                            let _ = (m.abort(key, None), m.dismiss(key));
                        }
                        9 => {
                            script.tell(key, Step::IsHealthy, fail());
                            drop(m.turn(key).await);
                        }
                        _ => drop(m.send_message(key, say("hello")).await),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no call panics");
    }
    stage.end(m).await;
}
