//! A13: what is sent arrives, in order, unless nobody reads. A `send` that waits is woken by its reader, by the end of its reader and
//! by its cancellation, and its wait is no silence of the turn.

use crate::backend::{Act, Script, Scripted};
use crate::world::{LONG, Scenario, World, join};
use turnwise::manager::{Sending, Timeouts, Update};

const KEY: u8 = 0;

/// A reader keeps so many unread events. The session is there.
async fn world(unread: usize, timeouts: Timeouts) -> World {
    let world = World::built(Script::new(), None, |builder| {
        builder.unread_events(unread).timeouts(timeouts)
    });
    drop(world.manager.turn(&KEY).await.expect("it starts"));
    world
}

/// What there is to read: the numbers in their order, and the gaps.
async fn read(sending: &mut Sending<Scripted>) -> String {
    let mut read = Vec::new();
    while let Some(update) = sending.next_event().await {
        read.push(match update {
            Update::Event(number) => number.to_string(),
            Update::Lagged(count) => format!("-{count}"),
        });
    }
    read.join(" ")
}

/// A reader reads while three are sent. What is emitted in between may be missed.
#[test]
fn every_event_arrives() {
    let ends = &["1 2 3; reply of #1"];
    Scenario::new("a13_arrive::every_event_arrives", "A13", 2).ends_in(ends, || async {
        let world = world(2, Timeouts::default()).await;
        let mut sending = world.send(KEY, 1, Act::Send);
        let read = read(&mut sending).await;
        let sent = read
            .split(' ')
            .filter(|read| ["1", "2", "3"].contains(read));
        let sent: Vec<_> = sent.collect();
        let reply = world.hear(1, sending).await;
        world.end().await;
        format!("{}; {reply}", sent.join(" "))
    });
}

/// The reader awaits the reply, or detaches the message, at any moment: nothing waits from then on.
#[test]
fn a_reader_that_goes() {
    let ends = &["reply of #1; reply of #1"];
    Scenario::new("a13_arrive::a_reader_that_goes", "A13", 2).ends_in(ends, || async {
        let world = world(1, Timeouts::default()).await;
        let (awaited, detached) = (world.send(KEY, 1, Act::Send), world.send(KEY, 2, Act::Send));
        let detaches = world.spawn("detaches", async move { detached.detach() });
        let awaited = world.hear(1, awaited).await;
        let next = world.hear(3, world.send(KEY, 3, Act::Done)).await;
        join(detaches).await;
        world.end().await;
        format!("{awaited}; {next}")
    });
}

/// Nobody reads, and the call is aborted while it waits, or before.
#[test]
fn a_cancellation_wakes_it() {
    let ends = &[
        "-1 1 -4; heard, Aborted; reply of #1",
        "; unheard, Aborted; reply of #1",
    ];
    Scenario::new("a13_arrive::a_cancellation_wakes_it", "A13", 2).ends_in(ends, || async {
        let world = world(1, Timeouts::default()).await;
        let mut sending = world.send(KEY, 1, Act::Send);
        let next = world.sends("next", KEY, 2, Act::Done);
        let ticket = sending.ticket();
        let aborts = world.spawn("aborts", {
            let manager = world.manager.clone();
            async move { manager.abort(&KEY, ticket) }
        });
        assert!(join(aborts).await, "A13: it is not reached");
        let next = join(next).await;
        let read = read(&mut sending).await;
        let reply = world.hear(1, sending).await;
        world.end().await;
        format!("{read}; {reply}; {next}")
    });
}

/// Nobody reads, and time passes: the reader is given up, and not the turn.
#[test]
fn the_silence_is_the_readers() {
    let ends = &["-1 1 -4; reply of #1; reply of #1"];
    Scenario::new("a13_arrive::the_silence_is_the_readers", "A13", 2).ends_in(ends, || async {
        let world = world(1, Timeouts::default().quiet(LONG)).await;
        let sends = world.spawn("sends", {
            let world = world.clone();
            async move { Some(world.send(KEY, 1, Act::Send)) }
        });
        let mut sending = join(sends).await.expect("it is sent");
        let next = world.sends("next", KEY, 2, Act::Done);
        let next = world.end_in_time("sends", next).await;
        let read = read(&mut sending).await;
        let reply = world.hear(1, sending).await;
        world.end().await;
        format!("{read}; {reply}; {next}")
    });
}
