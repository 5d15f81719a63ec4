//! With the manual clock: an idle session whose stop is scripted.

use crate::{Failed, HOUR, world};
use turnwise::testing::Act;
use turnwise::testing::End::{Failed as Failing, Passed};
use turnwise::testing::Method::{Start, Stop};

#[tokio::test(start_paused = true)]
async fn an_idle_session_that_will_not_stop() -> Result<(), Box<dyn std::error::Error>> {
    let world = world()?;
    drop(world.manager.turn("a").await?);
    world.script.on(Stop, Act::fail(Failed("no")));
    let early = world.manager.cleanup_idle(HOUR).await;
    assert!(
        early.failed.is_empty() && early.stopped.is_empty(),
        "{early:?}"
    );
    world.hand.advance(HOUR);
    let report = world.manager.cleanup_idle(HOUR).await;
    assert_eq!(report.failed.len(), 1, "{report:?}");
    world.ends(&[(Start, Passed), (Stop, Failing)], [1, 0, 0, 0, 0]);
    Ok(())
}
