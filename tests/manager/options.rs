//! Calls that start nothing, that act only on what was seen, and managers that start nothing new; what is counted of all that.

use turnwise::testing::End;
use turnwise::{Incarnation, manager::*};

use crate::script::{Act, Gate, Step, fail, say, until};
use crate::{Manager, SECOND, plain, settled, stage};

fn existing(m: &Manager) -> Manager {
    m.with(TurnOptions::existing())
}

fn only(m: &Manager, number: Incarnation) -> Manager {
    m.with(TurnOptions::default().only(number))
}

fn number(m: &Manager) -> Incarnation {
    m.status("a").expect("it is there").incarnation
}

#[tokio::test(start_paused = true)]
async fn an_absent_session_is_not_started() {
    let (m, stage) = plain();
    let absent = existing(&m);
    let error = absent.turn("a").await.map(drop).expect_err("it is absent");
    assert!(matches!(error, TurnError::NotFound));
    let sending = absent.send_message("a", say("hello"));
    assert_eq!(sending.ticket(), None);
    let error = sending.await.expect_err("it is absent");
    assert!(matches!(error.error, TurnError::NotFound));
    assert_eq!(error.message.expect("nobody heard it").text, "hello");
    let error = absent.with_turn("a", async |_| ()).await;
    assert!(matches!(error, Err(TurnError::NotFound)));
    let error = absent.restart("a").await.map(drop);
    assert!(matches!(error, Err(TurnError::NotFound)));
    assert_eq!(m.status("a"), None, "no trace is left");

    drop(m.turn("a").await.expect("it starts"));
    drop(absent.turn("a").await.expect("it is there"));
    absent
        .send_message("a", say("hello"))
        .await
        .expect("it is there");
    // Not healthy: it is stopped, and not replaced.
    stage.script.tell("a", Step::IsHealthy, fail());
    let error = absent.send_message("a", say("again")).await;
    let error = error.expect_err("it is not healthy");
    assert!(matches!(error.error, TurnError::NotFound) && error.message.is_some());
    assert_eq!(stage.script.stops("a"), [StopReason::Unhealthy]);
    assert_eq!((stage.script.started("a"), m.status("a")), (1, None));
    assert_eq!(m.stats().refused.not_found, 5);
    drop(absent);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_manager_says_so_to_all() {
    let (m, stage) = plain();
    m.shutdown(SECOND).await;
    let error = existing(&m).turn("a").await.map(drop);
    assert!(matches!(error, Err(TurnError::Closed)), "{error:?}");
    stage.end(m).await;
}

/// It waits for a start that is under way, and has the session of that or none.
#[tokio::test(start_paused = true)]
async fn an_existing_session_may_be_about_to_be() {
    for fails in [false, true] {
        let act = if fails { fail() } else { Act::pass() };
        let (m, stage) = plain();
        let gate = Gate::new();
        stage.script.tell("a", Step::Start, act.after(&gate));
        let starts = tokio::spawn(m.turn("a"));
        gate.reached().await;
        let waits = existing(&m).turn("a");
        gate.open();
        drop(starts.await.expect("it does not panic"));
        match waits.await.map(drop) {
            Ok(()) => assert!(!fails),
            Err(error) => assert!(fails && matches!(error, TurnError::Start(_)), "{error:?}"),
        }
        // Queued, and then the session is stopped: nothing is started for it.
        let turn = m.turn("a").await.expect("it starts");
        let waits = existing(&m).turn("a");
        SessionTurn::discard(turn);
        let error = waits.await.map(drop).expect_err("it is gone");
        assert!(matches!(error, TurnError::NotFound));
        stage.end(m).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_watcher_does_not_stop_the_successor() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("it starts"));
    let seen = number(&m);
    let watcher = only(&m, seen);
    drop(m.restart("a").await.expect("another session"));
    let successor = number(&m);
    assert_ne!(seen, successor);

    // Idle.
    assert!(!watcher.stop("a").await.expect("there is no such session"));
    assert!(!watcher.abort("a", None));
    let error = watcher.restart("a").await.map(drop);
    assert!(matches!(error, Err(TurnError::NotFound)));
    let error = watcher
        .send_message("a", say("late"))
        .await
        .expect_err("it is gone");
    assert!(matches!(error.error, TurnError::NotFound));
    // In a turn, which is not cancelled.
    let turn = m.turn("a").await.expect("free");
    let ticket = SessionTurn::ticket(&turn);
    assert!(!watcher.stop("a").await.expect("there is no such session"));
    assert!(!watcher.abort("a", Some(ticket)));
    assert!(!SessionTurn::is_cancelled(&turn));
    drop(turn);
    assert_eq!(number(&m), successor);
    // In its start.
    assert!(m.stop("a").await.expect("it stops"));
    let gate = Gate::new();
    stage.script.tell("a", Step::Start, until(&gate));
    let starts = tokio::spawn(m.turn("a"));
    gate.reached().await;
    assert!(
        !only(&m, successor)
            .stop("a")
            .await
            .expect("there is no such session")
    );
    gate.open();
    drop(
        starts
            .await
            .expect("it does not panic")
            .expect("it is not cut short"),
    );
    // The one that is there.
    let here = only(&m, number(&m));
    drop(here.turn("a").await.expect("it is there"));
    let turn = m.turn("a").await.expect("free");
    assert!(here.abort("a", None) && SessionTurn::is_cancelled(&turn));
    drop(turn);
    assert!(here.stop("a").await.expect("it stops"));
    assert_eq!(m.status("a"), None);
    drop((watcher, here));
    stage.end(m).await;
}

/// A stop of this session is queued behind a turn that leaves it dirty. It finds the next session, or none.
#[tokio::test(start_paused = true)]
async fn a_stop_that_waits_looks_again() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let stop = only(&m, number(&m)).stop("a");
    let next = tokio::spawn(m.turn("a"));
    settled().await;
    SessionTurn::discard(turn);
    let next = next
        .await
        .expect("it does not panic")
        .expect("a new session");
    assert!(!stop.await.expect("its session is gone"));
    assert!(!SessionTurn::is_cancelled(&next));
    drop(next);
    assert_eq!(stage.script.stops("a"), [StopReason::Dirty]);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn a_lame_manager_starts_nothing_new() {
    let (m, stage) = plain();
    drop(m.turn("a").await.expect("it starts"));
    let before = number(&m);
    m.accept_new(false);
    m.send_message("a", say("hello")).await.expect("it goes on");
    let error = m
        .send_message("b", say("hello"))
        .await
        .expect_err("it is new");
    assert!(matches!(error.error, TurnError::NotAccepting) && error.message.is_some());
    let error = m.restart("a").await.map(drop);
    assert!(matches!(error, Err(TurnError::NotAccepting)));
    assert_eq!(number(&m), before, "a restart leaves it alone");
    stage.script.tell("a", Step::IsHealthy, fail());
    let error = m.turn("a").await.map(drop);
    assert!(matches!(error, Err(TurnError::NotAccepting)));
    assert_eq!((m.status("a"), m.status("b")), (None, None));
    m.accept_new(true);
    drop(m.turn("b").await.expect("it is accepted"));
    assert_eq!(m.stats().refused.not_accepting, 3);
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn all_that_happens_is_counted() {
    let limits = Timeouts::default().turn(SECOND).abort(SECOND);
    let (m, stage) = stage(|builder| builder.timeouts(limits));
    drop(m.turn("a").await.expect("it starts"));
    SessionTurn::done(m.turn("a").await.expect("free"));
    SessionTurn::discard(m.turn("a").await.expect("free"));
    m.send_message("a", say("hello")).await.expect("a reply");
    m.send_message("a", say("fails").and(fail()))
        .await
        .expect_err("it fails");
    m.send_message("a", say("hangs").and(Act::hang()))
        .await
        .expect_err("too long");
    m.send_message("a", say("panics").and(Act::panic()))
        .await
        .expect_err("it panics");
    let held = m.turn("a").await.expect("free");
    let busy = m.with(TurnOptions::no_wait());
    assert!(busy.turn("a").await.is_err());
    let late = m.with(TurnOptions::default().wait(SECOND)).turn("a");
    assert!(late.await.is_err());
    let sent_away = m.turn("a");
    assert_eq!(m.dismiss("a"), 1);
    assert!(sent_away.await.is_err());
    drop(held);
    stage.script.tell("a", Step::Stop, fail());
    drop(busy);
    m.stop("a").await.expect_err("it fails");
    stage.script.tell("a", Step::Start, fail());
    assert!(m.turn("a").await.is_err());

    let stats = m.stats();
    assert_eq!((stats.starts, stats.failed_starts), (4, 1));
    let Stops {
        dirty,
        requested,
        idle,
        ..
    } = stats.stops;
    assert_eq!((dirty, requested, idle, stats.unclean_stops), (3, 1, 0, 1));
    let Turns {
        done,
        failed,
        timed_out,
        dropped,
        panicked,
        aborted,
        ..
    } = stats.turns;
    assert_eq!(
        (done, failed, timed_out, dropped, panicked, aborted),
        (4, 1, 1, 1, 1, 0)
    );
    let Refused {
        busy,
        wait_timed_out,
        dismissed,
        closed,
        ..
    } = stats.refused;
    assert_eq!((busy, wait_timed_out, dismissed, closed), (1, 1, 1, 0));
    m.shutdown(SECOND).await;
    assert!(m.turn("a").await.is_err());
    assert_eq!(m.stats().refused.closed, 1);
    stage.end(m).await;
}

/// A turn whose session was borrowed is dirty unless it is done; one whose session was not is clean.
#[tokio::test(start_paused = true)]
async fn a_half_done_turn_is_dirty() {
    let (m, stage) = plain();
    let mut events = m.subscribe();
    let turn = async |m: &Manager| m.turn("a").await.expect("free");
    drop(turn(&m).await);
    let first = number(&m);

    let mut borrowed = turn(&m).await;
    borrowed.told(1);
    borrowed.read(1);
    SessionTurn::done(borrowed);
    assert_eq!(number(&m), first, "it is done");

    // Half-way: the session got a question, and its answer was not read.
    let mut dropped = turn(&m).await;
    dropped.told(2);
    drop(dropped);
    let next = turn(&m).await;
    assert_ne!(SessionTurn::incarnation(&next), first);
    assert!(
        next.pipe_is_empty(),
        "the next caller does not read the old answer"
    );
    // To look is to borrow: a look may be half-way too, in a session with a lock of its own.
    drop(next);
    settled().await;
    assert_eq!(m.status("a"), None);

    // The future that holds it is cancelled, or panics.
    let cancelled = tokio::spawn({
        let m = m.clone();
        async move {
            let mut held = m.turn("a").await.expect("free");
            held.told(3);
            std::future::pending::<()>().await;
            SessionTurn::done(held);
        }
    });
    settled().await;
    cancelled.abort();
    settled().await;
    assert_eq!(m.status("a"), None);
    assert_eq!(stage.script.stops("a"), [StopReason::Dirty; 3]);

    let outcomes: Vec<_> = crate::all_events(&mut events)
        .into_iter()
        .filter_map(|event| match event {
            SessionEvent::TurnEnded { outcome, .. } => Some(outcome),
            _ => None,
        })
        .collect();
    use Outcome::{Done, Dropped};
    assert_eq!(outcomes, [Done, Done, Dropped, Dropped, Dropped]);
    assert_eq!(m.stats().turns.dropped, 3);
    assert_eq!(stage.script.count("a", Step::Stop, End::Passed), 3);
    stage.end(m).await;
}
