//! An extension that asks, in a real pi.

use super::{event, pid, said};
use pi_tests::{World, within};
use std::{fs, path::PathBuf, sync::Arc, time::Duration};
use turnwise::manager::{Sending, TurnError};
use turnwise_pi::{PiAgent, PiAnswer, PiEvent, PiQuestion, PiStop};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// Asks before each tool, and by a command.
const EXTENSION: &str = r#"
export default function (pi) {
    pi.on("tool_call", async (event, ctx) => {
        const choice = await ctx.ui.select(`Run ${event.input.command}?`, ["Allow", "Deny"]);
        if (choice !== "Allow") return { block: true, reason: `answered ${choice}` };
    });
    pi.registerCommand("ask", {
        description: "asks",
        handler: async (_args, ctx) => {
            const yes = await ctx.ui.confirm("Sure?", "Really?");
            ctx.ui.notify(`confirmed: ${yes}`, "info");
        },
    });
}
"#;

fn extension(world: &World) -> PathBuf {
    let path = world.path("work/asks.js");
    fs::write(&path, EXTENSION).expect("the folder is there");
    path
}

/// The next question of a message.
async fn question(sending: &mut Sending<PiAgent>) -> Arc<PiQuestion> {
    let asked = event(sending, |event| matches!(event, PiEvent::Question(_))).await;
    let PiEvent::Question(question) = asked else {
        unreachable!("it is one")
    };
    question
}

#[tokio::test]
async fn nobody_answers_by_default() {
    let world = World::new().await;
    let sessions = World::manage(world.pi().arg("-e").arg(extension(&world)));
    let mut sending = sessions.send_message("a", "tool echo done".into());
    let asked = question(&mut sending).await;
    assert_eq!(
        (&*asked.method, &*asked.title),
        ("select", "Run echo done?")
    );
    assert_eq!(asked.options, ["Allow", "Deny"]);
    let reply = within(sending).await.expect("it goes on");
    assert!(reply.text.contains("answered undefined"), "{}", reply.text);

    // A command of an extension: the model is not asked, and nothing follows that could be waited for.
    let mut sending = sessions.send_message("a", "/ask".into());
    let notice = event(&mut sending, |event| {
        matches!(event, PiEvent::Notice { .. })
    })
    .await;
    let expected = PiEvent::Notice {
        level: "info".to_owned(),
        text: "confirmed: false".to_owned(),
    };
    assert_eq!(notice, expected);
    let reply = within(sending).await.expect("it was handled");
    assert_eq!((&*reply.text, reply.stop), ("", PiStop::Handled));
    assert_eq!(said(&sessions, "a", "next").await, "next");
    world.ends(sessions).await;
}

#[tokio::test]
async fn an_answer_is_heard() {
    let world = World::new().await;
    let pi = world.pi().arg("-e").arg(extension(&world));
    let sessions = World::manage(pi.question_timeout(LONG));
    for (option, expected) in [("Allow", "done"), ("Deny", "answered Deny")] {
        let mut sending = sessions.send_message("a", "tool echo done".into());
        let asked = question(&mut sending).await;
        let handle = sessions.handle("a").expect("it is there");
        assert_eq!(handle.questions(), [Arc::clone(&asked)]);
        assert!(handle.answer(asked.id, PiAnswer::Value(option.to_owned())));
        assert!(!handle.answer(asked.id, PiAnswer::Cancelled));
        let reply = within(sending).await.expect("it is answered").text;
        assert!(reply.contains(expected), "{reply}");
    }
    let mut sending = sessions.send_message("a", "/ask".into());
    let asked = question(&mut sending).await;
    assert_eq!(asked.message.as_deref(), Some("Really?"));
    let handle = sessions.handle("a").expect("it is there");
    assert!(handle.answer(asked.id, PiAnswer::Confirmed(true)));
    let notice = event(&mut sending, |event| {
        matches!(event, PiEvent::Notice { .. })
    })
    .await;
    assert!(matches!(notice, PiEvent::Notice { text, .. } if text == "confirmed: true"));
    within(sending).await.expect("it was handled");
    world.ends(sessions).await;
}

#[tokio::test]
async fn a_question_that_nobody_answers_in_time() {
    let world = World::new().await;
    let pi = world.pi().arg("-e").arg(extension(&world));
    let sessions = World::manage(pi.question_timeout(Duration::from_millis(100)));
    let mut sending = sessions.send_message("a", "tool echo done".into());
    let asked = question(&mut sending).await;
    let reply = within(sending).await.expect("it goes on").text;
    assert!(reply.contains("answered undefined"), "{reply}");
    let handle = sessions.handle("a").expect("it is there");
    assert!(!handle.answer(asked.id, PiAnswer::Cancelled));
    world.ends(sessions).await;
}

/// pi does not answer an abort while an extension waits.
#[tokio::test]
async fn an_abort_while_a_question_is_open() {
    let world = World::new().await;
    let pi = world.pi().arg("-e").arg(extension(&world));
    let sessions = World::manage(pi.question_timeout(LONG));
    let first = pid(&sessions, "a").await;
    for message in ["tool echo done", "/ask"] {
        let mut sending = sessions.send_message("a", message.into());
        let asked = question(&mut sending).await;
        let handle = sessions.handle("a").expect("it is there");
        sending.abort();
        // A command was handled, cancelled or not; a turn was aborted.
        match within(sending).await.map_err(|error| error.error) {
            Ok(reply) => assert_eq!((message, reply.stop), ("/ask", PiStop::Handled)),
            Err(error) => assert!(matches!(error, TurnError::Aborted), "{error:?}"),
        }
        let late = PiAnswer::Value("Allow".to_owned());
        assert!(!handle.answer(asked.id, late));
        assert_eq!(said(&sessions, "a", "next").await, "next");
    }
    assert_eq!(pid(&sessions, "a").await, first, "pi is well");
    world.ends(sessions).await;
}
