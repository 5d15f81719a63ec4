//! Turns that go well.

use super::{event, pid, said, send};
use futures_core::Stream;
use pi_tests::{World, within};
use serde_json::Map;
use std::{future::poll_fn, pin::Pin};
use turnwise::{Phase, manager::Update};
use turnwise_pi::{PiEvent, PiStop};

#[tokio::test]
async fn an_answer_comes_in_pieces_and_then_whole() {
    let world = World::new().await;
    let sessions = world.manager();
    let mut sending = sessions.send_message("a", "slow 5".into());
    let mut text = String::new();
    while let Some(heard) = within(sending.next_event()).await {
        match heard {
            Update::Event(PiEvent::Text(piece)) => text += &piece,
            Update::Event(_) => {}
            Update::Lagged(count) => panic!("{count} missed, and nobody was slow"),
        }
    }
    let reply = within(sending).await.expect("it is answered");
    assert_eq!(reply.text, "0 1 2 3 4 ");
    assert_eq!(text, reply.text);
    assert_eq!(reply.stop, PiStop::Stop);
    assert_eq!((reply.usage.input, reply.usage.output), (10, 5));
    world.ends(sessions).await;
}

#[tokio::test]
async fn two_callers_of_a_session_have_their_turns_in_order() {
    let world = World::new().await;
    let sessions = world.manager();
    let messages: Vec<String> = (0..6).map(|index| format!("message {index}")).collect();
    // Two callers, message by message, none of them waiting.
    let sent: Vec<_> = messages
        .iter()
        .map(|text| {
            let sessions = sessions.clone();
            sessions.send_message("a", text.as_str().into())
        })
        .collect();
    for (sending, text) in sent.into_iter().zip(&messages) {
        let reply = within(sending).await.expect("it is answered");
        assert_eq!(&reply.text, text, "its own answer");
        assert_eq!(world.stub.heard(text), 1, "heard once");
    }
    assert_eq!(said(&sessions, "a", "recall").await, messages.join("\n"));
    world.ends(sessions).await;
}

#[tokio::test]
async fn nobody_waits_for_a_turn_that_hangs() {
    let world = World::new().await;
    let sessions = world.manager();
    let hangs = sessions.send_message("a", "hang".into());
    within(world.stub.hears("hang")).await;

    // None of these is awaited.
    let status = sessions.status("a").expect("it is there");
    assert_eq!((status.phase, status.waiting), (Phase::Busy, 0));
    assert_eq!(sessions.snapshot().len(), 1);
    assert!(sessions.touch("a"));
    // Another session does not notice, nor does its idle stop.
    assert_eq!(said(&sessions, "b", "hello").await, "hello");
    let sweep = within(sessions.cleanup_idle(std::time::Duration::ZERO)).await;
    assert_eq!(sweep.stopped, ["b"]);
    // Who waits for it, stands in line, visibly.
    let waits = sessions.send_message("a", "next".into());
    assert_eq!(waits.ahead(), 0);
    assert_eq!(sessions.status("a").expect("it is there").waiting, 1);
    assert_eq!(world.stub.heard("next"), 0);

    drop(hangs);
    assert_eq!(within(waits).await.expect("it is next").text, "next");
    world.ends(sessions).await;
}

#[tokio::test]
async fn ten_sessions_at_once() {
    let world = World::new().await;
    let sessions = world.manager();
    let sent: Vec<_> = (0..10)
        .map(|index| {
            let key = format!("session {index}");
            sessions.send_message(&*key, format!("I am {index}").into())
        })
        .collect();
    for (index, sending) in sent.into_iter().enumerate() {
        let reply = within(sending).await.expect("it is answered");
        assert_eq!(reply.text, format!("I am {index}"));
    }
    assert_eq!(world.processes().len(), 10);
    world.ends(sessions).await;
}

#[tokio::test]
async fn three_megabytes_there_and_back() {
    let world = World::new().await;
    let sessions = world.manager();
    let mut listens = sessions.listen("a");
    let text = said(&sessions, "a", "big 3000000").await;
    assert_eq!(text.len(), 3_000_000);
    // Nobody read what was told meanwhile; it did not grow, and it stopped nobody.
    assert!(matches!(
        within(listens.next()).await,
        Some(Update::Event(_) | Update::Lagged(_))
    ));
    let long = "x".repeat(3_000_000);
    assert!(
        said(&sessions, "a", &long).await == long,
        "not as it was sent"
    );
    world.ends(sessions).await;
}

#[tokio::test]
async fn every_letter_arrives() {
    let world = World::new().await;
    let sessions = world.manager();
    let text = "a\u{2028}b\u{2029}c\u{85}d\"\\ \u{1F980} e\u{301}\tf\r\ng";
    assert_eq!(said(&sessions, "a", text).await, text);
    assert_eq!(world.stub.heard(text), 1);
    world.ends(sessions).await;
}

#[tokio::test]
async fn a_tool_runs_where_it_should() {
    let world = World::new().await;
    let sessions = world.manager();
    let mut sending = sessions.send_message("a", "tool pwd".into());
    let started = event(&mut sending, |event| {
        matches!(event, PiEvent::ToolStarted { .. })
    })
    .await;
    assert!(
        matches!(started, PiEvent::ToolStarted { name, arguments, .. }
        if name == "bash" && arguments["command"] == "pwd")
    );
    let ended = event(&mut sending, |event| {
        matches!(event, PiEvent::ToolEnded { .. })
    })
    .await;
    assert!(matches!(ended, PiEvent::ToolEnded { failed: false, .. }));
    let reply = within(sending).await.expect("it is answered");
    assert_eq!(reply.text.trim(), world.path("work").display().to_string());
    assert_eq!(
        (reply.usage.input, reply.usage.output),
        (20, 10),
        "of both steps"
    );
    world.ends(sessions).await;
}

#[tokio::test]
async fn commands_between_turns() {
    let world = World::new().await;
    let sessions = world.manager();
    said(&sessions, "a", "hello").await;
    let stats = within(sessions.with_turn("a", async |pi| {
        let unknown = pi.request("no_such_command", Map::new()).await;
        unknown.expect_err("pi does not know it");
        pi.request("get_session_stats", Map::new()).await
    }))
    .await;
    let stats = stats.expect("it has a turn").expect("pi knows it");
    assert_eq!(stats["userMessages"], 1);
    assert_eq!(said(&sessions, "a", "again").await, "again");
    world.ends(sessions).await;
}

#[tokio::test]
async fn a_process_serves_many_turns_and_a_stream_ends_with_its_reply() {
    let world = World::new().await;
    let sessions = world.manager();
    let first = pid(&sessions, "a").await;
    for round in 0..5 {
        let text = format!("round {round}");
        let mut stream = sessions
            .send_message("a", text.as_str().into())
            .into_stream();
        let mut last = None;
        while let Some(progress) = within(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx))).await {
            last = Some(progress);
        }
        let Some(Update::Done(Ok(reply))) = last else {
            panic!("it ends with its reply: {last:?}");
        };
        assert_eq!(reply.text, text);
    }
    assert_eq!(pid(&sessions, "a").await, first);
    send(&sessions, "a", "and so on")
        .await
        .expect("it is answered");
    world.ends(sessions).await;
}

/// The model's words end in the middle of an emoji.
#[tokio::test]
async fn half_an_emoji_is_an_answer() {
    let world = World::new().await;
    let sessions = world.manager();
    let before = pid(&sessions, "a").await;
    let reply = send(&sessions, "a", "half").await.expect("it is answered");
    assert_eq!(
        (&*reply.text, reply.stop),
        ("half \u{FFFD}", PiStop::Length)
    );
    assert_eq!(said(&sessions, "a", "hello").await, "hello");
    assert_eq!(pid(&sessions, "a").await, before);
    world.ends(sessions).await;
}
