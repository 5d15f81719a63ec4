//! Bursts of messages of one user, with pauses that are about as long as a shell may be idle.

use super::{
    http::Answer,
    scenarios::{IDLE, Results, Size},
    server::Server,
};
use std::{
    collections::HashSet,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::sleep};

/// Messages of a burst, and the time from one to the next.
const MESSAGES: usize = 4;
const APART: Duration = Duration::from_millis(1);

/// All users at the same time.
///
/// # Errors
///
/// The server cannot be started or does not answer.
pub async fn all(program: &Path, size: Size, results: &mut Results) -> io::Result<()> {
    let idle = ("REPL_IDLE_MS", IDLE.as_millis().to_string());
    let server = Arc::new(Server::start(program, &[idle]).await?);
    let folder = TempDir::new()?;
    let mut users = JoinSet::new();
    for user in 0..size.users {
        let server = Arc::clone(&server);
        let lock = folder.path().join(user.to_string()).display().to_string();
        users.spawn(async move {
            let mut found = Vec::new();
            for burst in 0..size.bursts {
                sleep(pause(user, burst)).await;
                found.push(one(&server, &format!("user-{user}"), &lock).await?);
            }
            Ok::<_, io::Error>(found)
        });
    }
    for found in users.join_all().await {
        for (two_shells, at_once) in found?.into_iter().flatten() {
            results.two_shells.add(two_shells);
            results.at_once.add(at_once);
        }
    }
    Ok(())
}

/// From nine tenths of the limit to one and a half: idle shells are looked for every quarter of it.
fn pause(user: usize, burst: usize) -> Duration {
    let part = (user * 7 + burst * 13) % 61;
    IDLE.mul_f64(0.9 + part as f64 / 100.0)
}

/// Whether more than one shell has answered, and whether two ran at once. Each message takes a lock that no other shell of this
/// user should have. `None` if the burst took so long that a shell may have been idle in the middle of it.
async fn one(server: &Server, user: &str, lock: &str) -> io::Result<Option<(bool, bool)>> {
    let message = format!("mkdir {lock} 2>&- || echo TWO; sleep 0.002; rmdir {lock} 2>&-; echo $$");
    let begun = Instant::now();
    let mut sent = JoinSet::new();
    for _ in 0..MESSAGES {
        sent.spawn(server.begin(user, &message).await?.answer());
        sleep(APART).await;
    }
    let mut answers: Vec<Answer> = sent
        .join_all()
        .await
        .into_iter()
        .collect::<io::Result<_>>()?;
    answers.push(server.message(user, &message).await?);
    if begun.elapsed() >= IDLE {
        return Ok(None);
    }
    let shells: HashSet<_> = answers
        .iter()
        .map(|answer| answer.body.lines().last())
        .collect();
    let at_once = answers.iter().any(|answer| answer.body.contains("TWO"));
    Ok(Some((shells.len() > 1, at_once)))
}
