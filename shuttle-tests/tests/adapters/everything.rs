//! All of the manager at once: every call of it against every other, drawn by chance, with a backend that fails, hangs and
//! panics by chance, limits that pass at any time, calls that are dropped at any await, and a shutdown at any moment.
//!
//! The other scenarios say how a small race ends; this one says what holds however it ends. At each step the ledger: one
//! session of a key, one turn of a session, each message heard once and in order. Of each call: a reply, or the message is
//! back; a refusal that has its reason. Of all: what is told is the life of each session, the report names every key, nobody
//! waits for ever, and after the end there is nothing, and no way in.

use crate::backend::{Act, Call, Failed, Message, Reply, Script, Scripted, step};
use crate::harness::is_replay;
use crate::ledger::Key;
use crate::world::{LONG, Manager, Scenario, World};
use shuttle::future::{spawn_local, yield_now};
use shuttle::rand::{Rng, thread_rng};
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use turnwise::{
    Clock, ClockHand, DrainReport, Incarnation, Missable, Phase, Progress, SendError, Sending,
    SessionEvent, SessionTurn, StopError, StopReason, Subscription, Ticket, Timeouts, TurnError,
    TurnOptions, WhenFull,
};

const KEYS: [Key; 3] = [0, 1, 2];
const CALLERS: usize = 3;
const CALLS: usize = 6;
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
        schedules: std::env::var("NN").map_or(3600, |n| n.parse().unwrap()), // LOCAL
        ..Scenario::new(name, "A1 A2 A3 A4 A5 A6", CALLERS + 1)
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
    messages: Arc<AtomicU32>,
    /// A shutdown may have begun.
    closes: Arc<AtomicBool>,
    /// A shutdown has begun.
    closed: Arc<AtomicBool>,
    seen: Arc<Mutex<BTreeSet<String>>>,
}

async fn run(seen: Arc<Mutex<BTreeSet<String>>>) -> String {
    let run = Run::new(seen);
    let world = &run.world;
    let told = spawn_local(lives(world.manager.subscribe()));
    let listen = |key| spawn_local(run.clone().listens(key, world.manager.listen(&key)));
    let listeners = KEYS.map(listen);
    let callers = [(); CALLERS].map(|()| spawn_local(run.clone().calls()));
    let ends = spawn_local(run.clone().ends());
    let hurry = draw(&[2, 8, 32]);
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
        assert!(report.abandoned.contains(&key), "A4: {key} is left unsaid");
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
                    let act = draw(&[Act::Done, Act::Slow, Act::Fail, Act::Hang, Act::Panic]);
                    script = script.on(key, call, act);
                }
            }
        }
        let (clock, hand) = Clock::manual();
        let full = draw(&[
            None,
            Some(WhenFull::Refuse),
            Some(WhenFull::StopLongestIdle),
        ]);
        let limited = one_in(4);
        let world = World::built(script, full.map(|_| 2), |mut builder| {
            if let Some(full) = full {
                builder = builder.max_sessions(2, full);
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
            messages: Arc::default(),
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

    /// One caller.
    async fn calls(self) {
        for _ in 0..CALLS {
            steps(6).await;
            let key = draw(&KEYS);
            match below(12) {
                0..=3 => self.sends(key).await,
                4 => self.enters(key, false).await,
                5 => self.enters(key, true).await,
                6 => self.runs(key).await,
                7 | 8 => self.stops(key).await,
                9 => self.sweeps().await,
                10 => self.meddles(key),
                _ => self.looks(key),
            }
        }
    }

    /// A message: waited for, read part by part, cancelled, dropped or let go.
    async fn sends(&self, key: Key) {
        let id = self.messages.fetch_add(1, Ordering::SeqCst) * 10 + u32::from(key);
        let act = draw(&[
            Act::Done,
            Act::Done,
            Act::Slow,
            Act::Fail,
            Act::Hang,
            Act::Panic,
            Act::Obey,
            Act::Check,
        ]);
        let options = match below(6) {
            0 => TurnOptions::no_wait(),
            1 => TurnOptions::default().wait(LONG),
            2 => TurnOptions::default().turn(LONG),
            _ => TurnOptions::default(),
        };
        let closed = self.closed();
        let mut sending = self.world.send_with(key, id, act, options.clone());
        let refused = sending.ticket().is_none();
        let answer = match below(5) {
            0 => return sending.detach(),
            1 => {
                steps(8).await;
                sending.abort();
                Some(sending.await)
            }
            2 => in_part(streamed(id, sending)).await,
            3 => {
                let started = in_part(sending.started()).await;
                let answer = in_part(&mut sending).await;
                if let (Some(started), Some(answer)) = (started, &answer) {
                    let back = matches!(answer, Err(error) if error.message.is_some());
                    assert_eq!(started.is_err(), back, "started, and back");
                }
                answer
            }
            _ => in_part(sending).await,
        };
        let Some(answer) = answer else {
            return self.saw("it is dropped");
        };
        if let Err(error) = &answer {
            self.is_right(&error.error, closed, refused, &options);
        } else {
            assert!(!closed, "A4: a reply after the shutdown");
        }
        let words = self.world.hear(id, ready(answer)).await;
        self.saw(words.split(" of #").next().unwrap_or_default());
    }

    /// A refusal has a reason.
    fn is_right(
        &self,
        error: &TurnError<Failed>,
        closed: bool,
        refused: bool,
        options: &TurnOptions,
    ) {
        let right = match error {
            TurnError::Closed => self.closes.load(Ordering::SeqCst),
            _ if closed || refused && !options.no_wait => false,
            TurnError::Busy => options.no_wait,
            TurnError::QueueFull => false,
            TurnError::RegistryFull => self.counted,
            TurnError::WaitTimedOut => options.wait.is_some(),
            TurnError::TurnTimedOut => self.limited || options.turn.is_some(),
            _ => true,
        };
        assert!(right, "{error:?} without a reason");
    }

    /// A plain turn, or the same after a restart.
    async fn enters(&self, key: Key, restart: bool) {
        let closed = self.closed();
        let entering = if restart {
            self.manager().restart(&key)
        } else {
            self.manager().turn(&key)
        };
        let refused = entering.ticket().is_none();
        let turn = match in_part(entering).await {
            None => return,
            Some(Err(error)) => {
                return self.is_right(&error, closed, refused, &TurnOptions::default());
            }
            Some(Ok(turn)) => turn,
        };
        assert!(!closed, "A4: a turn after the shutdown");
        assert_eq!(*SessionTurn::key(&turn), key, "another key's turn");
        self.saw(if restart {
            "a turn by restart"
        } else {
            "a turn"
        });
        let stay = self.world.uses(&turn);
        steps(6).await;
        if one_in(4) {
            SessionTurn::cancelled(&turn).await;
        }
        drop(stay);
        if one_in(4) {
            SessionTurn::discard(turn);
        }
    }

    /// A closure in a turn, which may be dropped in the middle.
    async fn runs(&self, key: Key) {
        let closed = self.closed();
        let ledger = Arc::clone(&self.world.ledger);
        let running = self.manager().with_turn(&key, async move |session| {
            let _stay = ledger.is_used(session.key, session.incarnation);
            session.answers.push_back(u32::MAX);
            steps(6).await;
            session.answers.pop_back();
        });
        match in_part(running).await {
            None => {}
            Some(Ok(())) => {
                assert!(!closed, "A4: a closure runs after the shutdown");
                self.saw("a turn in a closure");
            }
            Some(Err(error)) => self.is_right(&error, closed, false, &TurnOptions::default()),
        }
    }

    async fn stops(&self, key: Key) {
        let words = match in_part(self.manager().stop(&key)).await {
            None => return,
            Some(Ok(true)) => "stop: stopped",
            Some(Ok(false)) => "stop: nothing",
            Some(Err(StopError::Closed)) => {
                let closes = self.closes.load(Ordering::SeqCst);
                assert!(closes, "A6: a stop is refused without a shutdown");
                "stop: Closed"
            }
            Some(Err(StopError::Failed(_))) => "stop: Failed",
            Some(Err(StopError::Panicked)) => "stop: Panicked",
            Some(Err(_)) => "stop: Abandoned",
        };
        self.saw(words);
    }

    /// Time passes, and what has rested too long is stopped.
    async fn sweeps(&self) {
        self.hand.advance(IDLE / draw(&[1, 2]));
        let ledger = &self.world.ledger;
        let before = ledger.read(|book| book.stops.len());
        let Some(report) = in_part(self.manager().cleanup_idle(IDLE)).await else {
            return;
        };
        let failed = report.failed.iter().map(|(key, _)| key);
        let ended = report.stopped.iter().chain(failed);
        let ended: Vec<Key> = ended.chain(&report.abandoned).copied().collect();
        let skipped = report.skipped.iter().map(|(key, _)| *key);
        is_once(skipped.chain(ended.iter().copied()));
        let stops = ledger.read(|book| book.stops[before..].to_vec());
        for key in ended {
            let idle = |stop: &(Key, u64, StopReason)| (stop.0, stop.2) == (key, StopReason::Idle);
            assert!(stops.iter().any(idle), "A3: {key} was not stopped as idle");
            self.saw("a sweep stops");
        }
    }

    /// What takes no time.
    fn meddles(&self, key: Key) {
        match below(3) {
            0 => drop(self.manager().touch(&key)),
            1 => drop(self.manager().dismiss(&key)),
            _ => drop(self.manager().abort(&key, None)),
        }
    }

    fn looks(&self, key: Key) {
        let _seen = self.manager().status(&key);
        let seen = self.manager().snapshot();
        is_once(seen.iter().map(|(key, _)| *key));
        for (key, status) in seen {
            let rests = status.phase == Phase::Idle;
            assert_eq!(rests, status.turn.is_none(), "{key}: {status:?}");
        }
    }

    /// What the turns of a key emit: each message of this key, once.
    async fn listens(self, key: Key, mut parts: Subscription<u32>) {
        let mut heard = BTreeSet::new();
        while let Some(part) = parts.next().await {
            let Missable::Event(id) = part else {
                panic!("{part:?} of a few");
            };
            assert_eq!(id % 10, u32::from(key), "a part of another key's answer");
            assert!(heard.insert(id), "a part is heard twice");
        }
        let closes = self.closes.load(Ordering::SeqCst);
        assert!(closes, "A4: the parts end before the manager");
    }

    /// A shutdown, and another one that brings the deadline.
    async fn ends(self) -> DrainReport<Key> {
        steps(draw(&[4, 60, 400])).await;
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
        is_once(
            stops
                .iter()
                .map(|(key, incarnation, _)| (*key, *incarnation)),
        );
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

/// What is told of each key is a life: a start, turns one after the other, a stop, then the next, with a higher number. Gives
/// the keys whose session had not ended when the telling did.
async fn lives(mut told: Subscription<SessionEvent<Key>>) -> Vec<Key> {
    let mut lives = BTreeMap::<Key, (Incarnation, Option<Ticket>)>::new();
    let mut last = BTreeMap::<Key, Incarnation>::new();
    while let Some(event) = told.next().await {
        let Missable::Event(event) = event else {
            panic!("{event:?} of a few");
        };
        let (key, before, after) = match &event {
            SessionEvent::Started {
                key, incarnation, ..
            } => (*key, None, Some((*incarnation, None))),
            SessionEvent::StartFailed { key, .. } => (*key, None, None),
            SessionEvent::TurnBegan {
                key,
                incarnation,
                turn,
                ..
            } => {
                let (rests, used) = ((*incarnation, None), (*incarnation, Some(*turn)));
                (*key, Some(rests), Some(used))
            }
            SessionEvent::TurnEnded {
                key,
                incarnation,
                turn,
                ..
            } => {
                let (rests, used) = ((*incarnation, None), (*incarnation, Some(*turn)));
                (*key, Some(used), Some(rests))
            }
            SessionEvent::Stopped {
                key, incarnation, ..
            } => (*key, Some((*incarnation, None)), None),
            _ => continue,
        };
        let was = match after {
            Some(after) => lives.insert(key, after),
            None => lives.remove(&key),
        };
        assert_eq!(was, before, "{event:?} comes out of turn");
        if let SessionEvent::Started { incarnation, .. }
        | SessionEvent::StartFailed { incarnation, .. } = event
        {
            let last = last.insert(key, incarnation);
            assert!(last < Some(incarnation), "an old number: {event:?}");
        }
    }
    lives.into_keys().collect()
}

/// A message whose parts are read first: its own, and none if it was not heard.
async fn streamed(
    id: u32,
    sending: Sending<Scripted>,
) -> Result<Reply, SendError<Message, Failed>> {
    use futures_core::Stream;

    let mut stream = sending.into_stream();
    let mut parts = Vec::new();
    loop {
        let next = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await;
        match next.expect("the reply comes last") {
            Progress::Event(part) => parts.push(part),
            Progress::Missed(count) => panic!("{count} parts of one are missed"),
            Progress::Done(answer) => {
                let back = matches!(&answer, Err(error) if error.message.is_some());
                let expected = if back { vec![] } else { vec![id] };
                assert_eq!(parts, expected, "the parts of an answer");
                return answer;
            }
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

fn is_once<T: Ord>(all: impl Iterator<Item = T>) {
    let mut seen = BTreeSet::new();
    assert!(all.into_iter().all(|one| seen.insert(one)), "named twice");
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

async fn steps(limit: usize) {
    for _ in 0..below(limit) {
        step().await;
    }
}

/// To its end, or it is dropped after a few steps, wherever it is then.
async fn in_part<T>(whole: impl Future<Output = T>) -> Option<T> {
    let mut left = one_in(3).then(|| below(12));
    let mut whole = pin!(whole);
    poll_fn(|cx| {
        if let Some(left) = &mut left {
            if *left == 0 {
                return Poll::Ready(None);
            }
            *left -= 1;
            cx.waker().wake_by_ref();
        }
        whole.as_mut().poll(cx).map(Some)
    })
    .await
}
