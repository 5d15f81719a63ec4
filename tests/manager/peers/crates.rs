//! Crates that lock by key, cache, or pool.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use turnwise::manager::{SessionEvent, StopReason, WhenFull};

use crate::script::{Act, Gate, Step, fail, say, until};
use crate::{HOUR, SECOND, all_events, plain, settled, stage};

/// lockable: a waiter dropped after its holder leaked an entry, and the next lock with a limit panicked, and all after it.
#[tokio::test(start_paused = true)]
async fn a_waiter_dropped_after_its_holder_leaves_no_entry() {
    let (m, stage) = stage(|builder| builder.max_sessions(1, WhenFull::Refuse));
    stage.script.tell("a", Step::Start, fail());
    let (holder, waiter) = (m.turn("a"), m.turn("a"));
    drop(holder.await.expect_err("it fails"));
    drop(waiter);
    assert_eq!(m.snapshot(), []);
    drop(m.turn("b").await.expect("its room counts no more"));
    stage.end(m).await;
}

/// keyed-lock: the same schedule leaked 49 MB over 500,000 keys.
#[tokio::test(start_paused = true)]
async fn many_keys_that_came_and_went_leave_no_entry() {
    let (m, stage) = plain();
    for key in 0..100_000 {
        let key = key.to_string();
        let (holder, waiter) = (m.turn(&key), m.turn(&key));
        drop(holder);
        drop(waiter);
    }
    assert_eq!(m.snapshot(), []);
    stage.end(m).await;
}

/// key-lock's cleaning broke mutual exclusion: 60 and 313 overlaps in two runs of eight seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sweeping_never_breaks_exclusion() {
    let (m, stage) = plain();
    let inside = Arc::new(AtomicBool::new(false));
    let turns: Vec<_> = (0..4)
        .map(|task| {
            let (m, inside) = (m.clone(), Arc::clone(&inside));
            tokio::spawn(async move {
                for _ in 0..1_000 {
                    if task == 0 {
                        drop(m.cleanup_idle(Duration::ZERO).await);
                        continue;
                    }
                    let turn = m.turn("a").await.expect("open");
                    assert!(!inside.swap(true, Ordering::AcqRel), "two in one turn");
                    tokio::task::yield_now().await;
                    assert!(inside.swap(false, Ordering::AcqRel));
                    drop(turn);
                }
            })
        })
        .collect();
    for turn in turns {
        turn.await.expect("nobody met another");
    }
    stage.end(m).await;
}

/// dashmap: a `Ref` kept across an `.await` deadlocks with the next call on its shard.
#[tokio::test(start_paused = true)]
async fn a_turn_is_kept_across_an_await() {
    let (m, stage) = stage(|builder| builder.shards(1));
    let turn = m.turn("a").await.expect("free");
    settled().await;
    drop(m.turn("b").await.expect("of the same shard"));
    let waits = tokio::spawn(m.turn("a"));
    settled().await;
    assert_eq!(m.snapshot().len(), 2);
    assert!(m.touch("a") && m.stop("b").await.expect("it stops"));
    drop(turn);
    drop(waits.await.expect("it blocks no thread"));
    stage.end(m).await;
}

/// moka: an evicted `Arc` lives on beside its successor, and listeners know no generation.
#[tokio::test(start_paused = true)]
async fn an_evicted_session_is_gone_before_its_successor_starts_and_listeners_know_which() {
    let (m, stage) = plain();
    let mut events = m.subscribe();
    drop(m.turn("a").await.expect("free"));
    stage.script.tell("a", Step::Stop, Act::take(SECOND));
    let sweep = tokio::spawn(m.cleanup_idle(Duration::ZERO));
    settled().await;
    drop(m.turn("a").await.expect("the successor"));
    assert_eq!(sweep.await.expect("it ends").stopped, ["a"]);
    let lives: Vec<_> = all_events(&mut events)
        .into_iter()
        .filter_map(|event| match event {
            SessionEvent::Started { incarnation, .. } => Some((true, incarnation)),
            SessionEvent::Stopped { incarnation, .. } => Some((false, incarnation)),
            _ => None,
        })
        .collect();
    let [(true, first), (false, stopped), (true, second)] = lives[..] else {
        panic!("start, stop, start, not {lives:?}")
    };
    assert!(first == stopped && first < second);
    stage.end(m).await;
}

/// tokio's mutex was not first in, first out when the coop budget was spent.
#[tokio::test(start_paused = true)]
async fn the_order_holds_when_the_budget_of_a_task_is_spent() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let (mut first, mut second) = (m.turn("a"), m.turn("a"));
    std::future::poll_fn(|cx| {
        while pin!(tokio::task::consume_budget()).poll(cx).is_ready() {}
        assert!(Pin::new(&mut second).poll(cx).is_pending());
        assert!(Pin::new(&mut first).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(turn);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut second).poll(&mut cx).is_pending());
    drop(first.await.expect("the first is the first"));
    drop(second.await.expect("then the second"));
    stage.end(m).await;
}

/// quick_cache does this well: a placeholder guard that is dropped hands the lead to the next waiter.
#[tokio::test(start_paused = true)]
async fn a_start_that_is_given_up_serves_the_next_waiter() {
    let (m, stage) = plain();
    let gate = Gate::new();
    stage.script.tell("a", Step::Start, until(&gate));
    let lead = tokio::spawn(m.turn("a"));
    gate.reached().await;
    let next = m.turn("a");
    lead.abort();
    assert!(lead.await.expect_err("given up").is_cancelled());
    gate.open();
    drop(next.await.expect("served"));
    assert_eq!(stage.script.started("a"), 1, "by the same start");
    stage.end(m).await;
}

/// bb8 lost wake-ups: a waiter was woken, went away, and the next slept on.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_was_woken_and_goes_away_wakes_the_next() {
    let (m, stage) = plain();
    let turn = m.turn("a").await.expect("free");
    let mut first = m.turn("a");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut first).poll(&mut cx).is_pending());
    let second = tokio::spawn(m.turn("a"));
    settled().await;
    drop(turn);
    settled().await;
    assert!(!second.is_finished(), "the first is granted");
    drop(first);
    let second = tokio::time::timeout(HOUR, second).await;
    drop(second.expect("woken").expect("well").expect("its turn"));
    stage.end(m).await;
}

/// deadpool has good words for what may be full, late or unwell; here each has its own limit and its own error.
#[tokio::test(start_paused = true)]
async fn what_is_recycled_is_looked_at_first() {
    let (m, stage) = plain();
    let first = m.send_message("a", say("first")).await.expect("free");
    stage.script.tell("a", Step::IsHealthy, fail());
    let next = m.send_message("a", say("next")).await.expect("afresh");
    assert!(next.number > first.number);
    assert_eq!(stage.script.stops("a"), [StopReason::Unhealthy]);
    stage.end(m).await;
}
