//! The manager with ever more keys: what one call costs, and with which exponent the time of as many calls as there are keys grows.

use crate::{
    measure::{at, sorted},
    told::{Found, Line, Plot, Table},
};
use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    pin::Pin,
    time::{Duration, Instant},
};
use turnwise::{
    Agent, Backend, Clock, ClockHand, SessionManager, TurnContext,
    manager::{ManagerBuilder, SessionTurn, StopReason, TurnError, TurnOptions, WhenFull},
};

const COUNTS: [u64; 5] = [1_000, 3_000, 10_000, 30_000, 100_000];
/// How often each is measured.
const ROUNDS: usize = 3;
/// Calls that do not change how many keys there are.
const ACTS: u64 = 10_000;
const MINUTE: Duration = Duration::from_secs(60);

/// A session that does nothing: what is left is the manager's own cost.
struct Idle;

impl Backend for Idle {
    type Key = u64;
    type Session = ();
    type Handle = ();
    type Event = u64;
    type Error = Infallible;

    async fn start(&self, _: &u64, _: &TurnContext<Self::Event>) -> Result<((), ()), Infallible> {
        Ok(((), ()))
    }

    async fn stop(&self, _: &u64, (): (), _: StopReason) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Agent for Idle {
    type Message = u64;
    type Reply = u64;

    async fn send(
        &self,
        (): &mut (),
        message: u64,
        cx: &TurnContext<u64>,
    ) -> Result<u64, Infallible> {
        cx.emit(message);
        Ok(message)
    }
}

type Manager = SessionManager<Idle>;

fn manager(set: impl FnOnce(ManagerBuilder<Idle>) -> ManagerBuilder<Idle>) -> (Manager, ClockHand) {
    let (clock, hand) = Clock::manual();
    let built = set(SessionManager::builder(Idle).clock(clock)).build();
    (built.expect("the settings make sense"), hand)
}

/// With room for so many sessions, the least recently used of which gives way, and all of them there.
async fn full(count: u64) -> (Manager, ClockHand, Vec<SessionTurn<Idle>>) {
    let most = usize::try_from(count).expect("it is counted in memory");
    let (m, hand) = manager(|builder| builder.max_sessions(most, WhenFull::EvictIdle));
    let turns = turns(&m, &hand, count).await;
    (m, hand, turns)
}

/// The turns of so many keys, begun one after the other.
async fn turns(m: &Manager, hand: &ClockHand, count: u64) -> Vec<SessionTurn<Idle>> {
    let mut turns = Vec::new();
    for key in 0..count {
        turns.push(m.turn(&key).await.expect("there is room"));
        hand.advance(Duration::from_millis(1));
    }
    turns
}

/// Nanoseconds a call, of so many calls.
async fn timed<R>(calls: u64, act: impl Future<Output = R>) -> f64 {
    let begun = Instant::now();
    black_box(act.await);
    begun.elapsed().as_secs_f64() * 1e9 / calls as f64
}

async fn listen(count: u64) -> f64 {
    let (m, _) = manager(|builder| builder);
    let listens = async { (0..count).map(|key| m.listen(&key)).collect::<Vec<_>>() };
    timed(count, listens).await
}

async fn subscribe(count: u64) -> f64 {
    let (m, _) = manager(|builder| builder);
    let subscribes = async { (0..count).map(|_| m.subscribe()).collect::<Vec<_>>() };
    timed(count, subscribes).await
}

/// Of random keys, each of which somebody listens to.
async fn message(count: u64) -> f64 {
    let (m, hand) = manager(|builder| builder);
    drop(turns(&m, &hand, count).await);
    let listeners: Vec<_> = (0..count).map(|key| m.listen(&key)).collect();
    let mut random = fastrand::Rng::with_seed(7);
    let sends = async {
        for _ in 0..ACTS {
            let sent = m.send_message(&random.u64(..count), 1).await;
            assert_eq!(sent.expect("it answers"), 1);
        }
    };
    let nanos = timed(ACTS, sends).await;
    drop(listeners);
    nanos
}

async fn status(count: u64) -> f64 {
    let (m, hand) = manager(|builder| builder);
    drop(turns(&m, &hand, count).await);
    let mut random = fastrand::Rng::with_seed(7);
    let looks = async {
        for _ in 0..ACTS {
            black_box(m.status(&random.u64(..count)));
        }
    };
    timed(ACTS, looks).await
}

/// Each stops the least recently used session, which was used once more since the last look at it.
async fn start_at_capacity(count: u64) -> f64 {
    let (m, hand, turns) = full(count).await;
    drop(turns);
    for key in (0..count).rev() {
        hand.advance(Duration::from_millis(1));
        drop(m.turn(&key).await.expect("it is there"));
    }
    let starts = async {
        for key in count..2 * count {
            hand.advance(Duration::from_millis(1));
            drop(m.turn(&key).await.expect("one gives way"));
        }
    };
    timed(count, starts).await
}

/// All are busy.
async fn refused_start(count: u64) -> f64 {
    let (m, _, turns) = full(count).await;
    let m = m.with(TurnOptions::no_wait());
    let starts = async {
        for key in count..2 * count {
            let refused = m.turn(&key).await;
            assert!(matches!(refused, Err(TurnError::RegistryFull)));
        }
    };
    let nanos = timed(count, starts).await;
    drop(turns);
    nanos
}

async fn sweep(count: u64) -> f64 {
    let (m, hand) = manager(|builder| builder);
    drop(turns(&m, &hand, count).await);
    hand.advance(MINUTE);
    timed(count, m.cleanup_idle(MINUTE)).await
}

async fn shutdown_idle(count: u64) -> f64 {
    let (m, hand) = manager(|builder| builder);
    drop(turns(&m, &hand, count).await);
    timed(count, m.shutdown(MINUTE)).await
}

/// Each turn ends at a time of its own.
async fn shutdown_busy(count: u64) -> f64 {
    let (m, hand) = manager(|builder| builder);
    let turns = turns(&m, &hand, count).await;
    let ends = async {
        let report = m.shutdown(60 * MINUTE);
        for turn in turns {
            drop(turn);
            tokio::task::yield_now().await;
        }
        report.await
    };
    timed(count, ends).await
}

type Case = (&'static str, fn(u64) -> Pin<Box<dyn Future<Output = f64>>>);

const CASES: [Case; 9] = [
    ("listen", |count| Box::pin(listen(count))),
    ("subscribe", |count| Box::pin(subscribe(count))),
    ("message", |count| Box::pin(message(count))),
    ("status", |count| Box::pin(status(count))),
    ("start at capacity", |count| {
        Box::pin(start_at_capacity(count))
    }),
    ("refused start", |count| Box::pin(refused_start(count))),
    ("sweep, all idle, a session", |count| Box::pin(sweep(count))),
    ("shutdown of idle, a session", |count| {
        Box::pin(shutdown_idle(count))
    }),
    ("shutdown of busy, a session", |count| {
        Box::pin(shutdown_busy(count))
    }),
];

/// The slope of the logarithms, by least squares, of all calls together: 1 if a call costs the same however many keys there are.
fn exponent(nanos: &[f64]) -> f64 {
    let points = COUNTS.iter().zip(nanos);
    let points: Vec<_> = points
        .map(|(count, nanos)| (*count as f64, *nanos))
        .map(|(count, nanos)| (count.ln(), (count * nanos).ln()))
        .collect();
    let mean =
        |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let both: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    let square: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    both / square
}

pub(crate) fn run() -> Found {
    let counts = COUNTS.map(|count| format!("{count} keys"));
    let head = ["ns a call"].into_iter();
    let head = head.chain(counts.iter().map(String::as_str));
    let head: Vec<&str> = head.chain(["exponent of all calls"]).collect();
    let mut table = Table::new("manager", &head);
    let mut lines = Vec::new();
    for (name, case) in CASES {
        let nanos = COUNTS.map(|count| {
            let round = |_| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .expect("a runtime");
                runtime.block_on(case(count))
            };
            at(&sorted((0..ROUNDS).map(round).collect()), 0.5)
        });
        eprintln!("  {name}: {nanos:.0?}");
        let mut row = nanos.to_vec();
        row.push(exponent(&nanos));
        table.row(name, &row);
        let points = COUNTS.iter().map(|count| *count as f64).zip(nanos);
        lines.push(Line::new(name, points.collect()));
    }
    Found {
        tables: vec![table],
        plots: vec![Plot {
            name: "manager",
            caption: "the manager with ever more keys",
            x: "keys",
            y: "ns a call",
            lines,
        }],
    }
}
