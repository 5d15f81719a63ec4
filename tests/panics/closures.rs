//! Starts and closers that panic, and panics under a turn.

use std::thread;
use std::time::Duration;

use turnwise::{Phase, Vacancy};

use super::*;

type Start = fn(Entry<u8, u32>);

#[test]
fn a_start_that_fails_or_panics_goes_to_the_next_in_line() {
    let starts: [(&str, bool, Start); 5] = [
        ("or_insert_with", true, |entry| {
            drop(entry.or_insert_with(|| explode()));
        }),
        ("or_try_insert_with", true, |entry| {
            drop(entry.or_try_insert_with(|_| -> Result<u32, ()> { explode() }));
        }),
        ("or_try_insert_with, an error", false, |entry| {
            assert!(entry.or_try_insert_with(|_| Err(())).is_err());
        }),
        ("or_start", true, |entry| {
            let start =
                entry.or_start(async |_: &Vacancy<u8, u32>| -> Result<u32, ()> { explode() });
            let mut start = Box::pin(start);
            let _ = start.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }),
        ("or_start, dropped half-way", false, |entry| {
            let start = entry.or_start(async |_: &Vacancy<u8, u32>| -> Result<u32, ()> {
                std::future::pending().await
            });
            let mut start = Box::pin(start);
            assert!(
                start
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
        }),
    ];
    for (name, expected, start) in starts {
        let sessions = limited();
        let entry = sessions.enter_blocking(&0).expect("free");
        let mut next = sessions.enter(&0);
        let woken = Arc::new(Wakes::default());
        assert!(poll(&mut next, &Waker::from(Arc::clone(&woken))).is_pending());
        let before = sessions.status(&0).expect("starting").incarnation;

        assert_eq!(panics(|| start(entry)), expected, "{name}");
        assert_eq!(woken.count(), 1, "{name}: the next is woken");
        let Ok(Entry::Vacant(vacancy)) = next.wait() else {
            panic!("{name}: the next may start")
        };
        assert!(
            vacancy.incarnation() > before,
            "{name}: a failed start burns a number"
        );
        drop(vacancy);
        assert_eq!(sessions.status(&0), None, "{name}: the key is free");
        assert_room(&sessions, ROOM);
    }
}

#[test]
fn a_turn_that_unwinds_ends_its_incarnation() {
    let sessions = limited();
    let turn = sessions.enter_blocking(&0).expect("free").or_insert(1);
    let next = sessions.enter(&0);
    assert!(panics(move || {
        let _turn = turn;
        explode();
    }));
    let Ok(Entry::Vacant(vacancy)) = next.wait() else {
        panic!("the session is gone")
    };
    drop(vacancy.fill(2));
    assert_eq!(
        sessions.status(&0).map(|status| status.phase),
        Some(Phase::Idle)
    );
    assert_room(&sessions, ROOM - 1);
}

#[test]
fn a_turn_that_begins_while_a_panic_passes_by_ends_in_order() {
    struct Farewell(Registry<u8, u32>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            assert!(thread::panicking());
            *self.0.enter_blocking(&0).expect("at rest").or_insert(0) += 1;
        }
    }
    let sessions = limited();
    drop(sessions.enter_blocking(&0).expect("free").or_insert(1));
    let farewell = Farewell(sessions.clone());
    assert!(panics(move || {
        let _farewell = farewell;
        explode();
    }));
    let turn = sessions.try_enter(&0).ok().and_then(Entry::occupied);
    assert_eq!(*turn.expect("the session is kept"), 2);
    assert_room(&sessions, ROOM - 1);
}

#[test]
fn a_closer_that_panics_ends_the_sweep_and_frees_its_key() {
    let sessions = limited();
    for key in 0..3 {
        drop(
            sessions
                .enter_blocking(&key)
                .expect("free")
                .or_insert(u32::from(key)),
        );
    }
    let mut calls = 0;
    assert!(panics(|| {
        sessions.cleanup_idle(Duration::ZERO, |_, _, _| {
            calls += 1;
            explode();
        });
    }));
    assert_eq!((calls, sessions.len()), (1, 2));
    assert_room(&sessions, ROOM - 2);
    assert_eq!(
        sessions.cleanup_idle(Duration::ZERO, |_, _, _| {}).closed,
        2
    );
    assert_room(&sessions, ROOM);
}
