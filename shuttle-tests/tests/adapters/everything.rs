//! All of the manager at once: every call of it against every other, drawn by chance, with a backend that fails, hangs and
//! panics by chance, limits that pass at any time, calls that are dropped at any await, and a shutdown at any moment.
//!
//! The other scenarios say how a small race ends; this one says what holds however it ends. At each step the ledger: one
//! session of a key, one turn of a session, each message heard once and in order. Of each call: a reply, or the message is
//! back; a refusal has its reason. Of all: what is told is the life of each session, the report names every key, nobody
//! waits for ever, and after the end there is nothing, and no way in.

mod calls;
mod told;

use self::calls::{CALLS, steps};
use crate::backend::{Act, Call, Script};
use crate::harness::is_replay;
use crate::ledger::Key;
use crate::world::{LONG, Manager, Scenario, World};
use shuttle::future::{spawn_local, yield_now};
use shuttle::rand::{Rng, thread_rng};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use turnwise::{
    Clock, ClockHand,
    manager::{DrainReport, Timeouts, TurnError, WhenFull},
};

const KEYS: [Key; 3] = [0, 1, 2];
const CALLERS: usize = 3;
const IDLE: Duration = Duration::from_millis(10);

/// Each of these is seen in some schedule: nothing that is drawn is drawn in vain.
const ENDS: [&str; 25] = [
    "a sweep stops",
    "a turn",
    "a turn by restart",
    "a turn in a closure",
    "heard, Aborted",
    "heard, Agent",
    "heard, Panicked",
    "heard, TurnTimedOut",
    "it is dropped",
    "reply",
    "stop: Abandoned",
    "stop: Closed",
    "stop: Failed",
    "stop: Panicked",
    "stop: nothing",
    "stop: stopped",
    "unheard, Aborted",
    "unheard, Busy",
    "unheard, Closed",
    "unheard, Dismissed",
    "unheard, RegistryFull",
    "unheard, Start",
    "unheard, StartPanicked",
    "unheard, StartTimedOut",
    "unheard, WaitTimedOut",
];

#[test]
fn every_call_against_every_other() {
    let name = "everything::every_call_against_every_other";
    let scenario = Scenario {
        schedules: 3600,
        ..Scenario::new(name, "A1 A2 A3 A4 A5 A6 A10 A11 A12", CALLERS + 1)
    };
    let seen = Arc::<Mutex<BTreeSet<String>>>::default();
    let sees = Arc::clone(&seen);
    scenario.ends_in(&["nothing", "stopped", "failed", "abandoned"], move || {
        run(Arc::clone(&sees))
    });
    let seen = seen.lock().expect("nothing panics with it");
    let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
    assert!(is_replay() || seen == ENDS, "seen: {seen:#?}");
}

/// One execution.
#[derive(Clone)]
struct Run {
    world: World,
    hand: ClockHand,
    /// Sessions are counted.
    counted: bool,
    /// Messages have a limit, whatever their options.
    limited: bool,
    /// How many keys are used.
    keys: usize,
    messages: Arc<AtomicU32>,
    /// How many calls have begun.
    calls: Arc<AtomicUsize>,
    /// A shutdown may have begun.
    closes: Arc<AtomicBool>,
    /// A shutdown has begun.
    closed: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeSet<String>>>,
}

async fn run(seen: Arc<Mutex<BTreeSet<String>>>) -> String {
    let run = Run::new(seen);
    let world = &run.world;
    let told = spawn_local(told::lives(world.manager.subscribe()));
    let listen = |key| spawn_local(run.clone().listens(key, world.manager.listen(&key)));
    let listeners = KEYS.map(listen);
    let callers = [(); CALLERS].map(|()| spawn_local(run.clone().calls()));
    let ends = spawn_local(run.clone().ends());
    let hurry = draw(&[8, 32, 128]);
    while !(ends.is_finished() && callers.iter().all(|caller| caller.is_finished())) {
        world.some_time(hurry).await;
    }
    // What the shutdown did not wait for any more.
    while !world.manager.snapshot().is_empty() {
        world.some_time(hurry).await;
    }
    let report = ends.await.expect("it is not aborted");
    let left = told.await.expect("it is not aborted");
    for key in left {
        assert!(
            report.abandoned.contains(&key),
            "A4: key {key} is left unsaid"
        );
    }
    for listener in listeners {
        listener.await.expect("it is not aborted");
    }
    run.refuses().await;
    let Run { world, .. } = run;
    let World { manager, ledger } = world;
    drop(manager);
    ledger.until(|book| book.gone).await;
    ledger.is_over();
    worst(&report).to_owned()
}

impl Run {
    fn new(seen: Arc<Mutex<BTreeSet<String>>>) -> Self {
        let mut script = Script::new();
        for key in KEYS {
            for call in [Call::Start, Call::Abandon, Call::Look, Call::Stop] {
                for _ in 0..below(4) {
                    let act = draw(&[Act::Slow, Act::Fail, Act::Hang, Act::Panic]);
                    let act = if one_in(3) { act } else { Act::Done };
                    script = script.on(key, call, act);
                }
            }
        }
        let (clock, hand) = Clock::manual();
        let full = draw(&[
            None,
            Some(WhenFull::Refuse),
            Some(WhenFull::Wait),
            Some(WhenFull::EvictIdle),
        ]);
        let limited = one_in(4);
        let most = full.map(|full| (draw(&[1, 2]), full));
        let world = World::built(script, most.map(|(most, _)| most), |mut builder| {
            if let Some((most, full)) = most {
                builder = builder.max_sessions(most, full);
            }
            if limited {
                builder = builder.timeouts(Timeouts::default().turn(LONG));
            }
            if one_in(4) {
                builder = builder.stop_idle_after(IDLE);
            }
            builder.clock(clock)
        });
        Self {
            world,
            hand,
            counted: full.is_some(),
            limited,
            keys: 1 + below(KEYS.len()),
            messages: Arc::default(),
            calls: Arc::default(),
            closes: Arc::default(),
            closed: Arc::default(),
            seen,
        }
    }

    fn manager(&self) -> &Manager {
        &self.world.manager
    }

    fn saw(&self, what: &str) {
        let mut seen = self.seen.lock().expect("nothing panics with it");
        if !seen.contains(what) {
            seen.insert(what.to_owned());
        }
    }

    fn closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// After some calls, or when they wait for each other, a shutdown, and another one that brings the deadline.
    async fn ends(self) -> DrainReport<Key> {
        let calls = below(CALLERS * CALLS + 1);
        let mut patience = 1000;
        while self.calls.load(Ordering::SeqCst) < calls && patience > 0 {
            patience -= 1;
            yield_now().await;
        }
        self.closes.store(true, Ordering::SeqCst);
        let first = self.world.shut_down(draw(&[LONG, Duration::MAX]));
        self.closed.store(true, Ordering::SeqCst);
        steps(30).await;
        let second = self.world.shut_down(LONG).await;
        assert_eq!(first.await, second, "A4: two shutdowns, two reports");
        second
    }

    /// After the end there is nothing, and no way in.
    async fn refuses(&self) {
        let manager = self.manager();
        for key in KEYS {
            assert_eq!(manager.status(&key), None, "A4: there is a session");
            let id = 1000 + u32::from(key);
            let end = self.world.hear(id, self.world.send(key, id, Act::Done));
            assert_eq!(end.await, "unheard, Closed", "A4: admitted");
            for entering in [manager.turn(&key), manager.restart(&key)] {
                let end = entering.await;
                assert!(matches!(end, Err(TurnError::Closed)), "A4: {end:?}");
            }
            let stopped = manager.stop(&key).await;
            assert_eq!(stopped.ok(), Some(false), "A4: there is one to stop");
            assert!(!manager.touch(&key) && !manager.abort(&key, None));
            assert_eq!(manager.listen(&key).next().await, None, "A4: a part");
        }
        assert!(manager.snapshot().is_empty(), "A4: there are sessions");
        let stops = self.world.ledger.read(|book| book.stops.clone());
        is_once(stops.iter().map(|stop| (stop.0, stop.1)));
    }
}

impl World {
    /// Others go on, and every limit that runs may have passed.
    async fn some_time(&self, hurry: usize) {
        yield_now().await;
        if one_in(hurry) {
            self.time_passes();
        }
    }
}

/// The worst that a report says.
fn worst(report: &DrainReport<Key>) -> &'static str {
    match () {
        () if !report.abandoned.is_empty() => "abandoned",
        () if !report.failed.is_empty() => "failed",
        () if !report.stopped.is_empty() => "stopped",
        () => "nothing",
    }
}

fn is_once<T: Ord>(mut all: impl Iterator<Item = T>) {
    let mut seen = BTreeSet::new();
    assert!(all.all(|one| seen.insert(one)), "named twice");
}

fn below(limit: usize) -> usize {
    thread_rng().gen_range(0..limit)
}

fn one_in(count: usize) -> bool {
    below(count) == 0
}

fn draw<T: Copy>(of: &[T]) -> T {
    of[below(of.len())]
}
