//! A conversation outlives its process.

use super::said;
use acp_tests::{Make, World, within};
use std::time::Duration;

pub(super) async fn after_a_stop_and_a_restart(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    assert_eq!(said(&sessions, "a", "remember me").await, "remember me");
    assert!(within(sessions.stop("a")).await.expect("in good order"));
    world.is_empty();
    let first = said(&sessions, "a", "recall").await;
    assert!(first.contains("remember me"), "{first}");
    let turn = within(sessions.turn("a")).await.expect("it has one");
    assert!(turn.resumed());
    drop(turn);
    within(sessions.shutdown(Duration::from_secs(30))).await;
    world.is_empty();

    // As if the program had been started again.
    let sessions = world.manager();
    let second = said(&sessions, "a", "recall").await;
    assert!(second.contains("remember me"), "{second}");
    assert_eq!(world.stub.heard("remember me"), 1);
    world.ends(sessions).await;
}
