//! What users of the manager do most: a plain turn and a message, of an idle session, on tokio's runtime of one thread.

use std::{convert::Infallible, error::Error, hint::black_box};
use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::SessionTurn};

pub(crate) const PATHS: [&str; 3] = ["plain turn", "turn with a closure", "message and reply"];

struct Counter;

impl Backend for Counter {
    type Key = String;
    type Session = u64;
    type Handle = ();
    type Event = u64;
    type Error = Infallible;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<(u64, ()), Infallible> {
        Ok((0, ()))
    }
}

impl Agent for Counter {
    type Message = u64;
    type Reply = u64;

    async fn send(
        &self,
        session: &mut u64,
        more: u64,
        _: &TurnContext<u64>,
    ) -> Result<u64, Infallible> {
        *session += more;
        Ok(*session)
    }
}

pub(crate) fn run(path: &str, times: u64) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let manager = SessionManager::builder(Counter).build()?;
        for _ in 0..times {
            match path {
                "plain turn" => {
                    let mut turn = manager.turn("a").await?;
                    *turn += 1;
                    SessionTurn::done(turn);
                }
                "turn with a closure" => {
                    manager
                        .with_turn("a", async |session| *session += 1)
                        .await?;
                }
                _ => drop(black_box(manager.send_message("a", 1).await?)),
            }
        }
        Ok(())
    })
}
