//! What is done to a server, and what is counted. Each scenario has users of its own.

use super::{
    bursts,
    server::{Server, signal},
};
use crate::rounds::Numbers;
use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{task::JoinSet, time::sleep};

/// How long a turn may take, where one hangs.
pub const LIMIT: Duration = Duration::from_secs(3);
/// After which time a shell is idle, where that is what it is about.
pub const IDLE: Duration = Duration::from_millis(300);
/// How many callers wait for a shell that does not start.
pub const CALLERS: usize = 8;
/// What has not gone by then is left.
const SETTLE: Duration = Duration::from_secs(2);

/// How often something went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// So often it did.
    pub bad: usize,
    /// So often it was tried.
    pub of: usize,
}

impl Count {
    /// Adds one time that it was tried.
    pub fn add(&mut self, bad: bool) {
        self.bad += usize::from(bad);
        self.of += 1;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.bad, self.of)
    }
}

/// What was counted at one server.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The status waited for the turn.
    pub late_status: Count,
    /// An answer had other lines than its own.
    pub foreign: Count,
    /// A message failed because the shell had been killed before.
    pub killed: Count,
    /// Starts for callers that waited for one shell.
    pub starts: Numbers,
    /// Seconds until the last of them had its answer.
    pub last_answer: Numbers,
    /// Seconds until a shell was stopped whose turn hung.
    pub stop: Numbers,
    /// Programs that outlived a turn that exceeded its limit.
    pub outlived_limit: Count,
    /// Seconds from SIGTERM to the end of the server.
    pub exit: Numbers,
    /// Programs that outlived the server.
    pub outlived_exit: Count,
    /// Bursts of one user that were answered by more than one shell.
    pub two_shells: Count,
    /// Bursts in which two shells of one user ran at once.
    pub at_once: Count,
}

/// How often each scenario is repeated in a round.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// For those that take a moment.
    pub each: usize,
    /// Users that send bursts at the same time.
    pub users: usize,
    /// Bursts of each of them.
    pub bursts: usize,
}

/// One round of all scenarios.
///
/// # Errors
///
/// A server cannot be started or does not answer.
pub async fn round(program: &Path, size: Size, results: &mut Results) -> io::Result<()> {
    let server = Server::start(program, &[]).await?;
    for number in 0..size.each {
        let user = format!("user-{number}");
        results.late_status.add(late_status(&server, &user).await?);
        results.foreign.add(foreign(&server, &user).await?);
        results.killed.add(killed(&server, &user).await?);
    }
    drop(server);
    failing_start(program, results).await?;
    hanging_turns(program, size, results).await?;
    bursts::all(program, size, results).await
}

/// A status that waits for the turn finds the shell idle.
async fn late_status(server: &Server, user: &str) -> io::Result<bool> {
    let turn = server.begin(user, "sleep 0.2").await?;
    server.busy(user).await?;
    let late = server.status(user).await?.body != "busy";
    turn.answer().await?;
    Ok(late)
}

async fn foreign(server: &Server, user: &str) -> io::Result<bool> {
    let turn = server.begin(user, "sleep 0.2; echo first").await?;
    server.busy(user).await?;
    drop(turn);
    let answer = server.message(user, "echo second").await?;
    Ok(answer.body != "second\n")
}

async fn killed(server: &Server, user: &str) -> io::Result<bool> {
    // By now nobody's lines are in the pipe.
    server.stop(user).await?;
    let shell = server.message(user, "echo $$").await?.body;
    let id = shell.trim().parse().map_err(io::Error::other)?;
    signal("-KILL", id)?;
    while runs(id) {
        sleep(Duration::from_millis(2)).await;
    }
    let answer = server.message(user, "echo second").await?;
    Ok((answer.status, &*answer.body) != (200, "second\n"))
}

/// Neither gone nor waiting to be reaped.
fn runs(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let state = stat
        .rsplit(") ")
        .next()
        .and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// The shell takes a while, and then ends without an answer.
async fn failing_start(program: &Path, results: &mut Results) -> io::Result<()> {
    let folder = TempDir::new()?;
    let (shell, starts) = (folder.path().join("shell"), folder.path().join("starts"));
    let script = format!(
        "#!/bin/sh\necho >> {}\nsleep 0.3\nexit 1\n",
        starts.display()
    );
    fs::write(&shell, script)?;
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o700))?;
    let setting = ("REPL_SHELL", shell.display().to_string());
    let server = Server::start(program, &[setting]).await?;
    let mut callers = Vec::new();
    let begun = Instant::now();
    for _ in 0..CALLERS {
        callers.push(server.begin("user", "echo").await?);
    }
    let mut answers = JoinSet::new();
    for caller in callers {
        answers.spawn(caller.answer());
    }
    for answer in answers.join_all().await {
        if answer?.status == 200 {
            return Err(io::Error::other("a shell that cannot start has answered"));
        }
    }
    let took = begun.elapsed();
    let starts = fs::read_to_string(starts)?.lines().count();
    results.starts.add(starts as f64);
    results.last_answer.add(took.as_secs_f64());
    Ok(())
}

const HANGS: &str = "sleep 1000";

async fn hanging_turns(program: &Path, size: Size, results: &mut Results) -> io::Result<()> {
    let limit = ("REPL_LIMIT_MS", LIMIT.as_millis().to_string());
    let mut server = Server::start(program, &[limit]).await?;

    let turn = server.begin("stopped", HANGS).await?;
    server.busy("stopped").await?;
    let begun = Instant::now();
    server.stop("stopped").await?;
    results.stop.add(begun.elapsed().as_secs_f64());
    turn.answer().await?;
    for id in server.running("sleep") {
        signal("-KILL", id)?; // the next scenarios count theirs
    }

    let mut turns = Vec::new();
    for number in 0..size.each {
        turns.push(server.begin(&format!("late-{number}"), HANGS).await?);
    }
    for turn in turns {
        turn.answer().await?;
    }
    results.outlived_limit.bad += left(&server).await;
    results.outlived_limit.of += size.each;
    for id in server.running("sleep") {
        signal("-KILL", id)?;
    }

    let mut turns = Vec::new();
    for number in 0..size.each {
        let user = format!("last-{number}");
        turns.push(server.begin(&user, HANGS).await?);
        server.busy(&user).await?;
    }
    let ended = server.terminate(LIMIT * 5).await?;
    let ended = ended.ok_or_else(|| io::Error::other("the server does not end"))?;
    results.exit.add(ended.as_secs_f64());
    results.outlived_exit.bad += left(&server).await;
    results.outlived_exit.of += size.each;
    Ok(())
}

/// How many programs go on.
async fn left(server: &Server) -> usize {
    let begun = Instant::now();
    loop {
        let left = server.running("sleep").len();
        if left == 0 || begun.elapsed() > SETTLE {
            return left;
        }
        sleep(Duration::from_millis(20)).await;
    }
}
