//! A tool that wants permission.

use super::{answer, asked, said};
use acp_tests::{Make, World, within};
use std::time::Duration;

pub(super) async fn granted(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    let mut sending = sessions.send_message("a", "tool echo told > out; cat out".into());
    let asked = asked(&mut sending).await;
    assert!(!world.path("work/out").exists());
    answer(&sessions, &asked, "allow_once");
    let reply = within(sending).await.expect("it is answered");
    assert!(reply.text.contains("told"), "{reply:?}");
    assert!(world.path("work/out").exists());
    world.ends(sessions).await;
}

pub(super) async fn refused(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    let mut sending = sessions.send_message("a", "tool echo told > out; cat out".into());
    let asked = asked(&mut sending).await;
    answer(&sessions, &asked, "reject_once");
    let reply = within(sending).await.expect("the turn ends in good order");
    assert!(!world.path("work/out").exists(), "{reply:?}");
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}

pub(super) async fn unanswered(make: Make) {
    let world = World::new(make).await;
    let agent = world.agent().permission_timeout(Duration::from_millis(300));
    let sessions = World::manage(agent);
    let mut sending = sessions.send_message("a", "tool echo told > out; cat out".into());
    asked(&mut sending).await;
    let reply = within(sending).await.expect("the turn ends in good order");
    assert!(!world.path("work/out").exists(), "{reply:?}");
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}
