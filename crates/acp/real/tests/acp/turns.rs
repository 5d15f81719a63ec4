//! What a session is for.

use super::{pid, said, text};
use acp_tests::{Make, World, within};
use std::time::Duration;
use turnwise::manager::Update;
use turnwise_acp::{AcpEvent, AcpStop};

pub(super) async fn an_answer(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    for text in ["hello", "ключ\u{2028}\\ \"q\""] {
        let mut sending = sessions.send_message("a", text.into());
        let mut heard = String::new();
        while let Some(update) = within(sending.next_event()).await {
            if let Update::Event(AcpEvent::Text(text)) = update {
                heard.push_str(&text);
            }
        }
        let reply = within(sending).await.expect("it is answered");
        assert_eq!((reply.text.trim(), reply.stop), (text, AcpStop::EndTurn));
        assert_eq!(heard, reply.text);
        assert_eq!(world.stub.heard(text), 1, "it is sent once");
    }
    world.ends(sessions).await;
}

pub(super) async fn two_keys(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    let (one, two) = tokio::join!(
        said(&sessions, "a", "I am a"),
        said(&sessions, "b", "I am b")
    );
    assert_eq!((&*one, &*two), ("I am a", "I am b"));
    assert_ne!(pid(&sessions, "a").await, pid(&sessions, "b").await);
    let (one, two) = tokio::join!(
        said(&sessions, "a", "recall"),
        said(&sessions, "b", "recall")
    );
    assert!(one.contains("I am a") && !one.contains("I am b"), "{one}");
    assert!(two.contains("I am b") && !two.contains("I am a"), "{two}");
    world.ends(sessions).await;
}

/// The same conversations in one process, and one of them is aborted while the other answers.
pub(super) async fn a_shared_process(make: Make) {
    let world = World::new(make).await;
    let sessions = World::manage(world.agent().share(|_| String::new()));
    let (one, two) = tokio::join!(
        said(&sessions, "a", "I am a"),
        said(&sessions, "b", "I am b")
    );
    assert_eq!((&*one, &*two), ("I am a", "I am b"));
    assert_eq!(pid(&sessions, "a").await, pid(&sessions, "b").await);
    let mut sending = sessions.send_message("a", "begin".into());
    text(&mut sending).await;
    assert_eq!(said(&sessions, "b", "meanwhile").await, "meanwhile");
    sending.abort();
    within(sending).await.expect_err("it was aborted");
    assert!(within(sessions.stop("b")).await.expect("in good order"));
    let recalled = said(&sessions, "a", "recall").await;
    assert!(
        recalled.contains("I am a") && !recalled.contains("I am b"),
        "{recalled}"
    );
    world.ends(sessions).await;
}

pub(super) async fn a_model_and_a_mode(make: Make) {
    let world = World::new(make).await;
    let sessions = world.manager();
    let set = sessions.with_turn("a", async |session| {
        let models = session.models();
        let current = models.iter().find(|model| model.current).or(models.first());
        let model = current
            .unwrap_or_else(|| panic!("no model in {}", session.info()))
            .id
            .clone();
        session.set_model(&model).await.expect("it has that model");
        let modes = session.modes();
        let (current, others): (Vec<_>, Vec<_>) = modes.iter().partition(|mode| mode.current);
        for mode in others.first().into_iter().chain(&current) {
            session.set_mode(&mode.id).await.expect("it has that mode");
        }
        session
            .request("no/such/method", serde_json::json!({}))
            .await
            .expect_err("there is none");
        modes.len()
    });
    let modes = within(set).await.expect("it has a turn");
    // As it is configured here, Codex has none.
    assert_eq!(modes > 0, make != Make::Codex);
    // Agents put words about their modes before the message.
    assert_ne!(said(&sessions, "a", "hello").await, "");
    let report = within(sessions.shutdown(Duration::from_secs(30))).await;
    assert_eq!(report.stopped, ["a"]);
    world.is_empty();
}
