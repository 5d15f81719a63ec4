//! A14: of turns that wait for each other in a circle at least one is refused, and none waits for ever. Others are not refused.

use crate::backend::step;
use crate::world::{LONG, Scenario, join};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::sync::oneshot;
use turnwise::manager::{SendError, TurnError};
use turnwise::{Agent, Backend, SessionManager, TurnContext};

type Manager = SessionManager<Doer>;

/// What a turn does, and its words.
type Work = Pin<Box<dyn Future<Output = String> + Send>>;

/// Its agent does what the message is. Dropped when the manager and its tasks are gone.
struct Doer(#[allow(dead_code)] oneshot::Sender<()>);

impl Backend for Doer {
    type Key = u8;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Infallible;

    async fn start(&self, _: &u8, _: &TurnContext<()>) -> Result<((), ()), Infallible> {
        Ok(((), ()))
    }
}

impl Agent for Doer {
    type Message = Work;
    type Reply = String;

    async fn send(
        &self,
        (): &mut (),
        work: Work,
        _: &TurnContext<()>,
    ) -> Result<String, Infallible> {
        Ok(work.await)
    }
}

fn manager() -> (Manager, oneshot::Receiver<()>) {
    let (here, gone) = oneshot::channel();
    let built = SessionManager::builder(Doer(here)).shards(1).build();
    (built.expect("the settings make sense"), gone)
}

/// Each session and each task has ended.
async fn end(m: Manager, gone: oneshot::Receiver<()>) {
    m.shutdown(LONG).await;
    drop(m);
    assert!(gone.await.is_err(), "it sends nothing");
}

async fn ask(m: Manager, key: u8, work: Work) -> String {
    match m.send_message(&key, work).await {
        Ok(words) => words,
        Err(SendError {
            error: TurnError::Deadlock(_),
            message: Some(_),
            ..
        }) => "refused".to_owned(),
        Err(error) => panic!("A14: {error}"),
    }
}

fn idle() -> Work {
    Box::pin(async { "answered".to_owned() })
}

/// The turns of so many keys, each of which asks the next one; the last asks the first. In words: how many were refused.
async fn circle(keys: u8) -> String {
    let (m, gone) = manager();
    let turns = (0..keys).map(|key| {
        let asks = ask(m.clone(), (key + 1) % keys, idle());
        tokio::spawn(ask(m.clone(), key, Box::pin(asks)))
    });
    let mut refused = 0;
    for turn in turns.collect::<Vec<_>>() {
        if join(turn).await == "refused" {
            refused += 1;
        }
    }
    // Nothing is left of it.
    for key in 0..keys {
        let asks = ask(m.clone(), (key + 1) % keys, idle());
        let end = ask(m.clone(), key, Box::pin(asks)).await;
        assert_eq!(end, "answered", "A14: a wait that is over is refused");
    }
    assert_eq!(m.stats().refused.deadlock, refused, "A14: all are counted");
    end(m, gone).await;
    format!("{refused} refused")
}

/// Two turns wait for each other. If both do so at the same time, at least one is refused.
#[test]
fn both_at_once() {
    let ends = &["0 refused", "1 refused", "2 refused"];
    Scenario::new("a14_circle::both_at_once", "A14", 2).ends_in(ends, || circle(2));
}

#[test]
fn three_at_once() {
    let ends = &["0 refused", "1 refused"];
    Scenario::new("a14_circle::three_at_once", "A14", 3)
        .rarely(&["2 refused", "3 refused"])
        .ends_in(ends, || circle(3));
}

/// A turn waits for its own key, and gives the place back: the next call has it.
#[test]
fn the_own_key() {
    let ends = &["refused, answered"];
    Scenario::new("a14_circle::the_own_key", "A14", 2).ends_in(ends, || async {
        let (m, gone) = manager();
        let own = m.clone();
        let turn = m.send_message(
            &0,
            Box::pin(async move {
                let refused = ask(own.clone(), 0, idle()).await;
                let queue = own.queue(&0).len();
                assert!(queue < 2, "A14: a refused call waits");
                refused
            }),
        );
        let behind = tokio::spawn(ask(m.clone(), 0, idle()));
        let refused = turn.await.expect("it has a reply");
        let behind = join(behind).await;
        end(m, gone).await;
        format!("{refused}, {behind}")
    });
}

/// A turn gives its wait up, while that of another one walks along it. Once it is given up, nobody is refused for it.
#[test]
fn a_wait_that_is_dropped() {
    let ends = &["before: refused", "before: answered", "after: answered"];
    Scenario::new("a14_circle::a_wait_that_is_dropped", "A14", 2).ends_in(ends, || async {
        let (m, gone) = manager();
        let dropped = Arc::new(AtomicBool::new(false));
        let held = m.clone();
        let gives_up = {
            let (m, dropped) = (m.clone(), Arc::clone(&dropped));
            Box::pin(async move {
                let mut waits = m.send_message(&1, idle());
                poll_fn(|cx| {
                    let _ = Pin::new(&mut waits).poll(cx);
                    Poll::Ready(())
                })
                .await;
                step().await;
                // The message goes on, and nobody waits for it.
                waits.detach();
                dropped.store(true, Ordering::SeqCst);
                // The other one waits for the end of this turn.
                for _ in 0..3 {
                    step().await;
                }
                "answered".to_owned()
            })
        };
        let other = held.with_turn(&1, async |()| {
            let turn = tokio::spawn(ask(m.clone(), 0, gives_up));
            step().await;
            let when = match dropped.load(Ordering::SeqCst) {
                true => "after",
                false => "before",
            };
            let words = ask(m.clone(), 0, idle()).await;
            (turn, format!("{when}: {words}"))
        });
        let (turn, words) = other.await.expect("the turn is free");
        join(turn).await;
        drop(held);
        end(m, gone).await;
        words
    });
}

/// A turn waits for a session whose start waits for the turn's key: the turn or the start is refused.
#[test]
fn a_plain_turn_in_a_circle() {
    let ends = &[
        "refused; answered",
        "answered; refused",
        "answered; answered",
    ];
    Scenario::new("a14_circle::a_plain_turn_in_a_circle", "A14", 2)
        .rarely(&["refused; refused"])
        .ends_in(ends, || async {
            let (m, gone) = manager();
            let turns = [(0, 1), (1, 0)].map(|(key, other)| {
                let m = m.clone();
                tokio::spawn(async move {
                    let turn = m.with_turn(&key, async |()| {
                        let taken = pin!(m.with_turn(&other, async |()| ())).await;
                        match taken {
                            Ok(()) => "answered",
                            Err(TurnError::Deadlock(_)) => "refused",
                            Err(error) => panic!("A14: {error}"),
                        }
                    });
                    turn.await.expect("it waits outside of turns")
                })
            });
            let [one, two] = turns;
            let (one, two) = (join(one).await, join(two).await);
            end(m, gone).await;
            format!("{one}; {two}")
        });
}
