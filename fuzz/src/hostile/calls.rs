//! What the caller does, and user code that is called back.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use turnwise::{Closing, Enter, Entry, Observed, Old, Replaced, Turn, Vacancy};

use super::Fault;
use super::hands::{Held, KEYS, Sessions, hold, pick, registry};
use super::polls;
use super::script::{Exploded, Hook, at, with};
use super::values::{Capture, Handle, Key, Lookup, Session};

pub(super) struct Call {
    pub(super) name: &'static str,
    make: fn(u8),
}

const fn call(name: &'static str, make: fn(u8)) -> Call {
    Call { name, make }
}

/// The bytes index it.
pub(super) const CALLS: &[Call] = &[
    call("enter", |x| on(x, |r, key| place(key, r.enter(key)))),
    call("try_enter", |x| on(x, |r, key| keep(r.try_enter(key).ok()))),
    call("enter_first", |x| {
        on(x, |r, key| {
            place(key, r.enter_first(key));
        });
    }),
    call("enter_existing", |x| on(x, enter_existing)),
    call("status", |x| on(x, |r, key| _ = r.status(key))),
    call("observe", |x| {
        on(x, |r, key| {
            hold(r.observe(key).map(Held::Seen));
        });
    }),
    call("handle", |x| {
        on(x, |r, key| {
            hold(r.handle(key).map(Held::Handle));
        });
    }),
    call("snapshot", |x| on(x, |r, _| drop(r.snapshot()))),
    call("touch", |x| on(x, |r, key| _ = r.touch(key))),
    call("dismiss", |x| on(x, |r, key| _ = r.dismiss(key))),
    call("replace", |x| {
        on(x, |r, key| {
            replace(key.0, || r.replace(key).ok());
        });
    }),
    call("remove", |x| {
        on(x, |r, key| {
            remove(key.0, || r.remove(key));
        });
    }),
    call("claim_idle", |x| on(x, |r, _| claim_idle(r))),
    call("cleanup_idle", |x| on(x, |r, _| cleanup_idle(r))),
    call("close", |x| on(x, |r, _| close(r, x))),
    call("drain", |x| on(x, |r, _| drain(r, x))),
    call("claim what was seen", |x| seen(x, claim)),
    call("replace what was seen", |x| {
        seen(x, |seen| replace(seen.key().0, || seen.replace().ok()));
    }),
    call("remove what was seen", |x| {
        seen(x, |seen| {
            remove(seen.key().0, || seen.remove().ok().flatten());
        });
    }),
    call("poll", |x| polls::poll(x, false)),
    call("poll with another waker", |x| polls::poll(x, true)),
    call("wait", polls::wait),
    call("drop", |x| drop(pick(x, |_| true))),
    call("unwind", unwind),
    call("fill", fill),
    call("or_insert", or_insert),
    call("or_insert_with", or_insert_with),
    call("or_start", or_start),
    call("set_handle", set_handle),
    call("release", release),
    call("vacate", vacate),
    call("closed", closed),
    call("split", split),
];

/// The byte of a call by name: how an input is written by hand.
#[allow(dead_code)] // The replay's canaries are.
pub(crate) fn byte(name: &str) -> u8 {
    let index = CALLS.iter().position(|call| call.name == name);
    let index = index.expect("there is such a call") + super::TRAPS;
    u8::try_from(index).expect("they are few")
}

/// By the caller, whose column is 0, or by a hook.
pub(super) fn make(column: usize, call: usize, operand: u8) {
    let call = &CALLS[call];
    with(|stage| stage.log.note(column, call.name, Some(operand)));
    if column > 0 && with(|stage| stage.fault) == Some(Fault::Deadlock) {
        loop {
            std::thread::park(); // as who takes a lock that its own thread holds
        }
    }
    (call.make)(operand);
}

/// On a key of the registry, if that is not gone. One key has most of the traffic.
fn on(operand: u8, act: impl FnOnce(&Sessions, &Lookup)) {
    if let Some(registry) = registry() {
        let key = [0, 0, 1, 0, 1, 2][usize::from(operand) % 6];
        act(&registry, &Lookup(key % KEYS));
    }
}

fn place(key: &Lookup, enter: Enter<Key, Session, Handle>) {
    let (key, wait) = (key.0, with(|stage| stage.hands.new_wait()));
    hold(Some(Held::Place { key, enter, wait }));
}

fn enter_existing(registry: &Sessions, key: &Lookup) {
    if let Some(enter) = registry.enter_existing(key) {
        place(key, enter);
    }
}

/// Into the hands. A vacancy of a current slot: no session of its key may live.
pub(super) fn keep(entry: Option<Entry<Key, Session, Handle>>) {
    match entry {
        None => {}
        Some(Entry::Occupied(turn)) => hold(Some(Held::Turn(turn))),
        Some(Entry::Vacant(vacancy)) => {
            let (key, current) = (vacancy.key().0, vacancy.is_current());
            with(|stage| {
                let mut lives = stage.alive.sessions.values();
                let known = stage.disowning == 0;
                if known && current && lives.any(|life| life.inside && life.key == key) {
                    let two = format!("C2: a start of {key} begins while its session lives");
                    stage.complaints.push(two);
                }
            });
            hold(Some(Held::Vacancy(vacancy)));
        }
    }
}

/// A turn whose session may be new: the registry answers for it if the turn is current.
pub(super) fn keep_turn(turn: Turn<Key, Session, Handle>) {
    turn.is_inside(Turn::is_current(&turn));
    hold(Some(Held::Turn(turn)));
}

/// While it is there, a key is being replaced or removed: the registry does not answer any more for what the key has. The
/// caller gets it, or who holds it is superseded; at which moment is not known.
struct Disowns(u8);

impl Disowns {
    fn new(key: u8) -> Self {
        with(|stage| stage.disowning += 1);
        Self(key)
    }
}

impl Drop for Disowns {
    fn drop(&mut self) {
        with(|stage| {
            stage.disowning -= 1;
            let lives = stage.alive.sessions.values_mut();
            lives
                .filter(|life| life.key == self.0)
                .for_each(|life| life.inside = false);
        });
    }
}

fn replace(key: u8, replace: impl FnOnce() -> Option<Replaced<Key, Session, Handle>>) {
    let disowns = Disowns::new(key);
    let replaced = replace();
    drop(disowns);
    if let Some(Replaced { old, vacancy, .. }) = replaced {
        hold(Some(Held::Vacancy(vacancy)));
        keep_old(old);
    }
}

fn remove(key: u8, remove: impl FnOnce() -> Option<Old<Key, Session, Handle>>) {
    let disowns = Disowns::new(key);
    let old = remove();
    drop(disowns);
    keep_old(old);
}

fn keep_old(old: Option<Old<Key, Session, Handle>>) {
    hold(match old {
        None => None,
        Some(Old::Idle(session)) => Some(Held::Session(session)),
        Some(Old::Held(departure)) => {
            let wait = with(|stage| stage.hands.new_wait());
            Some(Held::Released(departure, wait))
        }
    });
}

fn claim_idle(registry: &Sessions) {
    hold(registry.claim_idle(Duration::ZERO).next().map(Held::Turn));
}

fn cleanup_idle(registry: &Sessions) {
    registry.cleanup_idle(Duration::ZERO, |_, session, _| {
        at(Hook::Closer);
        drop(session);
    });
}

/// Little happens after it: seldom.
fn close(registry: &Sessions, operand: u8) {
    if operand >= 224 {
        registry.close();
    }
}

fn drain(registry: &Sessions, operand: u8) {
    if operand >= 192 {
        let wait = with(|stage| stage.hands.new_wait());
        hold(Some(Held::Drain(registry.drain(), wait)));
    }
}

fn seen(operand: u8, act: impl FnOnce(&Observed<Key, Session, Handle>)) {
    if let Some(Held::Seen(seen)) = pick(operand, |held| matches!(held, Held::Seen(_))) {
        act(&seen);
    }
}

fn claim(seen: &Observed<Key, Session, Handle>) {
    hold(seen.claim().ok().map(Held::Turn));
}

/// What is held is dropped while a panic passes by.
fn unwind(operand: u8) {
    let held = pick(operand, |_| true);
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _held = held;
        resume_unwind(Box::new(Exploded));
    }));
    drop(unwound);
}

fn vacancy(operand: u8) -> Option<Vacancy<Key, Session, Handle>> {
    match pick(operand, |held| matches!(held, Held::Vacancy(_))) {
        Some(Held::Vacancy(vacancy)) => Some(vacancy),
        _ => None,
    }
}

fn turn(operand: u8) -> Option<Turn<Key, Session, Handle>> {
    match pick(operand, |held| matches!(held, Held::Turn(_))) {
        Some(Held::Turn(turn)) => Some(turn),
        _ => None,
    }
}

fn closing(operand: u8) -> Option<Closing<Key, Session, Handle>> {
    match pick(operand, |held| matches!(held, Held::Closing(_))) {
        Some(Held::Closing(closing)) => Some(closing),
        _ => None,
    }
}

/// A vacancy, mostly; else a turn, whose start is not needed.
fn entry(operand: u8) -> Option<Entry<Key, Session, Handle>> {
    let occupied = operand % 4 == 3;
    let vacant = (!occupied).then(|| vacancy(operand)).flatten();
    let turn = occupied.then(|| turn(operand)).flatten();
    vacant.map(Entry::Vacant).or(turn.map(Entry::Occupied))
}

fn fill(operand: u8) {
    if let Some(vacancy) = vacancy(operand) {
        let session = Session::new(vacancy.key().0);
        keep_turn(vacancy.fill(session));
    }
}

fn or_insert(operand: u8) {
    if let Some(entry) = entry(operand) {
        let session = Session::new(entry.key().0);
        keep_turn(entry.or_insert(session));
    }
}

fn or_insert_with(operand: u8) {
    if let Some(entry) = entry(operand) {
        let (key, capture) = (entry.key().0, Capture::new());
        keep_turn(entry.or_insert_with(move || {
            at(Hook::Start);
            drop(capture); // not after the session is made: that would be lost with a panic, in the user's own code
            Session::new(key)
        }));
    }
}

/// Pauses up to three times; then it fails, or not.
fn or_start(operand: u8) {
    let Some(entry) = entry(operand) else {
        return;
    };
    let (key, capture) = (entry.key().0, Capture::new());
    let ticket = match &entry {
        Entry::Occupied(turn) => Turn::ticket(turn),
        Entry::Vacant(vacancy) => vacancy.ticket(),
    };
    let start = async move |_: &Vacancy<Key, Session, Handle>| {
        for _ in 0..operand >> 6 {
            at(Hook::Start);
            polls::pause().await;
        }
        at(Hook::Start);
        drop(capture);
        let fails = operand & 32 != 0;
        (!fails).then(|| Session::new(key)).ok_or(())
    };
    let start = Box::pin(entry.or_start(start));
    hold(Some(Held::Start { key, ticket, start }));
}

fn set_handle(operand: u8) {
    if let Some(vacancy) = vacancy(operand) {
        let handle = Arc::new(Handle::new());
        vacancy.set_handle(handle);
        hold(Some(Held::Vacancy(vacancy)));
    } else if let Some(turn) = turn(operand) {
        let handle = Arc::new(Handle::new());
        Turn::set_handle(&turn, handle);
        hold(Some(Held::Turn(turn)));
    }
}

fn release(operand: u8) {
    if let Some(turn) = turn(operand) {
        let session = Turn::release(turn);
        hold(session.map(Held::Session));
    }
}

fn vacate(operand: u8) {
    hold(turn(operand).map(|turn| Held::Closing(Turn::vacate(turn))));
}

fn closed(operand: u8) {
    keep(closing(operand).map(|closing| Entry::Vacant(closing.closed())));
}

fn split(operand: u8) {
    if let Some(mut closing) = closing(operand) {
        closing.session_mut().is_inside(false);
        let (vacancy, session) = closing.split();
        hold(Some(Held::Vacancy(vacancy)));
        hold(Some(Held::Session(session)));
    }
}
