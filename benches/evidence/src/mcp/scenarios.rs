//! What the server is put through.

use super::{
    Size,
    client::{Client, Failed, answers, first_event},
    server::Site,
};
use serde_json::Value;
use std::{fmt, path::Path, time::Duration};
use tokio::{task::JoinSet, time::sleep};

/// After which idle sessions end, in the scenarios of this.
pub const IDLE: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_secs(3600);
/// How many milliseconds the other call takes, during which a stream is resumed.
const OTHER: u64 = 300;
/// Calls at once.
pub const AT_ONCE: usize = 4;

/// How often something went wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub bad: usize,
    pub of: usize,
}

impl Count {
    fn add(&mut self, is_bad: bool) {
        self.bad += usize::from(is_bad);
        self.of += 1;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.bad, self.of)
    }
}

/// What went wrong with one kind of sessions.
#[derive(Debug, Default)]
pub struct Results {
    /// Calls after a kill that were not answered.
    pub after_kills: Count,
    /// Calls around the idle limit that were not answered.
    pub around_the_limit: Count,
    /// Long calls without an answer.
    pub long: Count,
    /// Streams of lost calls that contained the answer to another call.
    pub foreign: Count,
    /// … and those other calls, whose own streams ended without an answer.
    pub robbed: Count,
    /// … and those streams that contained no error for the lost call.
    pub silent: Count,
    /// The first errors.
    pub errors: Vec<String>,
}

impl Results {
    fn noted(&mut self, answer: &Result<(), Failed>) -> bool {
        if let Err(error) = answer
            && self.errors.len() < 5
        {
            self.errors.push(error.to_string());
        }
        answer.is_err()
    }
}

/// All of it once.
///
/// # Errors
///
/// A server cannot be started, or a session cannot be begun.
pub async fn round(
    program: &Path,
    kind: &str,
    size: Size,
    results: &mut Results,
) -> Result<(), Failed> {
    let site = |idle| Site::new(program, kind, idle);
    kills(site(NEVER)?, size, results).await?;
    bursts(site(IDLE)?, size, results).await?;
    long_calls(site(IDLE)?, size, results).await?;
    resumed(site(NEVER)?, size, results).await
}

async fn at_once(client: &Client, count: usize) -> Vec<Result<(), Failed>> {
    let mut calls = JoinSet::new();
    for number in 0..count {
        let client = client.clone();
        calls.spawn(async move { client.call(&format!("call {number}"), 0).await });
    }
    calls.join_all().await
}

/// Calls of one session at once, after each kill and restart.
async fn kills(site: Site<'_>, size: Size, results: &mut Results) -> Result<(), Failed> {
    let mut server = site.start().await?;
    let client = Client::open(&server.url()).await?;
    for _ in 0..size.kills {
        server = site.restart(server).await?;
        for answer in at_once(&client, AT_ONCE).await {
            let is_bad = results.noted(&answer);
            results.after_kills.add(is_bad);
        }
    }
    Ok(())
}

/// Bursts of calls of several sessions, with pauses about as long as the idle limit.
async fn bursts(site: Site<'_>, size: Size, results: &mut Results) -> Result<(), Failed> {
    let server = site.start().await?;
    let mut sessions = JoinSet::new();
    for session in 0..size.sessions {
        let client = Client::open(&server.url()).await?;
        sessions.spawn(async move {
            let mut all = Vec::new();
            for burst in 0..size.bursts {
                all.extend(at_once(&client, AT_ONCE).await);
                let offset = (burst * 7 + session as u32 * 3) % 30;
                sleep(IDLE - Duration::from_millis(10) + Duration::from_millis(offset.into()))
                    .await;
            }
            all
        });
    }
    for answer in sessions.join_all().await.into_iter().flatten() {
        let is_bad = results.noted(&answer);
        results.around_the_limit.add(is_bad);
    }
    Ok(())
}

/// Calls that take three times the idle limit.
async fn long_calls(site: Site<'_>, size: Size, results: &mut Results) -> Result<(), Failed> {
    let server = site.start().await?;
    let mut calls = JoinSet::new();
    let ms = 3 * IDLE.as_millis() as u64;
    for _ in 0..size.each {
        let client = Client::open(&server.url()).await?;
        calls.spawn(async move { client.call("long", ms).await });
    }
    for answer in calls.join_all().await {
        let is_bad = results.noted(&answer);
        results.long.add(is_bad);
    }
    Ok(())
}

/// A kill during a call. The session goes on with another call, during which the client resumes the stream of the first.
async fn resumed(site: Site<'_>, size: Size, results: &mut Results) -> Result<(), Failed> {
    let mut server = site.start().await?;
    for _ in 0..size.each {
        let client = Client::open(&server.url()).await?;
        let mut stream = client.begin("lost", 60_000).await?;
        let last = first_event(&mut stream).await?;
        server = site.restart(server).await?;
        let mut other = client.begin("other", OTHER).await?;
        first_event(&mut other).await?;
        let resumed = answers(&client.resume(&last).await?);
        let is_of_lost = |answer: &Value| answer["id"] == "lost";
        results.foreign.add(!resumed.iter().all(is_of_lost));
        results.silent.add(!resumed.iter().any(is_of_lost));
        results.robbed.add(answers(&other.text().await?).is_empty());
    }
    Ok(())
}
