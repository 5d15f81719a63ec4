//! What must hold after every step, and at the end, whatever user code did.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use turnwise::{Enter, Phase, Status, Turn};

use super::hands::{Held, KEYS, hold, pick, registry};
use super::script::{Exploded, Hook, Stage, quietly, with};
use super::values::{Handle, Key, Lookup, Session};
use super::{Fault, calls};

type Look = Vec<Option<Status>>;

/// What can be seen from outside, if the registry is there.
pub(super) fn look() -> Option<Look> {
    let registry = registry()?;
    let look = || (0..KEYS).map(|key| registry.status(&Lookup(key))).collect();
    Some(quietly(look))
}

pub(super) fn woken(waker: usize) -> usize {
    with(|stage| stage.alive.woken.get(&waker).copied().unwrap_or(0))
}

/// The key is this place's, which has only to look.
pub(super) fn is_granted(key: u8, enter: &Enter<Key, Session, Handle>) -> bool {
    let status = look().and_then(|look| look[usize::from(key)]);
    status.is_some_and(|status| status.turn.is_some() && status.turn == enter.ticket())
}

pub(super) fn after_step(before: Option<&Look>) -> Result<(), String> {
    let complaints = with(|stage| std::mem::take(&mut stage.complaints));
    if !complaints.is_empty() {
        return Err(complaints.join("; "));
    }
    if let Some(registry) = registry() {
        registry.check_invariants();
        let slots = quietly(|| registry.snapshot());
        let keys: BTreeSet<u8> = slots.iter().map(|seen| seen.key().0).collect();
        if keys.len() < slots.len() {
            return Err(format!("C1: {} slots of {} keys", slots.len(), keys.len()));
        }
    }
    let now = look();
    let (sprung, exploded) = with(|stage| (stage.sprung.clone(), stage.exploded));
    let only_a_key = matches!(sprung[..], [Hook::Hash | Hook::IsKey | Hook::ToKey]);
    if only_a_key && exploded && before.is_some() && before != now.as_ref() {
        return Err(format!(
            "a panic in a key has changed something: {before:?} is now {now:?}"
        ));
    }
    for key in 0..KEYS {
        exclusion(key)?;
    }
    for (key, status) in (0..KEYS).zip(now.into_iter().flatten()) {
        status.map_or(Ok(()), |status| check_key(key, &status))?;
    }
    check_wakers()
}

/// Who is not superseded holds it alone.
fn exclusion(key: u8) -> Result<(), String> {
    let current = |held: &&Held| match held {
        Held::Turn(turn) => Turn::key(turn).0 == key && Turn::is_current(turn),
        Held::Vacancy(vacancy) => vacancy.key().0 == key && vacancy.is_current(),
        _ => false,
    };
    match with(|stage| stage.hands.held.iter().filter(current).count()) {
        0 | 1 => Ok(()),
        holders => Err(format!("C1: {holders} hold {key} at once")),
    }
}

/// It is held by what is in the hands, or by a place of the drain's; who was granted was woken; no more wait than there are.
fn check_key(key: u8, status: &Status) -> Result<(), String> {
    with(|stage| {
        let held = &stage.hands.held;
        let drains = held
            .iter()
            .filter(|held| matches!(held, Held::Drain(..)))
            .count();
        let places = held
            .iter()
            .filter(|held| matches!(held, Held::Place { key: at, .. } if *at == key));
        let places = places.count();
        if status.waiting as usize > places + drains {
            return Err(format!(
                "C5: {} wait for {key}, of {places} places",
                status.waiting
            ));
        }
        let Some(ticket) = status.turn else {
            return Ok(());
        };
        let holder = held.iter().find(|held| held.holds() == Some((key, ticket)));
        match holder {
            None if drains == 0 => Err(format!(
                "C11: {key} is {:?} by ticket {}, which nobody has",
                status.phase,
                ticket.get()
            )),
            Some(Held::Place { wait, .. }) => {
                let woken = stage.alive.woken.get(&wait.waker).copied().unwrap_or(0);
                match wait.asleep == Some(woken) {
                    true => Err(format!("C4: {key} is granted to who sleeps")),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    })
}

/// One clone at most of the waker of each who waits, but of the drain's; none of who does not.
fn check_wakers() -> Result<(), String> {
    with(|stage| {
        for (&waker, &clones) in &stage.alive.wakers {
            let most = stage.hands.held.iter().find_map(|held| match held {
                Held::Place { wait, .. } | Held::Released(_, wait) => {
                    (wait.waker == waker).then_some(1)
                }
                Held::Drain(..) => stage.polled_drains.contains(&waker).then_some(usize::MAX),
                _ => None,
            });
            if clones > most.unwrap_or(0) {
                return Err(format!(
                    "C5: {clones} clones of waker {waker} are kept, not {}",
                    most.unwrap_or(0)
                ));
            }
        }
        Ok(())
    })
}

/// All is dropped, in one of two orders; then every key can be entered, and then nothing is left of anything.
pub(super) fn end(settings: u8) -> Result<(), String> {
    let at = |what: &'static str| move |why: String| format!("at the end, {what}: {why}");
    plant();
    after_step(None).map_err(at("before"))?;
    let oldest_first = settings & 4 != 0;
    drop_all(oldest_first).map_err(at("guards dropped"))?;
    let traps = with(|stage| std::mem::take(&mut stage.traps));
    can_be_entered().map_err(at("keys"))?;
    if settings & 8 != 0 {
        with(|stage| stage.traps = traps);
    }
    with(Stage::begin_step);
    with(|stage| stage.log.note(0, "the registry goes", None));
    let registry = with(|stage| stage.hands.registry.take());
    let _ = catch_unwind(AssertUnwindSafe(|| drop(registry))).map_err(|panic| {
        assert!(panic.is::<Exploded>(), "a panic that is not the user's");
    });
    drop_all(oldest_first).map_err(at("registry gone"))?;
    nothing_is_left().map_err(at("all gone"))
}

/// The faults of the canaries.
fn plant() {
    match with(|stage| stage.fault) {
        Some(Fault::GuardForgotten) => {
            let turn = |held: &Held| matches!(held, Held::Turn(_) | Held::Vacancy(_));
            std::mem::forget(pick(0, turn));
        }
        Some(Fault::SessionForgotten) => std::mem::forget(Session::new(0)),
        Some(Fault::Deadlock) | None => {}
    }
}

fn drop_all(oldest_first: bool) -> Result<(), String> {
    loop {
        let held = with(|stage| stage.hands.held.len());
        let Some(newest) = held.checked_sub(1) else {
            return Ok(());
        };
        with(Stage::begin_step);
        with(|stage| stage.log.note(0, "drops what it has", None));
        let which = if oldest_first { newest } else { 0 };
        let held = pick(u8::try_from(which).unwrap_or(u8::MAX), |_| true);
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(held)));
        if dropped.is_err_and(|panic| !panic.is::<Exploded>()) {
            return Err("a panic that is not the user's, see above".to_owned());
        }
        after_step(None)?;
    }
}

/// No key is stuck: with nothing in anybody's hands, each can be entered at once; and at rest there are exactly the sessions
/// that live.
fn can_be_entered() -> Result<(), String> {
    let Some(registry) = registry() else {
        return Ok(());
    };
    let resting = look().into_iter().flatten().flatten();
    let idle = resting.filter(|status| status.phase == Phase::Idle).count();
    let alive = with(|stage| stage.alive.sessions.len());
    if (registry.len(), alive) != (idle, idle) {
        let slots = registry.len();
        return Err(format!(
            "C12: {slots} slots, {idle} at rest, {alive} sessions alive"
        ));
    }
    for key in 0..KEYS {
        let entered = registry.try_enter(&Lookup(key));
        match entered {
            Ok(entry) => calls::keep(Some(entry)),
            Err(turnwise::TryEnterError::Busy) => return Err(format!("C11: {key} is stuck")),
            Err(_) => {}
        }
        drop(pick(0, |_| true));
    }
    hold(None);
    Ok(())
}

fn nothing_is_left() -> Result<(), String> {
    with(|stage| {
        let alive = &stage.alive;
        let left = (
            alive.sessions.len(),
            alive.keys,
            alive.handles,
            alive.captures,
        );
        let wakers: usize = alive.wakers.values().sum();
        match (left, wakers) {
            ((0, 0, 0, 0), 0) => Ok(()),
            ((sessions, keys, handles, closures), wakers) => Err(format!(
                "C12: never dropped: {sessions} sessions, {keys} keys, {handles} handles, {closures} closures, {wakers} wakers"
            )),
        }
    })
}
