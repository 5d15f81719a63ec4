//! The same over turnwise: the session manager, and `turnwise-process` for the shells.

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use std::{io, time::Duration};
use tokio::{
    io::AsyncWriteExt,
    net::TcpListener,
    process::{ChildStdout, Command},
    signal::unix::{SignalKind, signal},
};
use tokio_stream::StreamExt;
use tokio_util::codec::FramedRead;
use turnwise::{
    Agent, Backend, Phase, SessionManager, TurnContext,
    manager::{StopReason, Timeouts, TurnError},
};
use turnwise_evidence::repl::settings::Settings;
use turnwise_process::{Launcher, Lines, Process};

struct Shells {
    launcher: Launcher,
    program: String,
}

struct Shell {
    process: Process,
    lines: FramedRead<ChildStdout, Lines>,
}

impl Shell {
    async fn run(&mut self, text: &str) -> io::Result<String> {
        let stdin = self.process.stdin.as_mut();
        let stdin = stdin.ok_or(io::ErrorKind::BrokenPipe)?;
        let input = format!("{text}\necho END\n");
        stdin.write_all(input.as_bytes()).await?;
        let mut output = String::new();
        loop {
            let line = self.lines.next().await;
            match line.ok_or(io::ErrorKind::UnexpectedEof)? {
                Ok(line) if &*line == b"END" => return Ok(output),
                Ok(line) => output = output + &String::from_utf8_lossy(&line) + "\n",
                Err(error) => return Err(io::Error::other(error)),
            }
        }
    }
}

impl Backend for Shells {
    type Key = String;
    type Session = Shell;
    type Handle = ();
    type Event = ();
    type Error = io::Error;

    async fn start(&self, _: &String, _: &TurnContext<()>) -> io::Result<(Shell, ())> {
        let spawned = self.launcher.spawn(&mut Command::new(&self.program)).await;
        let mut process = spawned.map_err(io::Error::other)?;
        let lines = process.lines(1 << 20).ok_or(io::ErrorKind::BrokenPipe)?;
        let mut shell = Shell { process, lines };
        shell.run("").await?; // it answers
        Ok((shell, ()))
    }

    async fn is_healthy(&self, shell: &mut Shell) -> bool {
        shell.process.is_running()
    }

    async fn stop(&self, _: &String, mut shell: Shell, why: StopReason) -> io::Result<()> {
        match why {
            StopReason::Dirty => shell.process.kill().await, // it does not read its input now
            _ => shell.process.stop().await,
        };
        Ok(())
    }
}

impl Agent for Shells {
    type Message = String;
    type Reply = String;

    async fn send(
        &self,
        shell: &mut Shell,
        text: String,
        cx: &TurnContext<()>,
    ) -> io::Result<String> {
        let output = shell.run(&text).await;
        if output.is_err() {
            cx.session().discard("its output has ended");
        }
        output
    }
}

type Sessions = SessionManager<Shells>;

async fn send(
    State(sessions): State<Sessions>,
    Path(user): Path<String>,
    text: String,
) -> Result<String, (StatusCode, String)> {
    sessions.send_message(&user, text).await.map_err(|refused| {
        let status = match refused.error {
            TurnError::TurnTimedOut | TurnError::StartTimedOut => StatusCode::GATEWAY_TIMEOUT,
            TurnError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        };
        (status, refused.error.to_string())
    })
}

async fn status(State(sessions): State<Sessions>, Path(user): Path<String>) -> &'static str {
    match sessions.status(&user).map(|status| status.phase) {
        None => "none",
        Some(Phase::Idle) => "idle",
        Some(_) => "busy",
    }
}

async fn stop(State(sessions): State<Sessions>, Path(user): Path<String>) -> StatusCode {
    match sessions.stop(&user).await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::BAD_GATEWAY,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::of_environment();
    let timeouts = Timeouts::default()
        .start(settings.start)
        .turn(settings.limit)
        .abort(Duration::from_millis(100));
    let shells = Shells {
        launcher: Launcher::new().input_grace(settings.grace),
        program: settings.shell,
    };
    let sessions = SessionManager::builder(shells)
        .timeouts(timeouts)
        .stop_idle_after(settings.idle)
        .build()?;
    let routes = Router::new()
        .route("/users/{user}", post(send).get(status).delete(stop))
        .with_state(sessions.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let mut term = signal(SignalKind::terminate())?;
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move {
            term.recv().await;
            sessions.shutdown(Duration::from_secs(1)).await;
        })
        .await?;
    Ok(())
}
