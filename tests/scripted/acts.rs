//! Each act at each method.

use crate::{Failed, HOUR, world};
use std::time::Duration;
use turnwise::manager::{SessionTurn, StopError, TurnError};
use turnwise::testing::End::{CutShort, Failed as Failing, Panicked, Passed};
use turnwise::testing::Method::{IsHealthy, Send, Start, StartAbandoned, Stop};
use turnwise::testing::{Act, Call, Gate};

type Done = Result<(), Box<dyn std::error::Error>>;

#[tokio::test(start_paused = true)]
async fn what_is_not_scripted_passes() -> Done {
    let world = world()?;
    assert_eq!(world.manager.send_message("a", "one").await?, (1, false));
    assert_eq!(world.manager.send_message("a", "two").await?, (2, false));
    assert!(world.manager.stop("a").await?);
    let calls = [Start, Send, IsHealthy, Send, Stop].map(|method| (method, Passed));
    world.ends(&calls, [1, 0, 1, 2, 1]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_start_passes_fails_hangs_and_panics() -> Done {
    let world = world()?;
    world.script.on(Start, Act::fail(Failed("no")));
    world.script.on(Start, Act::hang());
    world.script.on(Start, Act::until_cancelled());
    world.script.on(Start, Act::panic());
    world.script.on(Start, Act::pass());
    let failed = world.manager.turn("a").await;
    assert!(matches!(&failed, Err(TurnError::Start(error)) if **error == Failed("no")));
    let hung = world.manager.turn("a").await;
    assert!(matches!(hung, Err(TurnError::StartTimedOut)));
    let hung = world.manager.turn("a").await;
    assert!(matches!(hung, Err(TurnError::StartTimedOut)));
    let panicked = world.manager.turn("a").await;
    assert!(matches!(panicked, Err(TurnError::StartPanicked)));
    assert!(world.manager.turn("a").await?.is_empty());
    let calls = [
        (Start, Failing),
        (Start, CutShort),
        (StartAbandoned, Passed),
        (Start, CutShort),
        (StartAbandoned, Passed),
        (Start, Panicked),
        (StartAbandoned, Passed),
        (Start, Passed),
    ];
    world.ends(&calls, [1, 3, 0, 0, 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn what_follows_an_abandoned_start_passes_hangs_and_panics() -> Done {
    let world = world()?;
    for act in [
        Act::pass(),
        Act::hang(),
        Act::until_cancelled(),
        Act::panic(),
    ] {
        world.script.on(Start, Act::panic());
        world.script.on(StartAbandoned, act);
        let panicked = world.manager.turn("a").await;
        assert!(matches!(panicked, Err(TurnError::StartPanicked)));
    }
    // The key is handed on all the same.
    drop(world.manager.turn("a").await?);
    let calls = [
        (Start, Panicked),
        (StartAbandoned, Passed),
        (Start, Panicked),
        (StartAbandoned, CutShort),
        (Start, Panicked),
        (StartAbandoned, CutShort),
        (Start, Panicked),
        (StartAbandoned, Panicked),
        (Start, Passed),
    ];
    world.ends(&calls, [1, 1, 0, 0, 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_look_at_health_passes_fails_hangs_and_panics() -> Done {
    let world = world()?;
    drop(world.manager.turn("a").await?);
    world.script.on(IsHealthy, Act::pass());
    let turn = world.manager.turn("a").await?;
    let first = SessionTurn::incarnation(&turn);
    drop(turn);
    let mut last = first;
    for act in [
        Act::fail(Failed("no")),
        Act::hang(),
        Act::until_cancelled(),
        Act::panic(),
    ] {
        world.script.on(IsHealthy, act);
        let turn = world.manager.turn("a").await?;
        assert!(SessionTurn::incarnation(&turn) > last, "it is started anew");
        last = SessionTurn::incarnation(&turn);
    }
    let calls = [
        (Start, Passed),
        (IsHealthy, Passed),
        (IsHealthy, Failing),
        (Stop, Passed),
        (Start, Passed),
        (IsHealthy, CutShort),
        (Stop, Passed),
        (Start, Passed),
        (IsHealthy, CutShort),
        (Stop, Passed),
        (Start, Passed),
        (IsHealthy, Panicked),
        (Stop, Passed),
        (Start, Passed),
    ];
    world.ends(&calls, [5, 0, 1, 0, 4]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_send_passes_fails_hangs_and_panics() -> Done {
    let world = world()?;
    world.script.on(Send, Act::pass());
    assert_eq!(world.manager.send_message("a", "one").await?, (1, false));

    world.script.on(Send, Act::fail(Failed("no")));
    let failed = world.manager.send_message("a", "two").await;
    assert!(failed.is_err_and(|error| matches!(error.error, TurnError::Agent(Failed("no")))));

    world.script.on(Send, Act::hang());
    let hangs = world.manager.send_message("a", "three");
    let sends = |calls: &[Call<String>]| calls.iter().filter(|call| call.method == Send).count();
    world.script.ledger().until(|calls| sends(calls) == 3).await;
    hangs.abort();
    let hung = hangs.await;
    assert!(hung.is_err_and(|error| matches!(error.error, TurnError::Aborted)));

    world.script.on(Send, Act::panic());
    let panicked = world.manager.send_message("a", "four").await;
    assert!(panicked.is_err_and(|error| matches!(error.error, TurnError::Panicked)));
    let shut = world.manager.shutdown(HOUR).await;
    assert!(shut.failed.is_empty());

    let calls = [
        (Start, Passed),
        (Send, Passed),
        (IsHealthy, Passed),
        (Send, Failing), // the session goes on
        (IsHealthy, Passed),
        (Send, CutShort),
        (Stop, Passed),
        (Start, Passed),
        (Send, Panicked),
        (Stop, Passed),
    ];
    world.ends(&calls, [2, 0, 2, 1, 2]);
    Ok(())
}

/// The agent within sees that it is cancelled, and the turn ends cleanly: its session goes on.
#[tokio::test(start_paused = true)]
async fn a_send_waits_until_it_is_cancelled() -> Done {
    let world = world()?;
    world.script.on(Send, Act::until_cancelled());
    let sending = world.manager.send_message("a", "one");
    world
        .script
        .ledger()
        .until(|calls| calls.iter().any(|call| call.method == Send))
        .await;
    assert!(world.manager.abort("a", None));
    let cancelled = sending.await;
    world
        .script
        .ledger()
        .until(|calls| calls.iter().all(|call| call.end.is_some()))
        .await;
    assert!(cancelled.is_ok_and(|reply| reply == (1, true)));
    assert_eq!(world.manager.send_message("a", "two").await?, (2, false));
    let calls = [Start, Send, IsHealthy, Send].map(|method| (method, Passed));
    world.ends(&calls, [1, 0, 1, 2, 0]);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_stop_passes_fails_hangs_and_panics() -> Done {
    let world = world()?;
    let mut ends = Vec::new();
    for act in [
        Act::pass(),
        Act::fail(Failed("no")),
        Act::hang(),
        Act::until_cancelled(),
        Act::panic(),
    ] {
        drop(world.manager.turn("a").await?);
        world.script.on(Stop, act);
        ends.push(world.manager.stop("a").await);
    }
    assert!(
        matches!(
            &ends[..],
            [
                Ok(true),
                Err(StopError::Failed(_)),
                Err(StopError::Abandoned),
                Err(StopError::Abandoned),
                Err(StopError::Panicked),
            ]
        ),
        "{ends:?}"
    );
    let calls = [Passed, Failing, CutShort, CutShort, Panicked];
    let calls: Vec<_> = calls
        .into_iter()
        .flat_map(|end| [(Start, Passed), (Stop, end)])
        .collect();
    world.ends(&calls, [5, 0, 0, 0, 1]);
    Ok(())
}

/// Each method waits at its gate, and nothing else of the key goes on meanwhile.
#[tokio::test(start_paused = true)]
async fn each_method_waits_for_its_gate() -> Done {
    let world = world()?;
    let gates: Vec<Gate> = (0..5).map(|_| Gate::new()).collect();
    world.script.on(Start, Act::panic().after(&gates[0]));
    world
        .script
        .on(StartAbandoned, Act::pass().after(&gates[1]));
    world.script.on(IsHealthy, Act::pass().after(&gates[2]));
    world.script.on(Send, Act::pass().after(&gates[3]));
    world.script.on(Stop, Act::pass().after(&gates[4]));
    let begun = [Start, StartAbandoned, IsHealthy, Send, Stop];
    let watch = async {
        for (gate, method) in gates.iter().zip(begun) {
            gate.reached().await;
            let last = world.script.ledger().record().pop().expect("a call waits");
            assert_eq!((last.method, last.end), (method, None));
            gate.open();
        }
    };
    let act = async {
        let panicked = world.manager.turn("a").await;
        assert!(matches!(panicked, Err(TurnError::StartPanicked)));
        drop(world.manager.turn("a").await?);
        world.manager.send_message("a", "one").await?;
        world.manager.stop("a").await?;
        Ok::<(), Box<dyn std::error::Error>>(())
    };
    let ((), done) = tokio::time::timeout(HOUR, async { tokio::join!(watch, act) }).await?;
    done?;
    // An open gate holds nobody.
    world.script.on(Send, Act::pass().after(&gates[3]));
    world.manager.send_message("a", "two").await?;
    let calls = [
        (Start, Panicked),
        (StartAbandoned, Passed),
        (Start, Passed),
        (IsHealthy, Passed),
        (Send, Passed),
        (Stop, Passed),
        (Start, Passed),
        (Send, Passed),
    ];
    world.ends(&calls, [2, 1, 1, 2, 1]);
    Ok(())
}

/// A shutdown names what the script did to each stop.
#[tokio::test(start_paused = true)]
async fn a_shutdown_tells_of_scripted_stops() -> Done {
    let world = world()?;
    drop(world.manager.turn("a").await?);
    world.script.on(Stop, Act::hang());
    let report = world.manager.shutdown(Duration::ZERO).await;
    assert_eq!(report.abandoned.len(), 1, "{report:?}");
    world.ends(&[(Start, Passed), (Stop, CutShort)], [1, 0, 0, 0, 0]);
    Ok(())
}
