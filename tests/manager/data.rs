//! Status, reports and events as data, and as text.

use serde_json::{Value, json, to_value};
use turnwise::{Phase, manager::*};

use crate::script::{Act, Failure, Gate, Step, fail, say};
use crate::{MINUTE, SECOND, all_events, plain};

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

#[tokio::test(start_paused = true)]
async fn a_status_is_data() {
    let (m, stage) = plain();
    let gate = Gate::new();
    let sending = m.send_message("a", say("hello").with_note("thinking").until(&gate));
    gate.reached().await;
    let waits = m.turn("a");
    stage.hand.advance(90 * SECOND);
    let status = m.status("a").expect("busy");
    let number = status.incarnation.get();
    let expected = json!({
        "phase": "Busy",
        "elapsed": { "secs": 90, "nanos": 0 },
        "waiting": 1,
        "kept": 0,
        "incarnation": number,
        "turn": 1,
        "note": "thinking",
        "quiet": { "secs": 0, "nanos": 0 },
    });
    assert_eq!(to_value(&status).expect("data"), expected);
    assert_eq!(
        to_value(m.snapshot()).expect("data"),
        json!([["a", expected]])
    );
    gate.open();
    sending.await.expect("it ends");
    drop(waits.await.expect("its turn comes"));
    let idle = m.status("a").expect("it rests");
    let expected = json!({
        "phase": "Idle",
        "elapsed": { "secs": 0, "nanos": 0 },
        "waiting": 0,
        "kept": 0,
        "incarnation": number,
        "turn": null,
        "note": null,
        "quiet": null,
    });
    assert_eq!(to_value(&idle).expect("data"), expected);
    assert_eq!(idle.phase, Phase::Idle);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn reports_are_data() {
    let (m, stage) = plain();
    for (key, act) in [
        ("stops", Act::pass()),
        ("fails", fail()),
        ("hangs", Act::hang()),
    ] {
        drop(m.turn(key).await.expect("free"));
        stage.script.tell(key, Step::Stop, act);
    }
    stage.hand.advance(MINUTE);
    let busy = m.turn("busy").await.expect("free");
    let why = "it fails as scripted: because the script says so";
    let report = m.cleanup_idle(MINUTE).await;
    let expected = json!({
        "stopped": ["stops"],
        "failed": [["fails", why]],
        "abandoned": ["hangs"],
        "skipped": [["busy", { "Busy": { "secs": 0, "nanos": 0 } }]],
    });
    assert_eq!(to_value(&report).expect("data"), expected);
    for skip in [Skip::Young, Skip::Touched] {
        assert_eq!(to_value(skip).expect("data"), json!(format!("{skip:?}")));
    }
    stage.script.tell("busy", Step::Stop, fail());
    drop(busy);
    let report = m.shutdown(MINUTE).await;
    let expected = json!({ "stopped": [], "failed": [["busy", why]], "abandoned": [] });
    assert_eq!(to_value(&report).expect("data"), expected);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn events_are_data() {
    let (m, stage) = plain();
    let mut events = m.subscribe();
    stage.script.tell("a", Step::Start, fail());
    drop(m.turn("a").await.expect_err("it fails"));
    m.send_message("a", say("hello")).await.expect("free");
    stage.end(m).await;
    let told = all_events(&mut events);
    let names: Vec<_> = told
        .iter()
        .map(|event| {
            let data = to_value(event).expect("data");
            let (name, inner) = data
                .as_object()
                .and_then(|all| all.iter().next())
                .expect("one");
            assert_eq!(inner["key"], "a");
            assert!(number(&inner["incarnation"]) > 0);
            name.clone()
        })
        .collect();
    let expected = [
        "StartFailed",
        "Started",
        "TurnBegan",
        "TurnEnded",
        "Stopped",
    ];
    assert_eq!(names, expected);
    let data = to_value(&told[3]).expect("data");
    assert_eq!(data["TurnEnded"]["outcome"], "Done");
    assert_eq!(
        data["TurnEnded"]["turn"],
        to_value(turn_of(&told[3])).expect("data")
    );
    let data = to_value(&told[4]).expect("data");
    assert_eq!(data["Stopped"]["reason"], "Shutdown");
    assert_eq!(data["Stopped"]["error"], Value::Null);
}

fn turn_of(event: &SessionEvent<String>) -> turnwise::Ticket {
    match event {
        SessionEvent::TurnEnded { turn, .. } => *turn,
        other => panic!("the end of a turn, not {other:?}"),
    }
}

/// Small, lower case, no full stop, each its own.
#[test]
fn every_error_says_what_it_is() {
    type Error = TurnError<Failure>;
    let start = std::sync::Arc::new(Failure("why"));
    let mut texts: Vec<String> = [
        Error::Busy,
        Error::Closed,
        Error::QueueFull,
        Error::RegistryFull,
        Error::WaitTimedOut,
        Error::Dismissed,
        Error::Start(start),
        Error::StartTimedOut,
        Error::StartPanicked,
        Error::Agent(Failure("why")),
        Error::TurnTimedOut,
        Error::Aborted,
        Error::Panicked,
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    let stops: [StopError<Failure>; 3] =
        [StopError::Panicked, StopError::Abandoned, StopError::Closed];
    texts.extend(stops.iter().map(ToString::to_string).take(2));
    let builds = [
        BuildError::NoRuntime,
        BuildError::NoTime,
        BuildError::ZeroTimeout,
        BuildError::ZeroLimit,
    ];
    texts.extend(builds.iter().map(ToString::to_string));
    for text in &texts {
        let first = text.chars().next().expect("not empty");
        assert!(first.is_lowercase() && !text.ends_with('.'), "{text}");
    }
    let all = texts.len();
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), all, "two say the same");
}

/// What is shown of handles and futures shows neither messages nor sessions.
#[tokio::test(start_paused = true)]
async fn what_is_shown_tells_nothing_that_is_said() {
    let (m, stage) = plain();
    let mut sending = m.send_message("a", say("secret").in_parts(1));
    let shown = format!("{sending:?} {m:?} {:?}", m.turn("a"));
    assert!(shown.contains("Sending") && shown.contains("Entering"));
    assert!(!shown.contains("secret"), "{shown}");
    sending.started().await.expect("free");
    let shown = format!("{:?} {:?}", m.subscribe(), m.stop("b"));
    assert_eq!(
        shown,
        "Subscription { unread: 0, missed: 0, .. } Stopping { .. }"
    );
    let turn = m.turn("a").await.expect("its turn comes");
    let shown = format!("{turn:?}");
    assert!(shown.starts_with("SessionTurn { key: \"a\"") && !shown.contains("secret"));
    drop(turn);
    m.shutdown(MINUTE).await;
    let error = m
        .send_message("a", say("secret"))
        .await
        .expect_err("closed");
    assert_eq!(
        format!("{error:?}"),
        "SendError { error: Closed, undelivered: true }"
    );
    let stream = sending.into_stream();
    assert!(!format!("{stream:?}").contains("secret"));
    drop(stream);
    stage.end(m).await;
}
