//! What users of the manager do most: a plain turn and a message, of an idle session, on tokio's runtime of one thread.

#[path = "../peers/counter.rs"]
mod counter;

use counter::Counter;
use std::{error::Error, hint::black_box};
use turnwise::{SessionManager, manager::SessionTurn};

pub(crate) const PATHS: [&str; 3] = ["plain turn", "turn with a closure", "message and reply"];

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
