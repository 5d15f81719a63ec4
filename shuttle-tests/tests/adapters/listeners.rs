//! Those who listen to a key come and go: what is emitted while somebody listens is heard.

use crate::backend::{Act, Script};
use crate::world::{LONG, Scenario, World, join};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use turnwise::manager::{Subscription, Update};

const KEY: u8 = 0;

/// What is there to be read.
fn unread(listener: &mut Subscription<u32>) -> Vec<u32> {
    let mut all = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(next)) = pin!(listener.next()).poll(&mut cx) {
        match next {
            Update::Event(event) => all.push(event),
            Update::Lagged(count) => panic!("{count} are missed, of so few"),
        }
    }
    all
}

async fn says(world: &World, message: u32) -> String {
    let sending = world.send(KEY, message, Act::Done);
    world.hear(message, sending).await
}

/// The last two leave at the same time as another comes. It hears what is emitted from then on, and so does one that comes
/// after all have left.
#[test]
fn the_last_leave_while_another_comes() {
    let ends = &["[1, 2]; [3]"];
    let scenario = Scenario::new("listeners::the_last_leave_while_another_comes", "-", 3);
    scenario.ends_in(ends, || async {
        let world = World::new(Script::new());
        let leaves = [0, 1].map(|_| {
            let listener = world.manager.listen(&KEY);
            world.spawn("leaves", async move { drop(listener) })
        });
        let mut comes = world.manager.listen(&KEY);
        assert_eq!(says(&world, 1).await, "reply of #1");
        for leaves in leaves {
            join(leaves).await;
        }
        assert_eq!(says(&world, 2).await, "reply of #1");
        let heard = unread(&mut comes);
        let leaves = world.spawn("leaves", async move { drop(comes) });
        let mut late = world.manager.listen(&KEY);
        assert_eq!(says(&world, 3).await, "reply of #1");
        join(leaves).await;
        let late = unread(&mut late);
        world.end().await;
        format!("{heard:?}; {late:?}")
    });
}

/// Somebody listens as the manager ends: whoever comes first, the subscription ends.
#[test]
fn a_listener_comes_at_the_end_of_all() {
    let ends = &["it ends"];
    let scenario = Scenario::new("listeners::a_listener_comes_at_the_end_of_all", "A4", 2);
    scenario.ends_in(ends, || async {
        let world = World::new(Script::new());
        let comes = world.spawn("comes", {
            let world = world.clone();
            async move { while world.manager.listen(&KEY).next().await.is_some() {} }
        });
        world.shut_down(LONG).await;
        join(comes).await;
        world.gone_in_the_end().await;
        "it ends".to_owned()
    });
}
