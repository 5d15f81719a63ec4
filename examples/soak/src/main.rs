//! Every call of the manager at random, over ten thousand keys and a backend that fails, hangs, panics and is slow; then
//! the books must balance. `just soak SECONDS`, or
//!
//! `cargo run --release -p soak -- 60`

mod agent;
mod books;

use agent::{KEYS, Soak, Soaked};
use books::Books;
use std::{
    collections::VecDeque,
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};
use turnwise::{
    SessionManager,
    manager::*,
    testing::{Script, Scripted},
};

#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);

/// Each has its share of the keys, so that it knows the order of what it sent.
const CALLERS: usize = 16;
/// How many messages a caller has on their way.
const ON_THEIR_WAY: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let seconds = std::env::args()
        .nth(1)
        .map_or(Ok(10), |seconds| seconds.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let length = Duration::from_secs(seconds);
    // The same thing twice: what the first leaves behind is the base, what the second leaves more is a leak.
    let base = runtime.block_on(round(length / 4))?;
    let after = runtime.block_on(round(length - length / 4))?;
    let grown = after as f64 / base as f64 - 1.0;
    println!(
        "left on the heap: {base} bytes after the first round, {after} after the second ({:+.1} %)",
        100.0 * grown
    );
    println!("resident: {} MB", resident_megabytes());
    if grown > 0.05 {
        return Err("memory did not come back to its base".into());
    }
    println!("soak: the books balance");
    Ok(())
}

/// A manager's whole life. Gives the bytes on the heap after it.
async fn round(length: Duration) -> Result<usize, Box<dyn Error>> {
    let books = Arc::new(Books::new());
    let (soak, script) = Scripted::around(Soak {
        books: Arc::clone(&books),
    });
    script.ledger().forget_calls();
    let manager = SessionManager::builder(soak)
        .timeouts(
            Timeouts::default()
                .start(Duration::from_millis(50))
                .turn(Duration::from_millis(100))
                .abort(Duration::from_millis(20))
                .stop(Duration::from_millis(50))
                .quiet(Duration::from_millis(80))
                .room(Duration::from_millis(200)),
        )
        .max_sessions(KEYS / 2, WhenFull::EvictIdle)
        .stop_idle_after(Duration::from_millis(400))
        .max_age(Duration::from_secs(2))
        .unread_events(8)
        .build()?;
    let until = Instant::now() + length;
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            let caller = Caller::new(manager.clone(), script.clone(), Arc::clone(&books), number);
            tokio::spawn(caller.run(until))
        })
        .collect();
    for caller in callers {
        caller.await?;
    }
    let report = manager.shutdown(Duration::from_secs(1)).await;
    let (stopped, failed, abandoned) = (
        report.stopped.len(),
        report.failed.len(),
        report.abandoned.len(),
    );
    books.print(script.ledger());
    println!("  shutdown: {stopped} stopped, {failed} failed, {abandoned} abandoned");
    books.balance(script.ledger())?;
    if !manager.snapshot().is_empty() {
        return Err("sessions are left after the shutdown".into());
    }
    drop(manager);
    drop(report);
    drop((books, script));
    // The tasks of the last stops let go of the manager.
    while tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
        > 0
    {
        tokio::task::yield_now().await;
    }
    Ok(ALLOCATOR.allocated())
}

struct Caller {
    manager: SessionManager<Soaked>,
    script: Script<Soak>,
    books: Arc<Books>,
    number: usize,
    random: fastrand::Rng,
    on_their_way: VecDeque<(usize, u64, Sending<Soaked>)>,
    kept: VecDeque<KeepAlive<Soaked>>,
    /// The last message to each key.
    sent: Vec<u64>,
}

impl Caller {
    fn new(
        manager: SessionManager<Soaked>,
        script: Script<Soak>,
        books: Arc<Books>,
        number: usize,
    ) -> Self {
        Self {
            manager,
            script,
            books,
            number,
            random: fastrand::Rng::with_seed(number as u64),
            on_their_way: VecDeque::new(),
            kept: VecDeque::new(),
            sent: vec![0; KEYS / CALLERS],
        }
    }

    async fn run(mut self, until: Instant) {
        while Instant::now() < until {
            self.act().await;
            while self.on_their_way.len() > ON_THEIR_WAY {
                self.hear_one().await;
            }
        }
        while !self.on_their_way.is_empty() {
            self.hear_one().await;
        }
    }

    async fn act(&mut self) {
        // Half of the acts are on a few keys, so that there are lines.
        let share = KEYS / CALLERS;
        let own = if self.random.bool() {
            self.random.usize(..4)
        } else {
            self.random.usize(..share)
        };
        let key = self.number * share + own;
        let manager = &self.manager;
        match self.random.u32(..100) {
            0..80 => {
                self.sent[own] += 1;
                let number = self.sent[own];
                self.books.sent.add(1);
                let sending = if self.random.u32(..50) == 0 {
                    manager
                        .with(TurnOptions::no_wait())
                        .send_message(&key, number)
                } else {
                    manager.send_message(&key, number)
                };
                match self.random.u32(..40) {
                    // Cancelled at any time from now on, or right now.
                    0 => drop(sending),
                    1 => sending.detach(),
                    2 => drop(manager.abort(&key, sending.ticket())),
                    _ => self.on_their_way.push_back((key, number, sending)),
                }
            }
            80..83 => drop(manager.stop(&key)),
            83 => drop(manager.stop(&key).await),
            84 => drop(manager.restart(&key).await),
            85 => drop(manager.turn(&key)),
            86 => drop(manager.turn(&key).await),
            87 => drop(
                manager
                    .with_turn(&key, async |session| (session.in_turn(), session.look()).1)
                    .await,
            ),
            88 => {
                let cut = manager.with_turn(&key, async |_| std::future::pending::<()>().await);
                drop(tokio::time::timeout(Duration::from_millis(1), cut).await);
            }
            89..92 => drop(manager.status(&key)),
            // Kept alive until two more are.
            92 => {
                self.kept.extend(manager.keep_alive(&key));
                while self.kept.len() > 2 {
                    self.kept.pop_front();
                }
            }
            93 => {
                if let Some(session) = self.script.session(&key) {
                    session.emit(0);
                    session.discard("by the soak");
                }
            }
            94 => {
                // Taken back by its number, wherever it stands.
                if let Some(queued) = manager.queue(&key).pop() {
                    manager.abort(&key, Some(queued.ticket));
                }
            }
            95 => {
                let options = match self.random.u32(..3) {
                    0 => TurnOptions::existing(),
                    1 => TurnOptions::first(),
                    _ => TurnOptions::default().wait(Duration::from_millis(20)),
                };
                drop(
                    manager
                        .with(options)
                        .turn(&key)
                        .await
                        .map(SessionTurn::done),
                );
            }
            96 => drop(manager.touch(&key)),
            97 => drop(manager.dismiss(&key)),
            98 => drop(manager.abort(&key, None)),
            _ if self.random.u32(..200) == 0 => {
                let report = manager.cleanup_idle(Duration::from_millis(50)).await;
                let busy =
                    |(_, skip): &&(usize, Skip)| matches!(skip, Skip::Busy(_) | Skip::Waiting(_));
                self.books.swept.add(report.stopped.len() as u64);
                self.books
                    .skipped_busy
                    .add(report.skipped.iter().filter(busy).count() as u64);
            }
            _ => drop(manager.with(TurnOptions::no_wait()).turn(&key)),
        }
    }

    async fn hear_one(&mut self) {
        if let Some((key, number, sending)) = self.on_their_way.pop_front() {
            self.books.heard(key, number, &sending.await);
        }
    }
}

/// Zero where nobody tells.
fn resident_megabytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kilobytes.unwrap_or(0) / 1024
}
