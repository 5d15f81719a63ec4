//! Turns on a session of each make at once, cancelled, stopped and killed at random; then nothing may be left. `just acp-soak`.
//!
//! `TURNWISE_TURNS` says how many turns, `TURNWISE_SEED` which; the same seed gives the same turns, not the same moments.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

use acp_tests::{Make, World};
use fastrand::Rng;
use std::{env, process::Command, time::Duration};
use tokio::time::timeout;
use turnwise::{SessionManager, manager::*};
use turnwise_acp::{AcpAgent, AcpError};

const MAKES: [Make; 5] = [
    Make::Claude,
    Make::Codex,
    Make::OpenCode,
    Make::Pi,
    Make::Qwen,
];

/// What becomes of a turn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    LeftAlone,
    Aborted,
    Dropped,
    Stopped,
    Killed,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_at_random() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let turns: usize = number("TURNWISE_TURNS").map_or(200, |turns: u64| turns as usize);
    let seed = number("TURNWISE_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("TURNWISE_SEED={seed} TURNWISE_TURNS={turns}");
    let sessions = MAKES.map(|make| {
        let rng = Rng::with_seed(seed.wrapping_add(make as u64));
        tokio::spawn(session(make, turns / MAKES.len(), rng))
    });
    let mut total = [0; 4];
    for session in sessions {
        for (sum, count) in total.iter_mut().zip(session.await.expect("none panics")) {
            *sum += count;
        }
    }
    let [answered, cancelled, crashed, discarded] = total;
    println!(
        "{turns} turns: {answered} answered, {cancelled} cancelled, {crashed} crashed, {discarded} not begun"
    );
    println!("nothing is left");
}

/// How many turns were answered, cancelled, ended by a crash, and not begun.
async fn session(make: Make, turns: usize, mut rng: Rng) -> [usize; 4] {
    let world = World::new(make).await;
    let sessions = world.manager();
    let mut ended = [0; 4];
    for turn in 0..turns {
        let message = match rng.u8(..4) {
            0 => "hang".to_owned(),
            1 => "begin".to_owned(),
            _ => format!("say {turn}"),
        };
        // Some have no end of their own.
        let endless = !message.starts_with("say");
        let fate = loop {
            match rng.u8(..8) {
                0 => break Fate::Aborted,
                1 => break Fate::Dropped,
                2 => break Fate::Stopped,
                3 => break Fate::Killed,
                _ if endless => {}
                _ => break Fate::LeftAlone,
            }
        };
        let moment = Duration::from_millis(rng.u64(..500));
        let one = one(&sessions, &message, fate, moment);
        let Ok(end) = timeout(Duration::from_secs(300), one).await else {
            let status = sessions.status("a");
            panic!("{make:?}: {message}, {fate:?} after {moment:?} hangs: {status:?}");
        };
        let kind = match end {
            Ok(text) => {
                assert!(
                    endless || text.trim() == message,
                    "{make:?}: {message}: {text}"
                );
                0
            }
            Err(TurnError::Aborted) => 1,
            Err(TurnError::Agent(AcpError::Exited { .. })) => 2,
            // Killed while it started, or just after that.
            Err(TurnError::Start(_) | TurnError::Discarded(_)) if fate == Fate::Killed => 3,
            Err(error) => {
                panic!("{make:?}: {message}, {fate:?} after {moment:?}: {error}: {error:?}")
            }
        };
        ended[kind] += 1;
        if rng.u8(..10) == 0 {
            sessions.cleanup_idle(Duration::ZERO).await;
        }
    }
    world.ends(sessions).await;
    ended
}

/// One turn, and after a moment its fate.
async fn one(
    sessions: &SessionManager<AcpAgent>,
    message: &str,
    fate: Fate,
    moment: Duration,
) -> Result<String, TurnError<AcpError>> {
    // The process to be killed: the one before the turn.
    let pid = match fate {
        Fate::Killed => {
            let turn = sessions.turn("a").await?;
            let pid = turn.pid();
            SessionTurn::done(turn);
            pid
        }
        _ => None,
    };
    let mut sending = sessions.send_message("a", message.into());
    let replied = match fate {
        Fate::LeftAlone => Some((&mut sending).await),
        _ => timeout(moment, &mut sending).await.ok(),
    };
    let reply = match (replied, fate) {
        (Some(reply), _) => reply,
        (None, Fate::Dropped) => {
            drop(sending);
            return Err(TurnError::Aborted);
        }
        (None, Fate::Stopped) => loop {
            sessions.stop("a").await.expect("in good order");
            // One that was still queued has the next session.
            if let Ok(reply) = timeout(moment, &mut sending).await {
                break reply;
            }
        },
        (None, _) => {
            if let Some(pid) = pid {
                let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
                killed.expect("`kill` can be run");
                // If it was killed before its turn, the check has replaced it, and the turn has no end.
                if let Ok(reply) = timeout(Duration::from_secs(5), &mut sending).await {
                    return reply.map(|reply| reply.text).map_err(|error| error.error);
                }
            }
            sending.abort();
            sending.await
        }
    };
    reply.map(|reply| reply.text).map_err(|error| error.error)
}
