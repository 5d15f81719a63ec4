//! Nothing is left, whatever was under way.

use super::{said, text, within_a_tool};
use acp_tests::{Make, World, runs, within};
use std::time::Duration;

pub(super) async fn a_shutdown(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    said(&sessions, "idle", "hello").await;
    let mut streams = sessions.send_message("streams", "begin".into());
    text(&mut streams).await;
    let (tools, tool) = within_a_tool(make, &world, &sessions).await;
    // One that is not even there yet.
    let starts = sessions.send_message("starts", "hang".into());
    assert!(world.processes().len() >= 4, "{:?}", world.processes());
    let mut report = within(sessions.shutdown(Duration::ZERO)).await;
    assert_eq!(report.failed, []);
    assert_eq!(report.abandoned, [""; 0]);
    report.stopped.sort();
    let expected = ["a", "idle", "streams"];
    assert!(
        expected
            .iter()
            .all(|key| report.stopped.contains(&(*key).to_owned())),
        "{report:?}"
    );
    for sending in [streams, tools, starts] {
        let _ = within(sending).await;
    }
    assert!(!runs(tool));
    world.is_empty();
}
