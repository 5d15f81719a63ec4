//! An abort at each moment. The next message is answered, and the conversation goes on.

use super::{aborted, asked, said, text, within_a_tool};
use acp_tests::{Make, World, runs, within};

pub(super) async fn before_the_first_byte(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    let sending = sessions.send_message("a", "hang".into());
    within(world.stub.hears("hang")).await;
    sending.abort();
    aborted(within(sending).await);
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}

pub(super) async fn in_an_answer(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    assert_eq!(said(&sessions, "a", "remember me").await, "remember me");
    let mut sending = sessions.send_message("a", "begin".into());
    text(&mut sending).await;
    sending.abort();
    within(sending).await.expect_err("it never ends");
    assert!(said(&sessions, "a", "recall").await.contains("remember me"));
    world.ends(sessions).await;
}

pub(super) async fn in_a_question(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    let mut sending = sessions.send_message("a", "tool echo told > out; cat out".into());
    let asked = asked(&mut sending).await;
    sending.abort();
    aborted(within(sending).await);
    let handle = sessions.handle("a").expect("it is there");
    assert!(
        !handle.answer(asked.id, &asked.options[0].id),
        "it is too late"
    );
    assert!(!world.path("work/out").exists());
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}

pub(super) async fn in_a_tool(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    let (sending, tool) = within_a_tool(make, &world, &sessions).await;
    sending.abort();
    aborted(within(sending).await);
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
    assert!(!runs(tool));
}

/// Before the agent can have begun, and a little later each time.
pub(super) async fn at_once(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    said(&sessions, "a", "hello").await;
    for round in 0..8 {
        let sending = sessions.send_message("a", "begin".into());
        for _ in 0..(1 << round) {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(round * 3)).await;
        sending.abort();
        aborted(within(sending).await);
    }
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}
