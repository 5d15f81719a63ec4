//! Whatever the daemon was doing, its end leaves nothing.

use crate::{
    TOOL,
    client::refused,
    has_said,
    real::{SILENT_TOOL, others, tool},
    said, start,
};
use pi_tests::{World, runs, within};

#[tokio::test]
async fn turns_under_way_end_by_themselves() {
    let world = World::new().await;
    let daemon = start(&world, &["--drain", "600"]).await;
    let mut slow = daemon.say("a", "slow 50").events().await;
    while slow.next().await.expect("an event").0 != "part" {}
    daemon.signal("TERM").await;
    let mut last = slow.next().await.expect("an event");
    while let Some(event) = slow.next().await {
        last = event;
    }
    assert_eq!(last.0, "done");
    let reply = last.1["reply"].as_str().expect("a text");
    assert!(reply.ends_with("48 49 "), "{reply}");
    let (code, text) = daemon.ends().await;
    assert_eq!(code, Some(0), "{text}");
    world.is_empty();
}

#[tokio::test]
async fn those_that_do_not_are_cancelled() {
    let world = World::new().await;
    let daemon = start(&world, &["--drain", "0.1"]).await;
    assert_eq!(said(&daemon, "idle", "hello").await, "hello");
    let streams = daemon.say("streams", "begin").later();
    let hangs = daemon.say("hangs", "hang").later();
    let tools = daemon.say("tools", TOOL).later();
    daemon.until("streams", has_said("one two three ")).await;
    within(world.stub.hears("hang")).await;
    let tool = tool(&world).await;
    let before = others(&world, &[&daemon]);
    // The tool may run more than one.
    assert!(before.len() >= 5 && before.contains(&tool), "{before:?}");

    daemon.signal("TERM").await;
    for turn in [streams, hangs, tools] {
        let end = turn.await.expect("an answer");
        assert_eq!(refused(&end), (409, "aborted"));
    }
    let (code, text) = daemon.ends().await;
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.ends_with("4 stopped, 0 failed, 0 abandoned\n"),
        "{text}"
    );
    world.is_empty();
    assert!(!before.into_iter().any(runs));
}

/// Nobody is left to end them: their input ends, and so do they.
#[tokio::test]
async fn it_is_killed_itself() {
    let world = World::new().await;
    let daemon = start(&world, &[]).await;
    // The tool says nothing and no abort comes before: a pi that has something to tell somebody who is gone dies of that, and its
    // tool stays.
    let tools = daemon.say("tools", SILENT_TOOL).later();
    let tool = tool(&world).await;
    assert!(others(&world, &[&daemon]).contains(&tool));
    daemon.signal("KILL").await;
    // A connection that breaks is no answer.
    tools.abort();
    assert_eq!(daemon.ends().await.0, None);
    within(async {
        while !world.processes().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
