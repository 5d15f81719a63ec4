//! Sessions that panic in their drop.

use std::time::Duration;

use turnwise::{Old, Turn};

use super::*;

/// Panics in its drop, if it is armed, and counts.
struct Bomb {
    armed: bool,
    drops: Arc<AtomicUsize>,
}

impl Drop for Bomb {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::Relaxed);
        if self.armed {
            explode();
        }
    }
}

struct Bombs {
    sessions: Registry<u8, Bomb>,
    drops: Arc<AtomicUsize>,
}

impl Bombs {
    fn new() -> Self {
        Self {
            sessions: limited(),
            drops: Arc::default(),
        }
    }

    fn bomb(&self) -> Bomb {
        let drops = Arc::clone(&self.drops);
        Bomb { armed: true, drops }
    }

    fn turn(&self, key: u8) -> Turn<u8, Bomb> {
        let entry = self.sessions.enter_blocking(&key).expect("free");
        entry.or_insert_with(|| self.bomb())
    }

    fn dropped(&self) -> usize {
        self.drops.load(Ordering::Relaxed)
    }
}

#[test]
fn a_session_that_panics_in_its_drop_frees_its_key() {
    type End = fn(&Bombs, Turn<u8, Bomb>);
    let ends: [(&str, End); 7] = [
        ("a closing dropped", |_, turn| drop(Turn::vacate(turn))),
        ("closed", |_, turn| drop(Turn::vacate(turn).closed())),
        ("split", |_, turn| drop(Turn::vacate(turn).split())),
        ("remove", |bombs, turn| {
            drop(turn);
            drop(bombs.sessions.remove(&0));
        }),
        ("replace", |bombs, turn| {
            drop(turn);
            drop(bombs.sessions.replace(&0));
        }),
        ("cleanup", |bombs, turn| {
            drop(turn);
            bombs
                .sessions
                .cleanup_idle(Duration::ZERO, |_, session, _| drop(session));
        }),
        ("drain", |bombs, turn| {
            drop(turn);
            drop(bombs.sessions.drain().next_blocking());
        }),
    ];
    for (name, end) in ends {
        let bombs = Bombs::new();
        let turn = bombs.turn(0);
        assert!(panics(|| end(&bombs, turn)), "{name}");
        assert_eq!(bombs.dropped(), 1, "{name}: dropped once");
        assert_eq!(bombs.sessions.status(&0), None, "{name}: the key is free");
        if name != "drain" {
            assert_room(&bombs.sessions, ROOM);
        }
        bombs.sessions.check_invariants();
    }
}

#[test]
fn a_session_that_panics_in_its_drop_lets_the_next_start() {
    let bombs = Bombs::new();
    let turn = bombs.turn(0);
    let next = bombs.sessions.enter(&0);
    assert!(panics(|| drop(Turn::vacate(turn))));
    assert!(matches!(next.wait(), Ok(Entry::Vacant(_))));
    assert_eq!(bombs.dropped(), 1);
    assert_room(&bombs.sessions, ROOM);
}

#[test]
fn a_superseded_session_that_panics_in_its_drop_has_departed() {
    let bombs = Bombs::new();
    let turn = bombs.turn(0);
    let replaced = bombs.sessions.replace(&0).expect("open");
    let Some(Old::Held(departure)) = replaced.old else {
        panic!("the turn is held")
    };
    assert!(panics(|| drop(turn)));
    departure.wait();
    assert_eq!(bombs.dropped(), 1);
    assert!(
        replaced.vacancy.is_current(),
        "its replacement is untouched"
    );
    assert_room(&bombs.sessions, ROOM - 1);
}

#[test]
fn a_session_that_panics_when_the_registry_goes_takes_no_other_with_it() {
    let bombs = Bombs::new();
    drop(bombs.turn(0));
    for key in 1..4 {
        let drops = Arc::clone(&bombs.drops);
        let entry = bombs.sessions.enter_blocking(&key).expect("free");
        drop(entry.or_insert(Bomb {
            armed: false,
            drops,
        }));
    }
    let held = bombs.sessions.enter_blocking(&4).expect("free");
    let Bombs { sessions, drops } = bombs;
    assert!(panics(|| drop(sessions)));
    assert_eq!(drops.load(Ordering::Relaxed), 4, "each is dropped once");
    drop(held);
}
