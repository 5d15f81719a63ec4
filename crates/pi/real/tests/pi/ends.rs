//! Nothing is left, whatever was under way.

use super::{event, said, tool, within_a_tool};
use pi_tests::{World, runs, within};
use std::time::Duration;
use turnwise_pi::PiEvent;

#[tokio::test]
async fn a_shutdown_while_turns_run() {
    let world = World::new().await;
    let sessions = world.manager();
    said(&sessions, "idle", "hello").await;
    let mut streams = sessions.send_message("streams", "begin".into());
    let hangs = sessions.send_message("hangs", "hang".into());
    let mut tools =
        sessions.send_message("tools", "tool echo $$ > tool; echo told; sleep 600".into());
    event(&mut streams, |event| matches!(event, PiEvent::Text(_))).await;
    event(&mut tools, |event| {
        matches!(event, PiEvent::ToolStarted { .. })
    })
    .await;
    within(world.stub.hears("hang")).await;
    let tool = within(tool(&world)).await;
    // One that is not even there yet.
    let starts = sessions.send_message("starts", "hang".into());

    // And a tool, which may be about to become its last command.
    assert!(world.processes().len() >= 4, "{:?}", world.processes());
    let mut report = within(sessions.shutdown(Duration::ZERO)).await;
    assert_eq!(report.failed, []);
    assert_eq!(report.abandoned, [""; 0]);
    report.stopped.sort();
    assert_eq!(
        report.stopped,
        ["hangs", "idle", "starts", "streams", "tools"]
    );
    for sending in [streams, hangs, tools, starts] {
        within(sending).await.expect_err("it did not end by itself");
    }
    assert!(!runs(tool));
    world.is_empty();
}

#[test]
fn the_end_of_the_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = { runtime }
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let world = runtime.block_on(async {
        let world = World::new().await;
        let sessions = world.manager();
        let (sending, _tool) = within_a_tool(&world, &sessions).await;
        sending.detach();
        assert!(!world.processes().is_empty());
        world
    });
    // As if the program ended: all tasks are dropped where they are.
    drop(runtime);
    world.is_empty();
}
