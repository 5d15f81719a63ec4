//! An extension that asks, in a real pi.

use super::{event, pid, said};
use pi_tests::{World, within};
use std::{fs, path::PathBuf};
use turnwise::manager::TurnError;
use turnwise_pi::{PiDialog, PiEvent, PiStop};

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

#[tokio::test]
async fn nobody_answers_by_default() {
    let world = World::new().await;
    let sessions = World::manage(world.pi().arg("-e").arg(extension(&world)));
    let mut sending = sessions.send_message("a", "tool echo done".into());
    let asked = event(&mut sending, |event| {
        matches!(event, PiEvent::Dialog { .. })
    })
    .await;
    let expected = PiEvent::Dialog {
        method: "select".to_owned(),
        title: "Run echo done?".to_owned(),
    };
    assert_eq!(asked, expected);
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
async fn who_answers_is_heard() {
    let world = World::new().await;
    let pi = world.pi().arg("-e").arg(extension(&world));
    let sessions = World::manage(pi.dialogs(|dialog| match &*dialog.method {
        "select" => dialog.answer("Allow"),
        _ => dialog.confirm(true),
    }));
    let reply = said(&sessions, "a", "tool echo done").await;
    assert_eq!(reply.trim(), "done");
    let mut sending = sessions.send_message("a", "/ask".into());
    let notice = event(&mut sending, |event| {
        matches!(event, PiEvent::Notice { .. })
    })
    .await;
    assert!(matches!(notice, PiEvent::Notice { text, .. } if text == "confirmed: true"));
    within(sending).await.expect("it was handled");
    world.ends(sessions).await;
}

/// pi does not answer an abort while an extension waits.
#[tokio::test]
async fn an_abort_while_a_dialog_is_open() {
    let world = World::new().await;
    let pi = world.pi().arg("-e").arg(extension(&world));
    let (asked, mut asks) = tokio::sync::mpsc::unbounded_channel::<PiDialog>();
    let sessions =
        World::manage(pi.dialogs(move |dialog| asked.send(dialog).expect("the test listens")));
    let first = pid(&sessions, "a").await;
    for message in ["tool echo done", "/ask"] {
        let sending = sessions.send_message("a", message.into());
        let dialog = within(asks.recv()).await.expect("it asks");
        let status = sessions.status("a").expect("it is there");
        assert_eq!(status.note.as_deref(), Some("waiting for a dialog"));
        sending.abort();
        // A command was handled, cancelled or not; a turn was aborted.
        match within(sending).await.map_err(|error| error.error) {
            Ok(reply) => assert_eq!((message, reply.stop), ("/ask", PiStop::Handled)),
            Err(error) => assert!(matches!(error, TurnError::Aborted), "{error:?}"),
        }
        dialog.answer("Allow"); // too late
        assert_eq!(said(&sessions, "a", "next").await, "next");
    }
    assert_eq!(pid(&sessions, "a").await, first, "pi is well");
    world.ends(sessions).await;
}
