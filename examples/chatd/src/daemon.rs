//! From the start to the report of the end.

use crate::{agent::Chat, args::Args, asked::Asked, desk::Desk, http, limits, terminal::Terminal};
use std::{
    error::Error,
    io::{self, Write},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    time::{Instant, timeout},
};
use turnwise::{DrainReport, SessionManager, Timeouts, WhenFull};

type Failed = Box<dyn Error + Send + Sync>;

/// Serves until it is asked to end, by a signal or at the terminal; then ends every session, and says what became of them.
///
/// While the last turns go on, both interfaces still answer: messages are refused, a status is told.
pub(crate) async fn run<A: Chat>(agent: A, args: Args) -> Result<DrainReport<String>, Failed> {
    let (mut asked, quit) = Asked::new()?;
    let listener = TcpListener::bind(args.listen).await;
    let listener =
        listener.map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    let address = listener.local_addr()?;
    let desk = Desk::new(sessions(agent.clone(), &args)?, agent);

    let (end_http, http_ends) = oneshot::channel();
    let guard = http::Guard::new(address, args.token);
    let served = tokio::spawn(http::serve(
        listener,
        desk.clone(),
        guard,
        args.max_connections,
        http_ends,
    ));
    say(&format!("chatd: http://{address}"));
    let (end_terminal, terminal_ends) = oneshot::channel();
    let terminal = Terminal::new(desk.clone(), args.session);
    let terminal = aside(terminal.run(quit, terminal_ends));

    let who = asked.again().await;
    tracing::info!(who, "asked to end");
    let began = Instant::now();
    let report = shut_down(&desk, &mut asked, args.drain).await;
    let took = began.elapsed();
    // What was said last is heard, by those who still listen.
    drop(end_terminal);
    drop(timeout(limits::FAREWELL, terminal).await);
    drop(end_http);
    drop(timeout(limits::FAREWELL, served).await);
    let told = tell(&report, took);
    drop(timeout(limits::FAREWELL, aside(async move { say(&told) })).await);
    Ok(report)
}

/// In a thread of its own, until it resolves: an output that is held (Ctrl-S), or that nobody reads, holds nothing else.
fn aside(work: impl Future<Output = ()> + Send + 'static) -> oneshot::Receiver<()> {
    let (over, is_over) = oneshot::channel();
    let runtime = tokio::runtime::Handle::current();
    std::thread::spawn(move || {
        runtime.block_on(work);
        drop(over);
    });
    is_over
}

fn sessions<A: Chat>(agent: A, args: &Args) -> Result<SessionManager<A>, turnwise::BuildError> {
    let timeouts = Timeouts::default()
        .wait(args.wait_timeout)
        .start(args.start_timeout)
        .turn(args.turn_timeout)
        .abort(args.abort_timeout)
        .stop(args.stop_timeout);
    SessionManager::builder(agent)
        .timeouts(timeouts)
        .max_sessions(usize::from(args.max_sessions), WhenFull::StopLongestIdle)
        .max_waiting(usize::from(args.max_waiting))
        .stop_idle_after(args.idle)
        .build()
}

/// Turns may go on until the deadline, or until somebody asks a second time.
async fn shut_down<A: Chat>(
    desk: &Desk<A>,
    asked: &mut Asked,
    deadline: Duration,
) -> DrainReport<String> {
    let mut report = Box::pin(desk.shut_down(deadline));
    tokio::select! {
        report = &mut report => return report,
        who = asked.again() => tracing::info!(who, "asked to end at once"),
    }
    desk.shut_down(Duration::ZERO).await
}

fn tell(report: &DrainReport<String>, took: Duration) -> String {
    let mut text = format!(
        "chatd: ended in {:.1} s: {} stopped, {} failed, {} abandoned",
        took.as_secs_f64(),
        report.stopped.len(),
        report.failed.len(),
        report.abandoned.len(),
    );
    for (key, error) in &report.failed {
        text += &format!("\n  failed: {key}: {error}");
    }
    for key in &report.abandoned {
        text += &format!("\n  abandoned: {key}");
    }
    text
}

/// A line to whoever reads; nobody has to.
fn say(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
}
