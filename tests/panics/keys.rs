//! Keys that panic when they are hashed, compared or made.

use std::cell::Cell;
use std::hash::{Hash, Hasher};

use turnwise::TryEnterError;

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Hash,
    Eq,
    Clone,
}

thread_local! {
    static ARMED: Cell<Option<Where>> = const { Cell::new(None) };
}

/// All keys have one hash, so that each search compares.
#[derive(Debug, Eq)]
struct Touchy(u8);

impl Touchy {
    fn may_explode(here: Where) {
        if ARMED.get() == Some(here) {
            explode();
        }
    }
}

impl Hash for Touchy {
    fn hash<S: Hasher>(&self, state: &mut S) {
        Self::may_explode(Where::Hash);
        state.write_u8(0);
    }
}

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        Self::may_explode(Where::Eq);
        self.0 == other.0
    }
}

impl Clone for Touchy {
    fn clone(&self) -> Self {
        Self::may_explode(Where::Clone);
        Self(self.0)
    }
}

type Call = (&'static str, fn(&Registry<Touchy, u32>, &Touchy));

const CALLS: [Call; 12] = [
    ("enter", |sessions, key| drop(sessions.enter(key))),
    ("enter_first", |sessions, key| {
        drop(sessions.enter_first(key));
    }),
    ("enter_existing", |sessions, key| {
        drop(sessions.enter_existing(key));
    }),
    ("enter_blocking", |sessions, key| {
        drop(sessions.enter_blocking(key));
    }),
    ("try_enter", |sessions, key| drop(sessions.try_enter(key))),
    ("dismiss", |sessions, key| {
        let _ = sessions.dismiss(key);
    }),
    ("status", |sessions, key| {
        let _ = sessions.status(key);
    }),
    ("observe", |sessions, key| drop(sessions.observe(key))),
    ("handle", |sessions, key| drop(sessions.handle(key))),
    ("touch", |sessions, key| {
        let _ = sessions.touch(key);
    }),
    ("replace", |sessions, key| drop(sessions.replace(key))),
    ("remove", |sessions, key| drop(sessions.remove(key))),
];

#[test]
fn a_panic_in_a_key_changes_nothing() {
    for here in [Where::Hash, Where::Eq, Where::Clone] {
        for key in [Touchy(0), Touchy(9)] {
            for call in CALLS {
                panic_in_a_key(here, &key, call);
            }
        }
    }
}

/// Key 0 rests, key 1 is busy and waited for, key 9 is absent; there is room for one more.
fn panic_in_a_key(here: Where, key: &Touchy, (name, call): Call) {
    let sessions = Registry::<Touchy, u32>::builder()
        .shards(1)
        .max_sessions(3)
        .build();
    drop(
        sessions
            .enter_blocking(&Touchy(0))
            .expect("free")
            .or_insert(0),
    );
    let turn = sessions
        .enter_blocking(&Touchy(1))
        .expect("free")
        .or_insert(1);
    let waits = sessions.enter(&Touchy(1));
    let look = || [0, 1, 9].map(|key| sessions.status(&Touchy(key)));
    let before = look();

    ARMED.set(Some(here));
    let panicked = panics(|| call(&sessions, key));
    ARMED.set(None);

    let makes_a_key = match name {
        "enter" | "enter_first" | "enter_blocking" | "try_enter" => key.0 == 9,
        "replace" => true,
        "remove" => key.0 == 0,
        _ => false,
    };
    let expected = here != Where::Clone || makes_a_key;
    assert_eq!(panicked, expected, "{here:?} in {name} of {key:?}");
    sessions.check_invariants();
    if panicked {
        assert_eq!(look(), before, "{here:?} in {name} of {key:?}");
        let room = sessions.try_enter(&Touchy(5)).expect("room for one");
        assert_eq!(
            sessions.try_enter(&Touchy(6)).err(),
            Some(TryEnterError::RegistryFull)
        );
        drop(room);
    }
    drop(turn);
    assert_eq!(*waits.wait().expect("the line goes on").or_insert(0), 1);
    drop(
        sessions
            .enter_blocking(key)
            .expect("the key is free")
            .or_insert(2),
    );
    sessions.check_invariants();
}
