//! Why this crate exists: the three usual ways to write a registry of sessions by hand, in a few lines each, and the schedule
//! at which each fails. Each runs two scenarios' bodies that turnwise runs too, and passes.
//!
//! A design has one key. The locks are loom's own, without the order that turnwise's must keep.

use crate::{canaries_runs::fails, kit::*};
use loom::sync::{Arc, Mutex, Notify, RwLock};
use std::{rc::Rc, time::Duration};

/// A registry with one key.
trait Design: 'static {
    fn new(tally: Tally) -> Self;

    /// A turn of the key's session, which is started if there is none. `during` is told its number.
    fn turn(&self, during: impl FnOnce(usize));

    /// The number of the session that the key has.
    fn status(&self) -> Option<usize>;

    /// Ends the session if nobody uses it.
    fn cleanup(&self);
}

/// A turn that goes on until somebody else's status has been answered: who makes the status wait for the turn never ends.
fn status_beside_a_turn<D: Design>(bound: &'static Bound) {
    check(bound, &["answered during the turn"], || {
        let design = Rc::new(D::new(Tally::default()));
        let answered = Rc::new(Notify::new());
        let asker = spawn({
            let (design, answered) = (Rc::clone(&design), Rc::clone(&answered));
            move || {
                let _number = design.status();
                answered.notify();
            }
        });
        design.turn(|_| answered.wait());
        asker.join().expect("asker");
        "answered during the turn"
    });
}

/// A cleanup beside a turn: in its turn a session is the one that its key has, or the next who comes starts a second.
fn cleanup_beside_a_turn<D: Design>(bound: &'static Bound) {
    check(bound, &["cleaned before the turn", "not cleaned"], || {
        let tally = Tally::default();
        let design = Rc::new(D::new(tally.clone()));
        let cleaner = spawn({
            let design = Rc::clone(&design);
            move || design.cleanup()
        });
        design.turn(|number| {
            let found = design.status();
            assert_eq!(found, Some(number), "a session is evicted in its turn");
        });
        cleaner.join().expect("cleaner");
        if tally.made() == 2 {
            "cleaned before the turn"
        } else {
            "not cleaned"
        }
    });
}

/// The first: one lock around the map, held for the turn. openab's pool held it for a whole prompt; status, cleanup and new
/// sessions hung, which was reported seven times (issues 58, 256, 292, 294, 295, 307, 315).
struct MapLock {
    session: RwLock<Option<Session>>,
    tally: Tally,
}

impl Design for MapLock {
    fn new(tally: Tally) -> Self {
        let session = RwLock::new(Some(tally.session()));
        Self { session, tally }
    }

    fn turn(&self, during: impl FnOnce(usize)) {
        let mut map = self.session.write().expect(WHOLE);
        let session = map.get_or_insert_with(|| self.tally.session());
        session.work();
        during(session.number);
    }

    fn status(&self) -> Option<usize> {
        let map = self.session.read().expect(WHOLE);
        map.as_ref().map(|session| session.number)
    }

    fn cleanup(&self) {
        let _ended = self.session.write().expect(WHOLE).take();
    }
}

/// The usual repair: a lock for each session, which is found in the map, and there by its number too.
struct Shared {
    session: RwLock<Option<(usize, Arc<Mutex<Session>>)>>,
    tally: Tally,
}

impl Shared {
    fn new(tally: Tally) -> Self {
        let session = RwLock::new(None);
        let new = Self { session, tally };
        let _first = new.find();
        new
    }

    fn find(&self) -> (usize, Arc<Mutex<Session>>) {
        let mut map = self.session.write().expect(WHOLE);
        let (number, session) = map.get_or_insert_with(|| {
            let session = self.tally.session();
            (session.number, Arc::new(Mutex::new(session)))
        });
        (*number, Arc::clone(session))
    }

    fn turn(&self, during: impl FnOnce(usize)) {
        let (number, session) = self.find();
        let session = session.lock().expect(WHOLE);
        session.work();
        during(number);
    }

    fn status(&self) -> Option<usize> {
        let map = self.session.read().expect(WHOLE);
        map.as_ref().map(|(number, _)| *number)
    }
}

/// The second: cleanup looks with `try_lock`, lets go, and then removes the session if it is still the same. openab after its
/// repair (pull request 257): who takes the lock in between is evicted while busy. Identity is necessary, and not
/// sufficient.
struct SampleThenRemove(Shared);

impl Design for SampleThenRemove {
    fn new(tally: Tally) -> Self {
        Self(Shared::new(tally))
    }

    fn turn(&self, during: impl FnOnce(usize)) {
        self.0.turn(during);
    }

    fn status(&self) -> Option<usize> {
        self.0.status()
    }

    fn cleanup(&self) {
        let seen = self.0.session.read().expect(WHOLE).clone();
        let Some((_, seen)) = seen.filter(|(_, seen)| seen.try_lock().is_ok()) else {
            return;
        };
        let mut map = self.0.session.write().expect(WHOLE);
        let _ended = map.take_if(|(_, held)| Arc::ptr_eq(held, &seen));
    }
}

/// The third: a session whose reference is the only one is used by nobody. The count is of one moment and the removal of
/// another: who clones the reference in between has a session that nobody else finds. (Counted and removed under one lock
/// it would be right, for as long as every clone is made under that lock too.) key-lock 0.1.0 cleans away locks that nobody
/// has locked at the moment, a clone on its way to be locked included: two runs of 8 s had 60 and 313 overlaps.
struct CountThenRemove(Shared);

impl Design for CountThenRemove {
    fn new(tally: Tally) -> Self {
        Self(Shared::new(tally))
    }

    fn turn(&self, during: impl FnOnce(usize)) {
        self.0.turn(during);
    }

    fn status(&self) -> Option<usize> {
        self.0.status()
    }

    fn cleanup(&self) {
        let map = self.0.session.read().expect(WHOLE);
        let unused = map
            .as_ref()
            .is_some_and(|(_, session)| Arc::strong_count(session) == 1);
        drop(map);
        if unused {
            let _ended = self.0.session.write().expect(WHOLE).take();
        }
    }
}

/// loom's locks are poisoned when a model has failed, and then it has ended.
const WHOLE: &str = "nobody panics with it";

/// The same with turnwise.
struct Turnwise {
    registry: Registry,
    tally: Tally,
}

impl Design for Turnwise {
    fn new(tally: Tally) -> Self {
        let registry = registry();
        rest(&registry, &Key(1), &tally);
        Self { registry, tally }
    }

    fn turn(&self, during: impl FnOnce(usize)) {
        let entry = self.registry.enter_blocking(&Key(1)).expect("open");
        let turn = entry.or_insert_with(|| self.tally.session());
        turn.work();
        during(number(Turn::incarnation(&turn)));
    }

    fn status(&self) -> Option<usize> {
        let status = self.registry.status(&Key(1))?;
        Some(number(status.incarnation))
    }

    fn cleanup(&self) {
        let close = |_: &Key, session, _| drop::<Session>(session);
        self.registry.cleanup_idle(Duration::ZERO, close);
    }
}

fn number(incarnation: turnwise::Incarnation) -> usize {
    incarnation.get() as usize
}

/// The status waits for the turn, which waits for the status.
#[test]
fn a_map_lock_across_the_turn() {
    fails(
        "idioms::a_map_lock_across_the_turn",
        &["FAILED idiom", "deadlock; threads ="],
        || status_beside_a_turn::<MapLock>(&bounds::IDIOM_MAP_LOCK),
    );
}

/// Looked at, taken by a turn, removed.
#[test]
fn sampled_then_removed() {
    fails(
        "idioms::sampled_then_removed",
        &["FAILED idiom", "a session is evicted in its turn"],
        || cleanup_beside_a_turn::<SampleThenRemove>(&bounds::IDIOM_SAMPLE),
    );
}

/// Counted, taken by a turn, removed.
#[test]
fn counted_then_removed() {
    fails(
        "idioms::counted_then_removed",
        &["FAILED idiom", "a session is evicted in its turn"],
        || cleanup_beside_a_turn::<CountThenRemove>(&bounds::IDIOM_COUNT),
    );
}

/// turnwise answers while the turn goes on. See also `c08_status`.
#[test]
fn turnwise_status() {
    status_beside_a_turn::<Turnwise>(&bounds::IDIOM_TURNWISE_STATUS);
}

/// turnwise claims before it removes. See also `c07_claim::cleanup_against_turn` and `c06_identity`.
#[test]
fn turnwise_cleanup() {
    cleanup_beside_a_turn::<Turnwise>(&bounds::IDIOM_TURNWISE_CLEANUP);
}
