//! Programs that keep sessions.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::*;

/// openab held the map's lock for a whole prompt: status, cleanup and new sessions hung.
#[test]
fn a_turn_keeps_nobody_else_waiting() {
    let (sessions, _hand) = on_one_shard();
    let _turn = started(&sessions, "a");
    let (others, (tell, told)) = (sessions.clone(), mpsc::channel());
    let other = thread::spawn(move || {
        drop(started(&others, "b"));
        let sweep = others.cleanup_idle(Duration::ZERO, |_, _, _| {});
        let report = (phase(&others, "a"), others.snapshot().len(), sweep.closed);
        tell.send(report).expect("somebody listens");
    });
    let report = told.recv_timeout(GENEROUS);
    assert_eq!(report, Ok((Some(Phase::Busy), 1, 1)));
    other.join().expect("the other is well");
}

/// openab, repaired: cleanup sampled with `try_lock` and removed later; a turn that began in between was evicted.
#[test]
fn cleanup_never_evicts_a_session_that_became_busy() {
    let (sessions, hand) = on_one_shard();
    drop(started(&sessions, "a"));
    drop(started(&sessions, "b"));
    hand.advance(MINUTE);
    let mut claims = sessions.claim_idle(MINUTE);
    let first = claims.next().expect("two are idle"); // By now both were looked at.
    let other = if *Turn::key(&first) == "a" { "b" } else { "a" };
    let looked_idle = sessions.observe(&other).expect("it rests");
    let turn = started(&sessions, other);
    assert!(claims.next().is_none());
    assert!(looked_idle.claim().is_err());
    assert!(Turn::is_current(&turn));
}

/// openab's reaper used `try_lock` and never saw a turn that hung; dead slots filled the pool.
#[test]
fn a_turn_that_hangs_is_seen_and_can_be_replaced() {
    let (sessions, hand) = on_one_shard();
    let hung = started(&sessions, "a");
    hand.advance(60 * MINUTE);
    let status = sessions.status(&"a").expect("it is there");
    assert_eq!(
        (status.phase, status.age(sessions.now())),
        (Phase::Busy, 60 * MINUTE)
    );
    drop(sessions.replace(&"a").expect("the registry is open"));
    assert!(sessions.is_empty(), "its slot is free");
    assert!(!Turn::is_current(&hung));
}

/// oqto's start returned on its timeout before it took its key out of the `creating` set: stuck for ever.
#[test]
fn cancelled_start_does_not_leave_the_key_stuck() {
    let (sessions, _hand) = on_one_shard();
    let entry = sessions.enter_blocking(&"a").expect("free");
    let mut start = Box::pin(
        entry.or_start(async |_: &Vacancy<_, u32, u32>| -> Result<u32, ()> {
            std::future::pending().await
        }),
    );
    assert!(
        start
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    assert_eq!(phase(&sessions, "a"), Some(Phase::Starting));
    drop(start);
    assert_eq!(phase(&sessions, "a"), None);
    drop(started(&sessions, "a"));
}

/// oqto awaited a kill under the write lock.
#[test]
fn a_close_that_takes_long_keeps_nobody_else_waiting() {
    let (sessions, _hand) = on_one_shard();
    drop(started(&sessions, "a"));
    let sweep = sessions.cleanup_idle(Duration::ZERO, |_, _, _| {
        // In the middle of the close, on the same shard: whoever waits here for a lock waits for ever.
        assert_eq!(phase(&sessions, "a"), Some(Phase::Closing));
        drop(Turn::vacate(started(&sessions, "b")));
        assert!(sessions.touch(&"a"));
    });
    assert_eq!((sweep.closed, sessions.len()), (1, 0));
}

/// rmcp's dying worker closed by id, and could remove the session restored under that id.
#[test]
fn the_end_of_an_old_session_does_not_remove_its_replacement() {
    let (sessions, _hand) = on_one_shard();
    type End = fn(Turn<&'static str, u32, u32>);
    let ends: [End; 3] = [
        drop,
        |turn| drop(Turn::vacate(turn)),
        |turn| {
            drop(Turn::vacate(turn).closed().fill(3));
        },
    ];
    for end in ends {
        let old = started(&sessions, "a");
        let new = sessions.replace(&"a").expect("open").vacancy.fill(2);
        let number = Turn::incarnation(&new);
        assert!(number > Turn::incarnation(&old));
        end(old);
        assert!(Turn::is_current(&new));
        let status = sessions.status(&"a").expect("the replacement is there");
        assert_eq!((status.phase, status.incarnation), (Phase::Busy, number));
        drop(Turn::vacate(new));
    }
}

/// goose evicted the least recently used agent, running or not, and had two for one session.
#[test]
fn the_longest_unused_session_is_left_alone_while_it_runs() {
    let (sessions, hand) = on_one_shard();
    let running = started(&sessions, "oldest");
    hand.advance(MINUTE);
    drop(started(&sessions, "newer"));
    let claimed: Vec<_> = sessions.claim_idle(Duration::ZERO).collect();
    assert_eq!(
        claimed
            .iter()
            .map(|turn| *Turn::key(turn))
            .collect::<Vec<_>>(),
        ["newer"]
    );
    assert_eq!(
        sessions.try_enter(&"oldest").err(),
        Some(TryEnterError::Busy)
    );
    assert!(Turn::is_current(&running));
}

/// goose unregistered a cancel token by key, and so deleted that of a newer turn.
#[test]
fn an_old_turn_does_not_touch_the_handle_of_a_newer_one() {
    let (sessions, _hand) = on_one_shard();
    let old = started(&sessions, "a");
    Turn::set_handle(&old, Arc::new(1));
    let seen = sessions.observe(&"a").expect("it is there");
    let new = sessions.replace(&"a").expect("open").vacancy.fill(2);
    Turn::set_handle(&new, Arc::new(2));
    Turn::set_handle(&old, Arc::new(3));
    drop(old);
    assert_eq!(sessions.handle(&"a").as_deref(), Some(&2));
    assert_ne!(seen.handle().as_deref(), Some(&2), "another incarnation's");
}

/// codex refused callers while a thread closed; Akka and Orleans deliver them to the next incarnation.
#[test]
fn who_comes_during_a_close_waits_for_the_next_incarnation() {
    let (sessions, _hand) = on_one_shard();
    let closing = Turn::vacate(started(&sessions, "a"));
    let number = closing.incarnation();
    let mut first = sessions.enter(&"a");
    let second = sessions.enter(&"a");
    assert!(poll(&mut first).is_pending());
    drop(closing);
    let next = vacancy(first.wait());
    assert!(next.incarnation() > number);
    drop(next.fill(2));
    assert_eq!(*second.wait().expect("open").or_insert(0), 2);
}

/// enquire-mcp, qmd and sglang stamped activity at the start of a turn only: a long one aged itself to death.
#[test]
fn a_long_turn_does_not_age_itself_to_death() {
    let (sessions, hand) = on_one_shard();
    let turn = started(&sessions, "a");
    hand.advance(60 * MINUTE);
    assert!(
        sessions.claim_idle(MINUTE).next().is_none(),
        "busy is not idle"
    );
    drop(turn);
    assert!(
        sessions.claim_idle(MINUTE).next().is_none(),
        "its end was activity"
    );
    hand.advance(MINUTE);
    assert!(sessions.claim_idle(MINUTE).next().is_some());
}

/// databend dropped the last `Arc` under the map's lock, and its `Drop` took that lock again: deadlock.
#[test]
fn the_drop_of_a_session_may_call_the_registry() {
    struct Calls(Sessions<Self>, Arc<AtomicUsize>);
    impl Drop for Calls {
        fn drop(&mut self) {
            let Self(sessions, calls) = self;
            let _ = (sessions.status(&"a"), sessions.touch(&"a"), sessions.len());
            drop(sessions.try_enter(&"a"));
            drop(sessions.try_enter(&"b"));
            calls.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (sessions, _hand) = on_one_shard();
    let calls = Arc::new(AtomicUsize::new(0));
    let start = || {
        let entry = sessions.enter_blocking(&"a").expect("free");
        entry.or_insert_with(|| Calls(sessions.clone(), Arc::clone(&calls)))
    };
    drop(Turn::vacate(start()));
    drop(start());
    drop(sessions.remove(&"a"));
    drop(start());
    sessions.cleanup_idle(Duration::ZERO, |_, session, _| drop(session));
    let superseded = start();
    drop(sessions.remove(&"a"));
    drop(superseded);
    assert_eq!((calls.load(Ordering::Relaxed), sessions.len()), (4, 0));
}

/// ml-intern pinned sessions for ever, and nobody knew why.
#[test]
fn a_sweep_says_why_it_passed_over() {
    let (sessions, hand) = on_one_shard();
    drop(started(&sessions, "old"));
    drop(started(&sessions, "touched"));
    hand.advance(MINUTE);
    assert!(sessions.touch(&"touched"));
    drop(started(&sessions, "young"));
    let _busy = started(&sessions, "busy");
    let _held = started(&sessions, "waited for");
    let _waits = sessions.enter(&"waited for");
    let sweep = sessions.cleanup_idle(MINUTE, |key, _, _| assert_eq!(*key, "old"));
    let counts = (
        sweep.closed,
        sweep.young,
        sweep.busy,
        sweep.waiting,
        sweep.moved,
    );
    assert_eq!(counts, (1, 2, 1, 1, 0));
}

/// While one session is closed, others that looked idle too are used: each is passed over, and counted by what happened to it.
#[test]
fn a_sweep_says_what_moved_while_it_closed() {
    let (sessions, hand) = on_one_shard();
    let keys = ["a", "b", "c"];
    for key in keys {
        drop(started(&sessions, key));
    }
    hand.advance(MINUTE);
    let mut used = None;
    let sweep = sessions.cleanup_idle(MINUTE, |closed, _, _| {
        let mut others = keys.iter().filter(|key| *key != closed);
        let (entered, touched) = (others.next(), others.next());
        let entered = sessions.try_enter(entered.expect("three but one"));
        used = Some(entered.expect("it rests"));
        assert!(sessions.touch(touched.expect("three but one")));
    });
    assert_eq!((sweep.closed, sweep.moved, sweep.young), (1, 1, 1));
}

/// herdr, querymt and openclaw gave no choice between waiting and refusal, queues without bound, untyped errors.
#[test]
fn to_wait_or_not_is_a_choice_and_the_line_is_bounded() {
    let sessions: Sessions = Registry::builder().max_waiting(1).build();
    let _turn = started(&sessions, "a");
    assert_eq!(sessions.try_enter(&"a").err(), Some(TryEnterError::Busy));
    let mut waits = sessions.enter(&"a");
    assert!(poll(&mut waits).is_pending());
    assert_eq!(
        sessions.enter_blocking(&"a").err(),
        Some(EnterError::QueueFull)
    );
}
