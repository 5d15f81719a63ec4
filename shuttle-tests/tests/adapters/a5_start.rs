//! A5: a failed start hands the key on, its error to those who waited for it; what a start that was cut short left behind is
//! cleaned up first; a caller that goes away cuts no start short.

use crate::backend::{Act, Call, Script};
use crate::world::{Scenario, World, join};
use turnwise::manager::SessionTurn;

const KEY: u8 = 0;

/// A start fails. Those who waited for it hear the same error; who came later, or too early to know of the start, tries
/// again.
#[test]
fn an_error_is_shared() {
    let ends = &[
        "unheard, Start of #1; reply of #2; reply of #2",
        "unheard, Start of #1; unheard, Start of #1; reply of #2",
        "unheard, Start of #1; unheard, Start of #1; unheard, Start of #1",
    ];
    Scenario::new("a5_start::an_error_is_shared", "A5", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Start, Act::Fail));
        let first = world.send(KEY, 1, Act::Done);
        let later = world.clone();
        let later = world.spawn("later", async move {
            let [second, third] = [2, 3].map(|id| later.send(KEY, id, Act::Done));
            let second = later.hear(2, second).await;
            let third = later.hear(3, third).await;
            format!("{second}; {third}")
        });
        let first = world.hear(1, first).await;
        let later = join(later).await;
        let last = world.hear(4, world.send(KEY, 4, Act::Done)).await;
        assert!(
            last.starts_with("reply"),
            "A5: {last}, after the line has gone"
        );
        world.end().await;
        format!("{first}; {later}")
    });
}

/// The next session cannot be started. All who waited for the one before hear so, and nobody tries once more.
#[test]
fn an_error_of_the_next_session() {
    let ends = &["unheard, Start of #3; unheard, Start of #3"];
    Scenario::new("a5_start::an_error_of_the_next_session", "A5", 2).ends_in(ends, || async {
        let script = Script::new().on(KEY, Call::Start, Act::Done);
        let world = World::new(script.on(KEY, Call::Start, Act::Fail));
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let [first, second] = [1, 2].map(|id| world.send(KEY, id, Act::Done));
        SessionTurn::discard(turn);
        let later = world.clone();
        let second = world.spawn("second", async move { later.hear(2, second).await });
        let first = world.hear(1, first).await;
        let second = join(second).await;
        world.end().await;
        format!("{first}; {second}")
    });
}

/// A start panics. What it left behind is cleaned up, slowly, before another start.
#[test]
fn a_start_that_panics() {
    let ends = &[
        "unheard, StartPanicked; unheard, StartPanicked",
        "unheard, StartPanicked; reply of #2",
    ];
    Scenario::new("a5_start::a_start_that_panics", "A5", 2).ends_in(ends, || async {
        let script = Script::new().on(KEY, Call::Start, Act::Panic);
        let world = World::new(script.on(KEY, Call::Abandon, Act::Slow));
        let first = world.send(KEY, 1, Act::Done);
        let second = world.sends("second", KEY, 2, Act::Done);
        let first = world.hear(1, first).await;
        let second = join(second).await;
        world.end().await;
        format!("{first}; {second}")
    });
}

/// A caller goes away: before its start has begun, which the next then makes, or later, which cuts nothing short.
#[test]
fn a_caller_that_goes_away() {
    let ends = &["reply of #1, 1 starts", "reply of #2, 1 starts"];
    Scenario::new("a5_start::a_caller_that_goes_away", "A5", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Start, Act::Slow));
        let leaves = world.spawn("leaves", world.manager.turn(&KEY));
        let stays = world.send(KEY, 1, Act::Done);
        leaves.abort();
        drop(leaves);
        let reply = world.hear(1, stays).await;
        let starts = world.ledger.read(|book| book.starts);
        world.end().await;
        format!("{reply}, {starts} starts")
    });
}

/// The sender of a message goes away while its session is started. It is not heard, and the session serves the next.
#[test]
fn a_sender_that_goes_away() {
    let ends = &[
        "heard; reply of #1, 1 starts",
        "unheard; reply of #1, 1 starts",
        "unheard; reply of #2, 1 starts",
    ];
    Scenario::new("a5_start::a_sender_that_goes_away", "A5 A6", 2).ends_in(ends, || async {
        let world = World::new(Script::new().on(KEY, Call::Start, Act::Slow));
        let leaves = world.send(KEY, 1, Act::Done);
        let stays = world.send(KEY, 2, Act::Done);
        let leaving = world.spawn("leaves", async move { drop(leaves) });
        let reply = world.hear(2, stays).await;
        join(leaving).await;
        let starts = world.ledger.read(|book| book.starts);
        let heard = world.ledger.read(|book| book.heard.contains_key(&1));
        world.end().await;
        let heard = if heard { "heard" } else { "unheard" };
        format!("{heard}; {reply}, {starts} starts")
    });
}
