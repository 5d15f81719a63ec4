//! What calls cost as there are more keys: nothing that one caller does costs O(all keys).
//!
//! Operations are counted, not time: allocations and their size, hashes, comparisons and clones of keys, clones of wakers. Each
//! case does as many calls as there are keys, so its total may be n log n. Locks are counted by the same cases under shuttle.

// A test that hangs fails within a minute, and is named.
#[macro_use]
extern crate deadline_attribute;

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

mod counting;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use turnwise::{
    Agent, Backend, Clock, ClockHand, Registry, SessionManager, TurnContext,
    manager::{ManagerBuilder, SessionTurn, StopReason, TurnError, TurnOptions, WhenFull},
};

use counting::{KEYS, Key, WORK, fresh_waker};

/// Answers at once.
struct Echo;

#[derive(Debug)]
struct Never;

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it never fails")
    }
}

impl std::error::Error for Never {}

impl Backend for Echo {
    type Key = Key;
    type Session = ();
    type Handle = ();
    type Event = u8;
    type Error = Never;

    async fn start(&self, _: &Key, _: &TurnContext<Self::Event>) -> Result<((), ()), Never> {
        Ok(((), ()))
    }

    async fn stop(&self, _: &Key, (): (), _: StopReason) -> Result<(), Never> {
        Ok(())
    }
}

impl Agent for Echo {
    type Message = u8;
    type Reply = u8;

    async fn send(&self, (): &mut (), message: u8, cx: &TurnContext<u8>) -> Result<u8, Never> {
        cx.emit(message);
        Ok(message)
    }
}

type Manager = SessionManager<Echo>;

/// One case: it prepares for so many keys, then gives what is counted.
async fn counted<R>(act: impl Future<Output = R>) -> (R, usize) {
    let before = WORK.get();
    let result = act.await;
    (result, WORK.get() - before)
}

fn manager(set: impl FnOnce(ManagerBuilder<Echo>) -> ManagerBuilder<Echo>) -> (Manager, ClockHand) {
    let (clock, hand) = Clock::manual();
    let built = set(SessionManager::builder(Echo).clock(clock)).build();
    (built.expect("the settings make sense"), hand)
}

/// The turns of so many keys, each begun in a tick of its own.
async fn turns(m: &Manager, hand: &ClockHand, keys: usize) -> Vec<SessionTurn<Echo>> {
    let mut turns = Vec::new();
    for key in 0..keys {
        turns.push(m.turn(&Key::new(key)).await.expect("room"));
        hand.advance(Duration::from_millis(1));
    }
    turns
}

/// Comes back when nobody else can go on.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

const MINUTE: Duration = Duration::from_secs(60);

/// Runs the case for some keys and for four times as many: its work grows as n log n at most.
fn grows_as_n_log_n<F: Future<Output = usize>>(case: impl Fn(usize) -> F) {
    let each = |keys: usize| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let work = runtime.block_on(case(keys));
        work as f64 / (keys as f64 * (keys as f64).log2())
    };
    let few = each(512);
    let many = each(2048);
    assert!(
        many <= 1.5 * few,
        "a call costs O(all keys): work / (n log n) is {few:.2} of 512 keys and {many:.2} of 2048"
    );
}

#[test]
fn to_listen() {
    grows_as_n_log_n(|keys| async move {
        let (m, _) = manager(|builder| builder);
        let listens = async {
            (0..keys)
                .map(|key| m.listen(&Key::new(key)))
                .collect::<Vec<_>>()
        };
        let (listeners, work) = counted(listens).await;
        drop(listeners);
        work
    });
}

/// What a listener has left is gone with it: no key is kept.
#[test]
fn a_listener_that_has_gone_leaves_nothing() {
    grows_as_n_log_n(|keys| async move {
        let (m, _) = manager(|builder| builder);
        let before = KEYS.get();
        let listeners: Vec<_> = (0..keys).map(|key| m.listen(&Key::new(key))).collect();
        assert!(KEYS.get() > before, "they are kept while somebody listens");
        let ((), work) = counted(async { drop(listeners) }).await;
        assert_eq!(
            KEYS.get(),
            before,
            "a listener that has gone has left its key"
        );
        work + keys
    });
}

#[test]
fn to_listen_to_one_key_and_to_subscribe() {
    grows_as_n_log_n(|keys| async move {
        let (m, _) = manager(|builder| builder);
        let comes_and_goes = async {
            for _ in 0..keys {
                drop((m.listen(&Key::new(0)), m.subscribe()));
            }
            let stay: Vec<_> = (0..keys)
                .map(|_| (m.listen(&Key::new(0)), m.subscribe()))
                .collect();
            drop(stay);
        };
        counted(comes_and_goes).await.1
    });
}

#[test]
fn a_message_and_a_status() {
    grows_as_n_log_n(|keys| async move {
        let (m, hand) = manager(|builder| builder);
        drop(turns(&m, &hand, keys).await);
        let listeners: Vec<_> = (0..keys).map(|key| m.listen(&Key::new(key))).collect();
        let sends = async {
            for key in 0..keys {
                let key = Key::new(key);
                m.send_message(&key, 1).await.expect("it answers");
                m.status(&key).expect("it is there");
            }
        };
        let work = counted(sends).await.1;
        drop(listeners);
        work
    });
}

#[test]
fn a_start_that_is_refused() {
    grows_as_n_log_n(|keys| async move {
        let (m, hand) = manager(|builder| builder.max_sessions(keys, WhenFull::EvictIdle));
        let turns = turns(&m, &hand, keys).await;
        let m = m.with(TurnOptions::no_wait());
        let refused = async {
            for key in 0..keys {
                let refused = m.turn(&Key::new(keys + key)).await;
                assert!(matches!(refused, Err(TurnError::RegistryFull)));
            }
        };
        let work = counted(refused).await.1;
        drop(turns);
        work
    });
}

/// One session is used, and its end makes room for another start, while all others are busy.
#[test]
fn a_start_at_capacity_among_busy_sessions() {
    grows_as_n_log_n(|keys| async move {
        let (m, hand) = manager(|builder| builder.max_sessions(keys, WhenFull::EvictIdle));
        let mut busy = turns(&m, &hand, keys).await;
        drop(busy.pop());
        let m = m.with(TurnOptions::no_wait());
        let starts = async {
            for key in 0..keys {
                hand.advance(Duration::from_millis(1));
                let turn = m.turn(&Key::new(keys + key)).await.expect("one gives way");
                assert!(m.turn(&Key::new(3 * keys)).await.is_err(), "all are busy");
                drop(turn);
            }
        };
        let work = counted(starts).await.1;
        drop(busy);
        work
    });
}

#[test]
fn a_start_at_capacity_among_idle_sessions() {
    grows_as_n_log_n(|keys| async move {
        let (m, hand) = manager(|builder| builder.max_sessions(keys, WhenFull::EvictIdle));
        drop(turns(&m, &hand, keys).await);
        // All are used once more, in another order, so that no place in a list holds.
        for key in (0..keys).rev() {
            hand.advance(Duration::from_millis(1));
            drop(m.turn(&Key::new(key)).await.expect("it is there"));
        }
        let starts = async {
            for key in 0..keys {
                hand.advance(Duration::from_millis(1));
                drop(m.turn(&Key::new(keys + key)).await.expect("one gives way"));
                let used = m.status(&Key::new(keys - 1 - key));
                assert_eq!(used.map(|status| status.phase), None, "the oldest goes");
            }
        };
        counted(starts).await.1
    });
}

/// Sessions come and go, and nothing of those that have gone stays in the list of idle ones.
#[test]
fn sessions_that_come_and_go_leave_nothing() {
    grows_as_n_log_n(|keys| async move {
        let (m, _) = manager(|builder| builder.max_sessions(keys, WhenFull::EvictIdle));
        drop(m.turn(&Key::new(0)).await.expect("room"));
        let before = KEYS.get();
        let comes_and_goes = async {
            for key in 1..keys {
                drop(m.turn(&Key::new(key)).await.expect("room"));
                assert!(m.stop(&Key::new(key)).await.expect("it stops"));
            }
        };
        let work = counted(comes_and_goes).await.1;
        settled().await;
        let kept = KEYS.get() - before;
        assert_eq!(kept, 0, "keys are kept of sessions that have gone");
        work
    });
}

#[test]
fn a_sweep() {
    grows_as_n_log_n(|keys| async move {
        let (m, hand) = manager(|builder| builder);
        drop(turns(&m, &hand, keys).await);
        hand.advance(MINUTE);
        let (report, work) = counted(m.cleanup_idle(MINUTE)).await;
        assert_eq!(report.stopped.len(), keys);
        work
    });
}

#[test]
fn a_shutdown_of_idle_sessions() {
    grows_as_n_log_n(|keys| async move {
        let (m, hand) = manager(|builder| builder);
        drop(turns(&m, &hand, keys).await);
        let (report, work) = counted(m.shutdown(MINUTE)).await;
        assert_eq!(report.stopped.len(), keys);
        work
    });
}

/// Each turn ends at a time of its own.
#[test]
fn a_shutdown_of_busy_sessions() {
    grows_as_n_log_n(|keys| async move {
        let (m, hand) = manager(|builder| builder);
        let turns = turns(&m, &hand, keys).await;
        let ends = async {
            let shutdown = m.shutdown(MINUTE);
            settled().await;
            for turn in turns {
                drop(turn);
                settled().await;
            }
            shutdown.await
        };
        let (report, work) = counted(ends).await;
        assert_eq!(report.stopped.len(), keys);
        work
    });
}

/// The core's, each time polled by another task, with superseded holders among those it waits for.
#[test]
fn a_drain_of_busy_sessions() {
    grows_as_n_log_n(|keys| async move {
        let registry: Registry<Key, usize> = Registry::builder().shards(1).build();
        let mut turns = Vec::new();
        for key in 0..keys {
            let entry = registry.try_enter(&Key::new(key)).expect("it is free");
            turns.push(entry.or_insert(key));
            if key % 2 == 1 {
                drop(registry.remove(&Key::new(key)));
            }
        }
        let drains = async {
            let mut drain = registry.drain();
            let mut given = 0;
            let mut poll = |given: &mut usize| loop {
                let waker = fresh_waker();
                match pin!(drain.next()).poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(Some(closing)) => drop(closing),
                    Poll::Ready(None) => return true,
                    Poll::Pending => return false,
                }
                *given += 1;
            };
            assert!(!poll(&mut given), "all are held");
            for turn in turns {
                drop(turn);
                poll(&mut given);
            }
            assert!(poll(&mut given), "nobody is left");
            assert_eq!(given, keys / 2);
        };
        counted(drains).await.1
    });
}
