//! Wakers that panic when they wake, or in their drop.

use turnwise::{Phase, Turn};

use super::*;

#[test]
fn a_waker_that_panics_does_not_keep_the_others_asleep() {
    type SendAway = fn(&Registry<u8, u32>);
    let ways: [(SendAway, EnterError); 2] = [
        (|sessions| sessions.close(), EnterError::Closed),
        (
            |sessions| {
                let _ = [0, 1].map(|key| sessions.dismiss(&key));
            },
            EnterError::Dismissed,
        ),
    ];
    for (send_away, error) in ways {
        let sessions = Registry::<u8, u32>::builder().shards(2).build();
        let turns = [0, 1].map(|key| sessions.enter_blocking(&key).expect("free").or_insert(1));
        // In each line one that panics stands before and behind one that does not.
        let wakes: Vec<_> = (0..6)
            .map(|i| {
                if i % 3 == 1 {
                    Arc::default()
                } else {
                    Wakes::bomb()
                }
            })
            .collect();
        let mut enters = Vec::new();
        for (i, wakes) in wakes.iter().enumerate() {
            let mut enter = sessions.enter(if i < 3 { &0 } else { &1 });
            assert!(poll(&mut enter, &Waker::from(Arc::clone(wakes))).is_pending());
            enters.push(enter);
        }
        assert!(
            panics(|| send_away(&sessions)),
            "the panic is not swallowed"
        );
        if error == EnterError::Dismissed {
            assert!(
                panics(|| assert_eq!(sessions.dismiss(&1), 3)),
                "the second line has its own"
            );
        }
        assert_eq!(
            wakes.iter().map(|wakes| wakes.count()).collect::<Vec<_>>(),
            [1; 6]
        );
        for enter in enters {
            assert_eq!(enter.wait().err(), Some(error));
        }
        drop(turns);
        sessions.check_invariants();
    }
}

/// A second panic would end the process: the first one goes on, and who is next has been woken.
#[test]
fn a_waker_that_panics_while_its_thread_unwinds_ends_nothing() {
    let sessions = Registry::<u8, u32>::new();
    let turn = sessions.enter_blocking(&0).expect("free").or_insert(1);
    let wakes = Wakes::bomb();
    let mut next = sessions.enter(&0);
    assert!(poll(&mut next, &Waker::from(Arc::clone(&wakes))).is_pending());
    assert!(panics(move || {
        let _turn = turn;
        explode();
    }));
    assert_eq!(wakes.count(), 1);
    assert!(matches!(next.wait(), Ok(Entry::Vacant(_))));
    sessions.check_invariants();
}

#[test]
fn a_turn_whose_successor_panics_when_woken_has_ended() {
    let sessions = limited();
    let turn = sessions.enter_blocking(&0).expect("free").or_insert(1);
    let mut next = sessions.enter(&0);
    assert!(poll(&mut next, &Waker::from(Wakes::bomb())).is_pending());
    assert!(panics(|| drop(turn)));
    let turn = next
        .wait()
        .expect("granted")
        .occupied()
        .expect("the session is kept");
    assert_eq!(*turn, 1);

    let mut next = sessions.enter(&0);
    assert!(poll(&mut next, &Waker::from(Wakes::bomb())).is_pending());
    let vacancy = Turn::vacate(turn).closed();
    assert!(panics(|| drop(vacancy)));
    assert!(matches!(next.wait(), Ok(Entry::Vacant(_))));
    assert_room(&sessions, ROOM);
}

#[test]
fn a_waker_that_panics_in_its_drop_leaves_no_trace() {
    struct Last(bool);
    impl Wake for Last {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Last {
        fn drop(&mut self) {
            if self.0 {
                explode();
            }
        }
    }
    let sessions = limited();
    let turn = sessions.enter_blocking(&0).expect("free").or_insert(1);

    // The last clone is in the line: dropped when another takes its place, and when the place is given up.
    let mut next = sessions.enter(&0);
    assert!(poll(&mut next, &Waker::from(Arc::new(Last(true)))).is_pending());
    assert!(panics(|| drop(poll(&mut next, Waker::noop()))));
    assert_eq!(Turn::waiting(&turn), 1, "its place is still there");
    assert!(poll(&mut next, &Waker::from(Arc::new(Last(true)))).is_pending());
    assert!(panics(|| drop(next)));
    assert_eq!(Turn::waiting(&turn), 0);

    drop(turn);
    assert_eq!(
        sessions.status(&0).map(|status| status.phase),
        Some(Phase::Idle)
    );
    assert_room(&sessions, ROOM - 1);
}
