//! Work that an extension begins, in a real pi.

use super::{said, send};
use pi_tests::World;
use std::fs;
use turnwise::manager::TurnError;
use turnwise_pi::{PiError, PiStop};

/// Commands that begin work: one goes on, one waits for the end, one begins it when its turn is over.
const EXTENSION: &str = r#"
export default function (pi) {
    const command = (name, handler) => pi.registerCommand(name, { description: name, handler });
    command("begins", async () => { pi.sendUserMessage("begun"); });
    command("waits", async (_args, ctx) => { pi.sendUserMessage("waited for"); await ctx.waitForIdle(); });
    command("later", async () => { setTimeout(() => pi.sendUserMessage("LATE"), 1); });
}
"#;

#[tokio::test]
async fn the_work_of_a_command_is_its_turn() {
    let world = World::new().await;
    let path = world.path("work/works.js");
    fs::write(&path, EXTENSION).expect("the folder is there");
    let sessions = World::manage(world.pi().arg("-e").arg(path));
    for _ in 0..3 {
        for (command, answer) in [("/begins", "begun"), ("/waits", "waited for")] {
            let reply = send(&sessions, "a", command).await.expect("it is answered");
            assert_eq!((&*reply.text, reply.stop), (answer, PiStop::Stop));
            assert_eq!(said(&sessions, "a", "next").await, "next");
        }
    }
    world.ends(sessions).await;
}

#[tokio::test]
async fn work_between_turns_is_no_answer() {
    let world = World::new().await;
    let path = world.path("work/works.js");
    fs::write(&path, EXTENSION).expect("the folder is there");
    let sessions = World::manage(world.pi().arg("-e").arg(path));
    for _ in 0..3 {
        // It may still see the work begin.
        let end = send(&sessions, "a", "/later").await;
        assert!(
            matches!(&end, Ok(reply) if reply.stop == PiStop::Handled || reply.text == "LATE"),
            "{end:?}"
        );
        match send(&sessions, "a", "next").await {
            Ok(reply) => assert_eq!(reply.text, "next"),
            // It began when this message was on its way. Where it ends pi, by an error of its own, that is no answer either.
            Err(TurnError::Agent(PiError::Protocol { .. } | PiError::Exited { .. })) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    world.ends(sessions).await;
}
