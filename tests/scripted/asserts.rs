//! The assertions, where they must fail. What a backend's methods are called with here no manager would call.

use crate::{Plain, world};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use turnwise::testing::{Act, Gate, Script, Scripted};
use turnwise::{
    Backend, Incarnation, SessionManager,
    manager::{SessionTurn, StopReason},
};

type Done = Result<(), Box<dyn std::error::Error>>;

/// What an assertion says where it fails.
fn said(assertion: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(assertion)).expect_err("it must fail");
    *panic.downcast::<String>().expect("a text")
}

/// A backend without a manager, and a number that a manager gave.
async fn alone() -> Result<(Scripted<Plain>, Script<Plain>, Incarnation), Box<dyn std::error::Error>>
{
    let turn = world()?.manager.turn("a").await?;
    let number = SessionTurn::incarnation(&turn);
    let (scripted, script) = Scripted::around(Plain::default());
    Ok((scripted, script, number))
}

#[tokio::test(start_paused = true)]
async fn what_is_never_played_is_told() -> Done {
    let world = world()?;
    world.script.assert_played();
    world.script.on_start(Act::pass());
    world.script.on_stop(Act::hang());
    world.script.on_stop(Act::panic());
    drop(world.manager.turn("a").await?);
    let said = said(|| world.script.assert_played());
    assert_eq!(said, "queued and never played: [(Stop, 2)]");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_second_start_is_told() -> Done {
    let (scripted, script, number) = alone().await?;
    let key = "a".to_owned();
    let first = scripted.start(&key, number).await?;
    script.assert_never_two();
    let other = scripted.start(&"b".to_owned(), number).await?;
    script.assert_never_two(); // of another key
    let second = scripted.start(&key, number).await?;
    let said = said(|| script.assert_never_two());
    assert!(said.contains("neither stopped nor dropped"), "{said}");
    drop((first, other, second));
    Ok(())
}

/// What was dropped or stopped is gone, and the next may start.
#[tokio::test(start_paused = true)]
async fn a_start_after_the_end_is_well() -> Done {
    let (scripted, script, number) = alone().await?;
    let key = "a".to_owned();
    drop(scripted.start(&key, number).await?);
    let second = scripted.start(&key, number).await?;
    script.on_stop(Act::hang());
    let stop = scripted.stop(&key, second, StopReason::Requested);
    assert!(tokio::time::timeout(Duration::ZERO, stop).await.is_err());
    let third = scripted.start(&key, number).await?;
    scripted.stop(&key, third, StopReason::Requested).await?;
    drop(scripted.start(&key, number).await?);
    script.assert_never_two();
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn two_calls_at_once_are_told() -> Done {
    let (scripted, script, number) = alone().await?;
    let (key, gate) = ("a".to_owned(), Gate::new());
    let session = scripted.start(&key, number).await?;
    script.on_stop(Act::pass().after(&gate));
    let stop = scripted.stop(&key, session, StopReason::Requested);
    let start = async {
        gate.reached().await;
        scripted.start_abandoned(&key, number).await;
        gate.open();
    };
    let (stopped, ()) = tokio::join!(stop, start);
    stopped?;
    let said = said(|| script.assert_never_two());
    assert!(
        said.contains("StartAbandoned") && said.contains("begins during"),
        "{said}"
    );
    Ok(())
}

/// A look into a session that another script, or another life of this one, has stopped.
#[tokio::test(start_paused = true)]
async fn a_call_of_a_session_that_has_ended_is_told() -> Done {
    let (scripted, _, number) = alone().await?;
    let mut foreign = scripted.start(&"a".to_owned(), number).await?;
    let (others, script, _) = alone().await?;
    assert!(others.is_healthy(&mut foreign).await);
    let said = said(|| script.assert_never_two());
    assert!(said.contains("of a session that has ended"), "{said}");
    Ok(())
}

/// A record that is waited for: it comes with the call, not before.
#[tokio::test(start_paused = true)]
async fn a_record_is_waited_for() -> Done {
    let (scripted, script) = Scripted::around(Plain::default());
    let manager = SessionManager::builder(scripted).build()?;
    let two = script.until(|calls| calls.len() == 2);
    let mut two = std::pin::pin!(two);
    drop(manager.turn("a").await?);
    assert!(
        tokio::time::timeout(Duration::ZERO, two.as_mut())
            .await
            .is_err()
    );
    let (turn, ()) = tokio::join!(manager.turn("b"), two);
    let keys: Vec<_> = script.record().into_iter().map(|call| call.key).collect();
    assert_eq!(keys, ["a", "b"]);
    drop(turn?);
    Ok(())
}
