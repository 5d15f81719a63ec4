//! User code that panics where nobody would expect it: drops of sessions and replies, wakers, texts of errors. Nobody is left
//! waiting, and the key is free. (For the methods of a backend see `dirty`, `starts` and `control`; for keys `keys`.)

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::*};

use crate::script::{Gate, Step, explode, fail_after, say, until};
use crate::{HOUR, plain, settled};

/// Its sessions, replies and errors explode: when they are dropped, when they are shown.
struct Bombs {
    starts_fail: Arc<AtomicBool>,
    alive: Arc<AtomicUsize>,
}

struct Bomb(Arc<AtomicUsize>);

impl Bomb {
    fn new(alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(alive))
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
        if !std::thread::panicking() {
            explode();
        }
    }
}

#[derive(Debug)]
struct Unspeakable;

impl fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        explode()
    }
}

impl Error for Unspeakable {}

impl Backend for Bombs {
    type Key = String;
    type Session = Bomb;
    type Handle = ();
    type Event = ();
    type Error = Unspeakable;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<(Bomb, ()), Unspeakable> {
        match self.starts_fail.load(Ordering::Relaxed) {
            true => Err(Unspeakable),
            false => Ok((Bomb::new(&self.alive), ())),
        }
    }
}

/// Stops with an error; its session does not explode then.
struct FailsToStop;

impl Backend for FailsToStop {
    type Key = String;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Unspeakable;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<((), ()), Unspeakable> {
        Ok(((), ()))
    }

    async fn stop(
        &self,
        _: &String,
        (): (),
        _: turnwise::manager::StopReason,
    ) -> Result<(), Unspeakable> {
        Err(Unspeakable)
    }
}

impl Agent for Bombs {
    type Message = &'static str;
    type Reply = Bomb;

    async fn send(
        &self,
        _: &mut Bomb,
        _: &'static str,
        _: &TurnContext<()>,
    ) -> Result<Bomb, Unspeakable> {
        Ok(Bomb::new(&self.alive))
    }
}

fn bombs() -> (SessionManager<Bombs>, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let alive = Arc::<AtomicUsize>::default();
    let starts_fail = Arc::<AtomicBool>::default();
    let manager = SessionManager::builder(Bombs {
        starts_fail: Arc::clone(&starts_fail),
        alive: Arc::clone(&alive),
    });
    let manager = manager.build().expect("in a runtime");
    (manager, alive, starts_fail)
}

fn panics(act: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(act)).is_err()
}

#[tokio::test(start_paused = true)]
async fn a_session_that_panics_in_its_drop_frees_its_key() {
    let (m, alive, _) = bombs();
    drop(m.turn("a").await.expect("free"));
    let error = m.stop("a").await.expect_err("its drop panics");
    assert!(matches!(error, StopError::Panicked));
    drop(m.turn("a").await.expect("free"));
    drop(m.restart("a").await.expect("started anew"));
    SessionTurn::discard(m.turn("a").await.expect("it rests"));
    drop(m.turn("a").await.expect("started anew"));
    let report = m.cleanup_idle(Duration::ZERO).await;
    assert_eq!(report.failed.len(), 1);
    drop(m.turn("a").await.expect("free"));
    drop(m.turn("b").await.expect("free"));
    assert_eq!(alive.load(Ordering::Relaxed), 2);
    let report = m.shutdown(HOUR).await;
    let mut failed: Vec<_> = report.failed.iter().map(|(key, _)| key).collect();
    failed.sort();
    assert_eq!(failed, ["a", "b"]);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_panics_in_its_drop_ends_nothing_else() {
    let (m, alive, _) = bombs();
    m.send_message("a", "nobody listens").detach();
    settled().await;
    let unread = m.send_message("a", "nobody reads");
    settled().await;
    assert!(panics(|| drop(unread)), "it is its reader's");
    let reply = m.send_message("a", "read").await.expect("it rests");
    assert!(panics(|| drop(reply)));
    let stream = m.send_message("a", "nobody reads").into_stream();
    settled().await;
    assert!(panics(|| drop(stream)));
    assert_eq!(alive.load(Ordering::Relaxed), 1, "the session");
    assert_eq!(m.shutdown(HOUR).await.failed.len(), 1);
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}

/// The text is made for events and reports. A text that cannot be made is left out.
#[tokio::test(start_paused = true)]
async fn an_error_that_panics_when_it_is_shown_ends_nothing() {
    let (m, _, starts_fail) = bombs();
    let events = m.subscribe();
    starts_fail.store(true, Ordering::Relaxed);
    let waits = m.turn("a");
    let also = m.turn("a");
    assert!(matches!(waits.await, Err(TurnError::Start(_))));
    assert!(matches!(also.await, Err(TurnError::Start(_))));
    starts_fail.store(false, Ordering::Relaxed);
    drop(m.turn("a").await.expect("free"));
    drop(events);
    assert_eq!(m.shutdown(HOUR).await.failed.len(), 1);

    let m = SessionManager::builder(FailsToStop).build();
    let m = m.expect("in a runtime");
    let events = m.subscribe();
    drop(m.turn("a").await.expect("free"));
    let stopped = m.stop("a").await;
    assert!(matches!(stopped, Err(StopError::Failed(_))));
    drop(m.turn("a").await.expect("free"));
    assert_eq!(m.cleanup_idle(Duration::ZERO).await.failed.len(), 1);
    drop(m.turn("a").await.expect("free"));
    assert_eq!(m.shutdown(HOUR).await.failed.len(), 1);
    drop(events);
}

/// Panics when it wakes.
struct Alarm;

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        explode();
    }
}

fn poll_with_alarm<F: Future + Unpin>(future: &mut F) {
    let alarm = Waker::from(Arc::new(Alarm));
    let polled = Pin::new(future).poll(&mut Context::from_waker(&alarm));
    assert!(polled.is_pending());
}

/// Whoever lets it go on hears of it or not; those behind it are served.
#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_in_the_line_keeps_nobody_waiting() {
    // The end of a turn wakes the next: the panic is that of the turn's drop.
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let mut alarmed = m.turn("a");
    poll_with_alarm(&mut alarmed);
    let behind = m.turn("a");
    assert!(panics(|| drop(turn)));
    drop(alarmed);
    drop(behind.await.expect("its turn comes"));

    // The end of a message, a stop, a start that failed, a sweep: they end as they would.
    let alarm_in_line = || {
        let mut alarmed = m.turn("a");
        poll_with_alarm(&mut alarmed);
        alarmed
    };
    let gate = Gate::new();
    let sending = m.send_message("a", say("hello").until(&gate));
    gate.reached().await;
    let alarmed = alarm_in_line();
    gate.open();
    assert_eq!(sending.await.expect("it ends").text, "hello");
    drop(alarmed);
    let gate = Gate::new();
    stage.script.tell("a", Step::Stop, until(&gate));
    let stopping = m.stop("a");
    gate.reached().await;
    let alarmed = alarm_in_line();
    gate.open();
    assert!(stopping.await.expect("it stops"));
    drop(alarmed);
    let gate = Gate::new();
    let act = fail_after(&gate);
    stage.script.tell("a", Step::Start, act);
    let starting = tokio::spawn(m.turn("a"));
    gate.reached().await;
    let alarmed = alarm_in_line();
    gate.open();
    let started = starting.await.expect("its task is well");
    assert!(matches!(started, Err(TurnError::Start(_))));
    drop(alarmed);
    drop(m.turn("a").await.expect("free"));
    let gate = Gate::new();
    stage.script.tell("a", Step::Stop, until(&gate));
    let sweep = tokio::spawn(m.cleanup_idle(Duration::ZERO));
    gate.reached().await;
    let alarmed = alarm_in_line();
    gate.open();
    assert_eq!(sweep.await.expect("it is well").stopped, ["a"]);
    drop(alarmed);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_when_the_line_is_sent_away() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let send_away: [fn(&crate::Manager); 2] = [
        |m| {
            let _ = m.dismiss("a");
        },
        |m| drop(m.shutdown(Duration::ZERO)),
    ];
    for send_away in send_away {
        let mut alarmed = m.turn("a");
        poll_with_alarm(&mut alarmed);
        let behind = tokio::spawn(m.turn("a"));
        settled().await;
        assert!(panics(|| send_away(&m)), "it is not swallowed");
        let sent_away = behind.await.expect("it is woken");
        let error = sent_away.map(drop).expect_err("it was sent away");
        assert!(matches!(error, TurnError::Dismissed | TurnError::Closed));
        drop(alarmed);
    }
    drop(turn);
    assert_eq!(stage.end(m).await.stopped, ["a"], "it was begun");
}

/// Listeners, senders, waits for a start and for the report: a panic of their wakers reaches nobody else.
#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_when_it_is_told_something_ends_nothing_else() {
    let (m, stage) = plain();
    let mut events = m.subscribe();
    let mut heard = m.listen("a");
    let alarm_all = |events: &mut _, heard: &mut _| {
        poll_with_alarm(&mut pin!(turnwise::manager::Subscription::next(events)));
        poll_with_alarm(&mut pin!(turnwise::manager::Subscription::next(heard)));
    };
    alarm_all(&mut events, &mut heard);
    let first = m.send_message("a", say("hello").in_parts(1));
    let first = first.await.expect("nobody else is hurt");
    crate::all_events(&mut events);
    crate::all_events(&mut heard);

    for ask in 0..3 {
        alarm_all(&mut events, &mut heard);
        let mut sending = m.send_message("a", say("hello").in_parts(1));
        match ask {
            0 => poll_with_alarm(&mut pin!(sending.started())),
            1 => poll_with_alarm(&mut pin!(sending.next_event())),
            _ => poll_with_alarm(&mut sending),
        }
        let reply = sending.await.expect("it is answered");
        assert_eq!(reply.number, first.number, "and its session is well");
        crate::all_events(&mut events);
        crate::all_events(&mut heard);
    }
    let turn = m.turn("a").await.expect("it rests");
    poll_with_alarm(&mut pin!(SessionTurn::cancelled(&turn)));
    let stopping = m.stop("a");
    drop(turn);
    assert!(stopping.await.expect("it stops"));

    crate::all_events(&mut events);
    alarm_all(&mut events, &mut heard);
    let mut alarmed = Box::pin(m.shutdown(HOUR));
    poll_with_alarm(&mut alarmed);
    let report = tokio::time::timeout(HOUR, m.shutdown(HOUR)).await;
    assert_eq!(report.expect("it is told"), alarmed.await);
    stage.end(m).await;
}

/// A waker may do anything, such as call the manager: it is woken under no lock.
#[tokio::test(start_paused = true)]
async fn a_waker_that_calls_the_manager_is_woken_under_no_lock() {
    struct Calls(crate::Manager, AtomicUsize);
    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            let Self(m, calls) = &*self;
            drop((m.listen("a"), m.listen("b"), m.subscribe(), m.status("a")));
            drop((m.snapshot(), m.touch("a"), m.abort("a", None)));
            drop((m.turn("b"), m.dismiss("a"), m.shutdown(HOUR)));
            calls.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (m, stage) = plain();
    let calls = Arc::new(Calls(m.clone(), AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&calls));
    let poll = |future: Pin<&mut dyn Future<Output = _>>| {
        assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
    };
    drop(m.turn("a").await.expect("free"));
    let (mut events, mut heard) = (m.subscribe(), m.listen("a"));
    let (mut told, mut parts) = (pin!(events.next()), pin!(heard.next()));
    poll(told.as_mut());
    assert!(
        parts
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let report = m.shutdown(HOUR).await;
    assert_eq!(report.stopped, ["a"]);
    assert_eq!(calls.1.load(Ordering::Relaxed), 2);
    drop((waker, calls));
    stage.end(m).await;
}
