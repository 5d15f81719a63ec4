//! Turns on five sessions, cancelled, stopped and killed at random; then the books must balance. `just pi-soak`.
//!
//! `TURNWISE_TURNS` says how many turns, `TURNWISE_SEED` which; the same seed gives the same turns, not the same moments.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

use fastrand::Rng;
use pi_tests::{World, within};
use std::{env, process::Command, sync::Arc, time::Duration};
use tokio::{sync::RwLock, time::timeout};
use turnwise::{SessionManager, manager::*};
use turnwise_pi::{PiAgent, PiError};

const SESSIONS: usize = 5;

/// What becomes of a turn.
#[derive(Clone, Copy, Debug)]
enum Fate {
    LeftAlone,
    Aborted,
    Dropped,
    Stopped,
    Killed,
}

/// What one session has come to.
#[derive(Debug, Default)]
struct Book {
    /// Answered as they should be, in order.
    answered: Vec<String>,
    ended: [usize; 5],
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turns_at_random() {
    let number = |name: &str| env::var(name).ok().and_then(|text| text.parse().ok());
    let turns: usize = number("TURNWISE_TURNS").map_or(200, |turns: u64| turns as usize);
    let seed = number("TURNWISE_SEED").unwrap_or_else(|| fastrand::u64(..));
    println!("TURNWISE_SEED={seed} TURNWISE_TURNS={turns}");

    let world = World::new().await;
    let sessions = world.manager();
    let sweeps = Arc::new(RwLock::new(()));
    let workers: Vec<_> = (0..SESSIONS)
        .map(|index| {
            let sessions = sessions.clone();
            let sweeps = Arc::clone(&sweeps);
            let rng = Rng::with_seed(seed.wrapping_add(index as u64));
            tokio::spawn(session(
                sessions,
                sweeps,
                format!("session-{index}"),
                turns / SESSIONS,
                rng,
            ))
        })
        .collect();
    let mut books = Vec::new();
    for worker in workers {
        books.push(worker.await.expect("no worker panics"));
    }
    let mut total = [0; 5];
    for (index, book) in books.iter().enumerate() {
        let key = format!("session-{index}");
        for message in &book.answered {
            assert_eq!(world.stub.heard(message), 1, "{message} was sent once");
        }
        for (sum, count) in total.iter_mut().zip(book.ended) {
            *sum += count;
        }
        // The conversation has outlived every process: what was answered is in it, in order.
        let recalled = within(sessions.send_message(&*key, "recall".into())).await;
        let recalled = recalled.expect("it is answered").text;
        let mut lines = recalled.lines();
        for message in &book.answered {
            assert!(
                lines.any(|line| line == message),
                "{key}: {message} is lost, or out of order"
            );
        }
    }
    println!(
        "{turns} turns: {} answered, {} aborted, {} failed in the model, {} crashed, {} not begun",
        total[0], total[1], total[2], total[3], total[4]
    );
    world.ends(sessions).await;
    println!("nothing is left");
}

async fn session(
    sessions: SessionManager<PiAgent>,
    sweeps: Arc<RwLock<()>>,
    key: String,
    turns: usize,
    mut rng: Rng,
) -> Book {
    let mut book = Book::default();
    for turn in 0..turns {
        let name = format!("{turn} of {key}");
        // How many words stand in a message does not matter: the stub looks at the first two.
        let message = match rng.u8(..10) {
            0 => format!("hang {name}"),
            1 => format!("begin {name}"),
            2 => format!("tool sleep 600 # {name}"),
            3 => "status 503".to_owned(),
            4 => "slow 20".to_owned(),
            5 => format!("tool echo {name}"),
            _ => format!("say {name}"),
        };
        // Some have no end of their own.
        let endless = ["hang", "begin", "tool sleep"]
            .iter()
            .any(|begin| message.starts_with(begin));
        let fate = loop {
            match (rng.u8(..8), endless) {
                (0, _) => break Fate::Aborted,
                (1, _) => break Fate::Dropped,
                (2, _) => break Fate::Stopped,
                (3, _) => break Fate::Killed,
                (_, true) => {}
                (_, false) => break Fate::LeftAlone,
            }
        };
        let moment = Duration::from_millis(rng.u64(..150));
        let one = one(&sessions, &sweeps, &key, &message, fate, moment);
        let Ok(end) = timeout(Duration::from_secs(120), one).await else {
            panic!(
                "{message}, {fate:?} after {moment:?} hangs: {:?}",
                sessions.status(&*key)
            );
        };
        match end {
            Ok(text) => {
                if message.starts_with("say") {
                    assert_eq!(text, message, "its own answer");
                    book.answered.push(message);
                }
                book.ended[0] += 1;
            }
            Err(TurnError::Aborted) => book.ended[1] += 1,
            Err(TurnError::Agent(PiError::Model(_))) => book.ended[2] += 1,
            Err(TurnError::Agent(PiError::Exited { .. })) => book.ended[3] += 1,
            // Killed while it started, or just after that.
            Err(TurnError::Start(_) | TurnError::Discarded(_)) if matches!(fate, Fate::Killed) => {
                book.ended[4] += 1;
            }
            Err(error) => panic!("{message}, {fate:?} after {moment:?}: {error}: {error:?}"),
        }
        if rng.u8(..10) == 0 {
            let _swept = within(sweeps.write()).await;
            within(sessions.cleanup_idle(Duration::ZERO)).await;
        }
    }
    book
}

/// One turn, and after a moment its fate.
async fn one(
    sessions: &SessionManager<PiAgent>,
    sweeps: &RwLock<()>,
    key: &str,
    message: &str,
    fate: Fate,
    moment: Duration,
) -> Result<String, TurnError<PiError>> {
    // The process to be killed: the one before the turn, if it is there.
    let unswept = sweeps.read().await;
    let pid = match fate {
        Fate::Killed => match sessions.turn(key).await {
            Ok(turn) => {
                let pid = turn.pid();
                SessionTurn::done(turn);
                Some(pid)
            }
            Err(_) => None,
        },
        _ => None,
    };
    let mut sending = sessions.send_message(key, message.into());
    // Its turn is taken by the call: from now on nobody sweeps it away.
    drop(unswept);
    let replied = if matches!(fate, Fate::LeftAlone) {
        None
    } else {
        timeout(moment, &mut sending).await.ok()
    };
    let reply = match (replied, fate) {
        (Some(reply), _) => reply,
        (None, Fate::LeftAlone) => sending.await,
        (None, Fate::Aborted) => {
            sending.abort();
            sending.await
        }
        (None, Fate::Dropped) => {
            drop(sending);
            return Err(TurnError::Aborted);
        }
        (None, Fate::Stopped) => loop {
            sessions.stop(key).await.expect("in good order");
            // One that stood in line, behind a sweep, has the next incarnation.
            if let Ok(reply) = timeout(moment, &mut sending).await {
                break reply;
            }
        },
        (None, Fate::Killed) => {
            let pid = pid.expect("it had a turn");
            let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
            killed.expect("`kill` can be run");
            match timeout(Duration::from_secs(2), &mut sending).await {
                Ok(reply) => reply,
                Err(_) => {
                    // Killed before its turn: the look at its health has replaced it, and nobody noticed.
                    sending.abort();
                    sending.await
                }
            }
        }
    };
    reply
        .map(|reply| reply.text)
        .map_err(|SendError { error, .. }| error)
}
