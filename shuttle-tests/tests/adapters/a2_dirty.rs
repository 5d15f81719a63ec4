//! A2: a session whose turn was cut short, panicked or was discarded is stopped, and the next in line starts afresh. No answer
//! of an abandoned turn is ever read by the next: the backend's sessions keep what nobody has read.

use crate::backend::{Act, Script, Scripted, step};
use crate::ledger::Book;
use crate::world::{Scenario, World, join};
// Whether the future of a closure is `Send` is nothing that this asks: rustc 1.95 fails to answer, when it builds again what
// it has built before.
use shuttle::future::spawn_local;
use std::future::{pending, poll_fn};
use std::task::Poll;
use turnwise::manager::{SessionTurn, StopReason};

const KEY: u8 = 0;

/// A message that hangs is aborted, and does not end in time. The next one waits for the end of the session, and has another.
#[test]
fn a_message_that_is_cut() {
    let ends = &["heard, Aborted; reply of #3; [Dirty, Shutdown]"];
    Scenario::new("a2_dirty::a_message_that_is_cut", "A2", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let first = world.sends("first", KEY, 1, Act::Hang);
        world.ledger.until(|book| book.hangs == 1).await;
        let second = world.send(KEY, 2, Act::Done);
        assert!(world.manager.abort(&KEY, None), "a turn is under way");
        let first = world.end_in_time("first", first).await;
        let second = world.hear(2, second).await;
        let ledger = world.end().await;
        format!("{first}; {second}; {:?}", ledger.read(Book::reasons))
    });
}

/// A message is aborted, and may end well just before its time is over: its session goes on exactly if it did.
#[test]
fn an_abort_against_the_end() {
    let ends = &["reply of #1; reply of #1", "heard, Aborted; reply of #3"];
    Scenario::new("a2_dirty::an_abort_against_the_end", "A2", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let first = world.sends("first", KEY, 1, Act::Obey);
        world.ledger.until(|book| book.heard.contains_key(&1)).await;
        let second = world.send(KEY, 2, Act::Done);
        assert!(world.manager.abort(&KEY, None), "a turn is under way");
        let first = world.end_in_time("first", first).await;
        let second = world.hear(2, second).await;
        world.end().await;
        format!("{first}; {second}")
    });
}

/// The agent panics.
#[test]
fn a_message_that_panics() {
    let ends = &["heard, Panicked; reply of #3; [Dirty, Shutdown]"];
    Scenario::new("a2_dirty::a_message_that_panics", "A2", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let first = world.send(KEY, 1, Act::Panic);
        let second = world.send(KEY, 2, Act::Done);
        let first = world.hear(1, first).await;
        let second = world.hear(2, second).await;
        let ledger = world.end().await;
        format!("{first}; {second}; {:?}", ledger.read(Book::reasons))
    });
}

/// The future of a closure in a turn is dropped: before the turn, which leaves no trace, or in the middle.
#[test]
fn a_closure_that_is_dropped() {
    let ends = &["reply of #1; [Shutdown]", "reply of #3; [Dirty, Shutdown]"];
    Scenario::new("a2_dirty::a_closure_that_is_dropped", "A2", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        drop(world.manager.turn(&KEY).await.expect("it starts"));
        let first = world.manager.with_turn(&KEY, async move |session| {
            let _turn = session.in_turn();
            session.answers.push_back(1);
            pending::<()>().await;
        });
        let first = spawn_local(first);
        let second = world.send(KEY, 2, Act::Done);
        first.abort();
        let second = world.hear(2, second).await;
        let ledger = world.end().await;
        format!("{second}; {:?}", ledger.read(Book::reasons))
    });
}

/// A closure in a turn panics: its caller hears the panic, the next in line has another session.
#[test]
fn a_closure_that_panics() {
    let ends = &["panics; reply of #3; [Dirty, Shutdown]"];
    Scenario::new("a2_dirty::a_closure_that_panics", "A2", 2).ends_in(ends, || async {
        let world = World::new(Script::new());
        let first = world.manager.with_turn(&KEY, async move |session| {
            let _turn = session.in_turn();
            session.answers.push_back(1);
            step().await;
            engine::panic_now()
        });
        let first = spawn_local(async {
            let mut first = Box::pin(first);
            let end: Result<Result<(), _>, _> =
                poll_fn(|cx| match engine::unwind(|| first.as_mut().poll(cx)) {
                    Ok(poll) => poll.map(Ok),
                    Err(payload) => Poll::Ready(Err(payload)),
                })
                .await;
            if end.is_err() { "panics" } else { "goes on" }
        });
        let second = world.hear(2, world.send(KEY, 2, Act::Done)).await;
        let first = first.await.expect("nobody aborts it");
        let ledger = world.end().await;
        format!("{first}; {second}; {:?}", ledger.read(Book::reasons))
    });
}

/// A plain turn is discarded.
#[test]
fn a_turn_that_is_discarded() {
    half_done("a2_dirty::a_turn_that_is_discarded", SessionTurn::discard);
}

/// A plain turn is dropped, after its session was borrowed, and is not done.
#[test]
fn a_turn_that_is_not_done() {
    half_done("a2_dirty::a_turn_that_is_not_done", drop);
}

fn half_done(name: &'static str, end: fn(SessionTurn<Scripted>)) {
    let ends = &["reply of #3"];
    Scenario::new(name, "A2", 2).ends_in(ends, move || async move {
        let world = World::new(Script::new());
        let mut turn = world.manager.turn(&KEY).await.expect("it starts");
        let second = world.send(KEY, 2, Act::Done);
        let discards = world.spawn("discards", async move {
            let stay = turn.in_turn();
            turn.answers.push_back(1);
            step().await;
            drop(stay);
            end(turn);
        });
        let second = world.hear(2, second).await;
        join(discards).await;
        let ledger = world.end().await;
        let reasons = ledger.read(Book::reasons);
        assert_eq!(reasons, [StopReason::Dirty, StopReason::Shutdown]);
        second
    });
}
