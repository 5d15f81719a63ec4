//! A9: a call that goes first has its turn before the queue, behind other such calls and behind stops. It cancels nobody, and is
//! dismissed with the queue.

use crate::backend::Act;
use crate::world::{Scenario, World, join};
use turnwise::manager::TurnOptions;

const KEY: u8 = 0;

/// Two calls wait, the second one goes first, and a third one that goes first comes while the turn before them ends.
#[test]
fn before_the_queue() {
    let ends = &["2, 3, 1", "2, 1, 3"];
    Scenario::new("a9_first::before_the_queue", "A9", 2).ends_in(ends, || async {
        let world = World::new(crate::backend::Script::new());
        let first = TurnOptions::first;
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let one = world.send(KEY, 1, Act::Done);
        let two = world.send_with(KEY, 2, Act::Done, first());
        let ends = world.spawn("ends", async move { drop(turn) });
        let three = world.spawn("third", {
            let world = world.clone();
            async move {
                world
                    .hear(3, world.send_with(KEY, 3, Act::Done, first()))
                    .await
            }
        });
        for (id, sending) in [(1, one), (2, two)] {
            assert_eq!(world.hear(id, sending).await, "reply of #1");
        }
        assert_eq!(join(three).await, "reply of #1");
        join(ends).await;
        let heard = world.ledger.read(|book| book.order.clone());
        world.end().await;
        let heard: Vec<_> = heard.iter().map(u32::to_string).collect();
        heard.join(", ")
    });
}

/// The queue is dismissed while the turn before it ends: each call is dismissed or has its turn, in order.
#[test]
fn dismissed_with_the_queue() {
    let ends = &[
        "2; unheard, Dismissed; unheard, Dismissed",
        "1; unheard, Dismissed; reply of #1",
        "0; reply of #1; reply of #1",
    ];
    Scenario::new("a9_first::dismissed_with_the_queue", "A9", 2).ends_in(ends, || async {
        let world = World::new(crate::backend::Script::new());
        let turn = world.manager.turn(&KEY).await.expect("it starts");
        let one = world.send(KEY, 1, Act::Done);
        let two = world.send_with(KEY, 2, Act::Done, TurnOptions::first());
        let ends = world.spawn("ends", async move { drop(turn) });
        let dismisses = world.spawn("dismisses", {
            let manager = world.manager.clone();
            async move { manager.dismiss(&KEY) }
        });
        let dismissed = join(dismisses).await;
        let (one, two) = (world.hear(1, one).await, world.hear(2, two).await);
        join(ends).await;
        world.end().await;
        format!("{dismissed}; {one}; {two}")
    });
}
