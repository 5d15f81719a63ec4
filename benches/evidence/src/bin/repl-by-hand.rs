//! A shell for each user behind axum, by hand: a lock for each user, so that one waits for no other; a limit for each turn; a
//! shell that failed in any way is not used again; idle shells are stopped; nothing is held across an await but the user's lock.

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use std::{
    collections::HashMap,
    io,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdin, ChildStdout, Command},
    signal::unix::{SignalKind, signal},
    sync::Mutex as AsyncMutex,
    time::{sleep, timeout},
};
use turnwise_evidence::repl::settings::Settings;

struct Shell {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    async fn start(program: &str) -> io::Result<Self> {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (stdin, stdout) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
        let lines = BufReader::new(stdout).lines();
        let mut shell = Self {
            child,
            stdin,
            lines,
        };
        shell.run("").await?; // it answers
        Ok(shell)
    }

    async fn run(&mut self, text: &str) -> io::Result<String> {
        let input = format!("{text}\necho END\n");
        self.stdin.write_all(input.as_bytes()).await?;
        let mut output = String::new();
        loop {
            let line = self.lines.next_line().await?;
            match line.ok_or(io::ErrorKind::UnexpectedEof)? {
                line if line == "END" => return Ok(output),
                line => output = output + &line + "\n",
            }
        }
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    async fn stop(self, settings: &Settings) {
        let Self {
            mut child, stdin, ..
        } = self;
        drop(stdin); // the shell exits at the end of its input
        if timeout(settings.grace, child.wait()).await.is_err() {
            let _ = child.kill().await;
        }
    }
}

struct Slot {
    shell: AsyncMutex<Option<Shell>>,
    used: Mutex<Instant>,
}

impl Slot {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            shell: AsyncMutex::new(None),
            used: Mutex::new(Instant::now()),
        })
    }

    fn touch(&self) {
        *self.used.lock().expect("no panic") = Instant::now();
    }
}

struct App {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    settings: Settings,
}

impl App {
    fn slot(&self, user: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().expect("no panic");
        Arc::clone(slots.entry(user.to_owned()).or_insert_with(Slot::new))
    }

    fn existing(&self, user: &str) -> Option<Arc<Slot>> {
        self.slots.lock().expect("no panic").get(user).cloned()
    }

    fn all(&self) -> Vec<(String, Arc<Slot>)> {
        let slots = self.slots.lock().expect("no panic");
        let all = slots
            .iter()
            .map(|(user, slot)| (user.clone(), Arc::clone(slot)));
        all.collect()
    }

    /// Removes this slot, and not another one that is in its place by now.
    fn remove(&self, user: &str, slot: &Arc<Slot>) {
        let mut slots = self.slots.lock().expect("no panic");
        if slots.get(user).is_some_and(|held| Arc::ptr_eq(held, slot)) {
            slots.remove(user);
        }
    }

    async fn reap(&self) {
        loop {
            sleep(self.settings.idle / 4).await;
            for (user, slot) in self.all() {
                // A shell in a turn is not idle.
                let Ok(mut shell) = slot.shell.try_lock() else {
                    continue;
                };
                if slot.used.lock().expect("no panic").elapsed() < self.settings.idle {
                    continue;
                }
                if let Some(shell) = shell.take() {
                    shell.stop(&self.settings).await;
                }
                self.remove(&user, &slot);
            }
        }
    }
}

async fn send(
    State(app): State<Arc<App>>,
    Path(user): Path<String>,
    text: String,
) -> Result<String, (StatusCode, String)> {
    let failed = |error: io::Error| (StatusCode::BAD_GATEWAY, error.to_string());
    let late = |_| (StatusCode::GATEWAY_TIMEOUT, "it takes too long".to_owned());
    let slot = app.slot(&user);
    let mut shell = slot.shell.lock().await;
    slot.touch();
    if !shell.as_mut().is_some_and(Shell::is_running) {
        *shell = None;
        let start = Shell::start(&app.settings.shell);
        let started = timeout(app.settings.start, start).await;
        *shell = Some(started.map_err(late)?.map_err(failed)?);
    }
    let running = shell.as_mut().expect("it was started");
    let ended = timeout(app.settings.limit, running.run(&text)).await;
    slot.touch();
    let output = ended
        .map_err(late)
        .and_then(|output| output.map_err(failed));
    if output.is_err() {
        *shell = None; // nobody knows what it does now
    }
    output
}

async fn status(State(app): State<Arc<App>>, Path(user): Path<String>) -> &'static str {
    let Some(slot) = app.existing(&user) else {
        return "none";
    };
    match slot.shell.try_lock() {
        Err(_) => "busy",
        Ok(shell) if shell.is_some() => "idle",
        Ok(_) => "none",
    }
}

async fn stop(State(app): State<Arc<App>>, Path(user): Path<String>) -> StatusCode {
    if let Some(slot) = app.existing(&user) {
        let mut shell = slot.shell.lock().await;
        // The next shell of this user starts after the end of this one.
        if let Some(shell) = shell.take() {
            shell.stop(&app.settings).await;
        }
    }
    StatusCode::NO_CONTENT
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let app = Arc::new(App {
        slots: Mutex::default(),
        settings: Settings::of_environment(),
    });
    let reaped = Arc::clone(&app);
    tokio::spawn(async move { reaped.reap().await });
    let routes = Router::new()
        .route("/users/{user}", post(send).get(status).delete(stop))
        .with_state(Arc::clone(&app));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let mut term = signal(SignalKind::terminate())?;
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move {
            term.recv().await;
        })
        .await?;
    for (_, slot) in app.all() {
        let mut shell = slot.shell.lock().await;
        if let Some(shell) = shell.take() {
            shell.stop(&app.settings).await;
        }
    }
    Ok(())
}
