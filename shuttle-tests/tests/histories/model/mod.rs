//! The sequential model as the checker asks for it: may this step come next, and what is the state then?
//!
//! The oracle counts numbers and changes over all keys. Here each key has its own counts, put into the oracle before a step
//! and taken out after it: so the order of steps on different keys leaves no trace in the state, and the checker's memory of
//! states that it has been in is of use.
//!
//! For the numbers it is also what holds: two closes of two keys may end in one order, and draw their numbers in the other,
//! so only the numbers of *one* key are in the order of its history. A number of the model stands for one of the registry.

mod compound;

use crate::oracle::{self, FIRST, Guard, Oracle, Slot};
use crate::steps::{Close, Given, Id, Key, Left, Phase, Refusal, Seen, Step};
use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use todc_utils::Specification;

/// One step of a history, and where in its call it stands.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    /// Steps of one chain come in their order.
    pub(crate) chain: usize,
    pub(crate) place: usize,
    pub(crate) last: bool,
    /// The ticket of this key that was drawn before, if this draws one: tickets increase.
    pub(crate) after: Option<Id>,
    pub(crate) step: Arc<Step>,
    /// Its number among the looks, if it is one.
    pub(crate) look: Option<usize>,
    /// The looks that were called before it: they are the first of `looks`.
    pub(crate) earlier: usize,
    /// All that only look, in the order of their calls.
    pub(crate) looks: Arc<Vec<Arc<Step>>>,
}

/// The specification.
pub(crate) struct Model;

impl Specification for Model {
    type State = State;
    type Operation = Arc<Point>;

    fn init() -> State {
        State::default()
    }

    fn apply(point: &Arc<Point>, state: &State) -> (bool, State) {
        if state.begun.get(&point.chain).copied().unwrap_or(0) != point.place {
            return (false, State::default());
        }
        let draws = point.step.draws();
        if draws.is_some_and(|(key, _)| state.drawn[usize::from(key)] != point.after) {
            return (false, State::default());
        }
        if state.misses_a_look(point) {
            return (false, State::default());
        }
        let mut next = state.clone();
        if let Some(look) = point.look {
            next.looked |= 1 << look;
        }
        if let Some((key, id)) = draws {
            next.drawn[usize::from(key)] = Some(id);
        }
        if point.last {
            next.begun.remove(&point.chain);
        } else {
            next.begun.insert(point.chain, point.place + 1);
        }
        (next.step(&point.step), next)
    }
}

/// Keys are 0, 1, 2.
pub(crate) const MOST_KEYS: usize = 3;

/// Looks beyond these are tried at all their places.
pub(crate) const MOST_LOOKS: usize = 128;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    oracle: Oracle,
    /// How many numbers were drawn, and changes made, of each key.
    counts: [(u64, u64); MOST_KEYS],
    /// Which number of the registry a number of the model stands for.
    numbers: BTreeMap<(Key, u64), u64>,
    /// The last ticket of each key that was drawn, as far as tickets are seen.
    drawn: [Option<Id>; MOST_KEYS],
    seen: BTreeMap<Seen, (Key, Slot)>,
    /// Whose departure is meant.
    departures: BTreeMap<Id, Id>,
    /// The handles of holders that were superseded: the oracle forgets them with the slot.
    parted: BTreeMap<Id, Option<u32>>,
    /// `close` was called; it takes effect key by key.
    flag: bool,
    closed: BTreeSet<Key>,
    /// Vacancies whose grant a close took back, and which.
    revoked: BTreeMap<Key, (Id, Close)>,
    /// Which looks have been.
    looked: u128,
    /// Chains that are under way.
    begun: BTreeMap<usize, usize>,
}

impl State {
    /// A step that was called before this one, may come now, and changes nothing, comes now: if the history has an order at
    /// all, it has one in which it does. So its other places need not be tried, of which there are too many.
    fn misses_a_look(&self, point: &Point) -> bool {
        let earlier = point.looks[..point.earlier].iter().enumerate();
        let mut due = earlier.filter(|(look, _)| self.looked & 1 << look == 0);
        due.any(|(_, step)| {
            let mut next = self.clone();
            next.step(step) && next == *self
        })
    }

    /// Makes the step, and says whether the answer is right.
    fn step(&mut self, step: &Step) -> bool {
        match *step {
            Step::Begin {
                max_sessions,
                max_waiting,
            } => {
                self.oracle.max_sessions = max_sessions;
                self.oracle.max_waiting = max_waiting;
                true
            }
            Step::Advance(millis) => {
                self.oracle.elapsed += Duration::from_millis(millis);
                true
            }
            Step::Enter {
                key,
                id,
                lane,
                refused,
            } => self.at(key, |oracle| {
                oracle.enter(key, id, lane);
                refused.is_none_or(|refused| refused == oracle.refused.contains_key(&id))
            }),
            Step::EnterExisting { key, place } => {
                let here = self.oracle.slots.contains_key(&key);
                let Some((id, refused)) = place.filter(|_| here) else {
                    return here == place.is_some();
                };
                self.step(&Step::Enter {
                    key,
                    id,
                    lane: oracle::LINE,
                    refused: Some(refused),
                })
            }
            Step::TryEnter { key, id, ref got } => {
                let told = self.at(key, |oracle| oracle.try_enter(key, id));
                self.told(told, Some(got))
            }
            Step::Look { key, id, ref got } => {
                let told = self.at(key, |oracle| oracle.poll(id));
                self.told(told, got.as_ref())
            }
            Step::Ahead { key, id, ahead } => {
                let slot = self.oracle.slots.get(&key);
                slot.and_then(|slot| slot.ahead(id)).unwrap_or(0) == ahead
            }
            Step::Leave { key, id } => self.leave(key, id),
            Step::End { key, id } => self.end(key, id),
            Step::Dismiss { key, count } => {
                self.at(key, |oracle| oracle.dismiss(key, Refusal::Dismissed)) == count
            }
            Step::Departed { id } => {
                let holder = self.departures.remove(&id);
                holder.is_some_and(|holder| !self.oracle.guards.contains_key(&holder))
            }
            Step::Flag => {
                self.flag = true;
                true
            }
            Step::Refuse { key } => {
                self.closed.insert(key);
                self.flag
            }
            Step::Sweep { key, close } => self.sweep(key, close),
            Step::LetGo { key, close } => self.let_go(key, close),
            Step::IsClosed(closed) => self.flag == closed,
            _ => self.guarded(step),
        }
    }

    /// Steps of somebody who holds a guard.
    fn guarded(&mut self, step: &Step) -> bool {
        match *step {
            Step::Fill {
                key,
                id,
                session,
                number,
            } => {
                if !self.oracle.guards.contains_key(&id) {
                    return false;
                }
                self.at(key, |oracle| oracle.fill(id, session));
                self.numbered(key, self.oracle.guards[&id].number, number)
            }
            Step::Vacate { key, id } => {
                self.at(key, |oracle| oracle.vacate(id));
                self.oracle.guards.contains_key(&id)
            }
            Step::Closed {
                key,
                id,
                number,
                session,
            } => {
                if let Some(handle) = self.parted.get_mut(&id) {
                    *handle = None;
                }
                let had = self.at(key, |oracle| oracle.closed(id));
                let right = session.is_none() || session == had;
                let model = self.oracle.guards.get(&id).map(|guard| guard.number);
                right && model.is_some_and(|model| self.numbered(key, model, number))
            }
            Step::Release { key, id, back } => {
                self.parted.remove(&id);
                let held = self.oracle.guards.contains_key(&id);
                let session = self.at(key, |oracle| oracle.release(id));
                held && back.is_none_or(|back| back == session)
            }
            Step::SetHandle { key, id, handle } => {
                let slot = self.oracle.slots.get_mut(&key);
                if let Some(slot) = slot.filter(|slot| slot.holder == Some(id)) {
                    slot.handle = Some(handle);
                } else if let Some(parted) = self.parted.get_mut(&id) {
                    *parted = Some(handle);
                }
                true
            }
            Step::IsCurrent { id, current } => self.oracle.is_current(id) == current,
            Step::Waiting { key, id, waiting } => {
                let slot = self.oracle.slots.get(&key);
                // Of a superseded turn it counts who waits for its departure, which the model does not.
                slot.filter(|slot| slot.holder == Some(id))
                    .is_none_or(|slot| slot.waiting() == waiting)
            }
            Step::Replace {
                key,
                id,
                seen,
                ref got,
            } => match self.replace(key, id, seen, true) {
                Err(refusal) => *got == Err(refusal),
                Ok((left, model)) => got.as_ref().is_ok_and(|(told, number)| {
                    *told == left && self.numbered(key, model, *number)
                }),
            },
            Step::Remove {
                key,
                id,
                seen,
                ref got,
            } => {
                if seen.is_none() && !self.oracle.slots.contains_key(&key) {
                    return *got == Ok(Left::Nothing);
                }
                let left = self.replace(key, id, seen, false);
                *got == left.map(|(left, _)| left)
            }
            _ => self.watching(step),
        }
    }

    /// Steps of somebody outside, who looks, and claims what rests.
    fn watching(&mut self, step: &Step) -> bool {
        match *step {
            Step::Status { key, seen, ref got } => self.status(key, seen, got.as_ref()),
            Step::Claim {
                key,
                id,
                seen,
                ref got,
            } => {
                let Some((_, slot)) = self.seen.get(&seen).cloned() else {
                    return false;
                };
                let told = self.at(key, |oracle| oracle.claim(key, &slot, id));
                self.told(Poll::Ready(told), Some(got))
            }
            Step::SeenHandle { seen, handle } => self.seen_handle(seen) == handle,
            Step::ClaimIdle {
                key,
                id,
                idle_for,
                ref got,
            } => {
                if !self.claimable(key, idle_for) {
                    return false;
                }
                let guard = self.at(key, |oracle| oracle.take(key, id));
                self.given(&guard, got)
            }
            Step::PassOver { key, idle_for } => !self.claimable(key, idle_for),
            Step::Touch { key, touched } => self.at(key, |oracle| oracle.touch(key)) == touched,
            Step::Handle { key, handle } => {
                let slot = self.oracle.slots.get(&key);
                slot.and_then(|slot| slot.handle) == handle
            }
            Step::Here { key, here } => self.oracle.slots.contains_key(&key) == here,
            Step::Len(len) => self.oracle.slots.len() == len,
            _ => unreachable!("each step stands in one of the three tables"),
        }
    }
}

/// Comparisons.
impl State {
    /// Asks the oracle about one key, with that key's counts.
    fn at<R>(&mut self, key: Key, ask: impl FnOnce(&mut Oracle) -> R) -> R {
        let counts = &mut self.counts[usize::from(key)];
        (self.oracle.next_number, self.oracle.changes) = *counts;
        self.oracle.closed = self.closed.contains(&key);
        let answer = ask(&mut self.oracle);
        self.oracle.closed = false;
        *counts = (
            mem::take(&mut self.oracle.next_number),
            mem::take(&mut self.oracle.changes),
        );
        answer
    }

    fn told(
        &mut self,
        model: Poll<Result<Guard, Refusal>>,
        got: Option<&Result<Given, Refusal>>,
    ) -> bool {
        match (model, got) {
            (Poll::Pending, None) => true,
            (Poll::Ready(Ok(guard)), Some(Ok(got))) => self.given(&guard, got),
            (Poll::Ready(Err(why)), Some(Err(got))) => {
                // Dismissed, and then the registry was closed before it looked: it is told the latter.
                let closed = why == Refusal::Dismissed && self.flag;
                *got == if closed { Refusal::Closed } else { why }
            }
            _ => false,
        }
    }

    fn given(&mut self, model: &Guard, got: &Given) -> bool {
        model.session == got.session && self.numbered(model.key, model.number, got.number)
    }

    /// Each number of the model stands for one of the registry, and those of a key are in the same order.
    fn numbered(&mut self, key: Key, model: u64, real: u64) -> bool {
        if let Some(&known) = self.numbers.get(&(key, model)) {
            return known == real;
        }
        let below = self.numbers.range((key, 0)..(key, model)).next_back();
        let above = self.numbers.range((key, model)..=(key, u64::MAX)).next();
        let ordered = below.is_none_or(|(_, &below)| below < real)
            && above.is_none_or(|(_, &above)| real < above);
        let new = self.numbers.values().all(|&known| known != real);
        self.numbers.insert((key, model), real);
        ordered && new
    }
}

/// The two lanes, as the oracle numbers them.
pub(crate) fn lane(first: bool) -> oracle::Priority {
    if first { FIRST } else { oracle::LINE }
}

/// The phases, as the oracle names them.
pub(crate) fn phase(real: turnwise::Phase) -> Phase {
    match real {
        turnwise::Phase::Starting => Phase::Starting,
        turnwise::Phase::Busy => Phase::Busy,
        turnwise::Phase::Idle => Phase::Idle,
        turnwise::Phase::Closing => Phase::Closing,
        other => panic!("a phase that the model does not know: {other:?}"),
    }
}
