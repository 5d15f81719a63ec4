//! Ways to find what is idle: the scan that the registry has, and three structures that it does not have.
//!
//! The structures are prototypes beside the registry, by its public calls alone: of each what it must do at a turn's end and
//! in a sweep, and no more. None is safe against a key that comes anew or a session that ends by itself; what that would cost
//! is not in their numbers.

use crate::{V, work};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use turnwise::{Clock, ClockHand, Entry, Phase, Registry, Tick, Turn};

/// A registry that has what a way needs in each session, and the clock.
pub(crate) struct Base<T> {
    registry: Registry<u64, (V, T)>,
    pub(crate) hand: ClockHand,
}

impl<T> Base<T> {
    fn new() -> Self {
        let (clock, hand) = Clock::manual();
        let registry = Registry::builder().clock(clock).build();
        Self { registry, hand }
    }

    /// Milliseconds since the clock began.
    fn now(&self) -> u64 {
        millis(self.registry.now())
    }

    /// A turn, and what is to be done before it ends; `true`: the session is new.
    fn turn(&self, key: u64, new: impl FnOnce() -> T, end: impl FnOnce(&mut T, bool)) {
        let (mut turn, is_new) = match self.registry.enter_blocking(&key).expect("it is open") {
            Entry::Occupied(turn) => (turn, false),
            Entry::Vacant(vacancy) => (vacancy.fill(([0; 8], new())), true),
        };
        work(&mut turn.0);
        end(&mut turn.1, is_new);
    }

    /// Ends the session of a key, if nobody has it.
    fn close(&self, key: u64) -> bool {
        let turn = self.registry.try_enter(&key).ok().and_then(Entry::occupied);
        turn.map(Turn::vacate).is_some()
    }
}

fn millis(tick: Tick) -> u64 {
    tick.since(Tick::default()).as_millis() as u64
}

/// A way to find what is idle.
pub(crate) trait Way: Sync + Sized {
    const NAME: &str;
    fn new() -> Self;
    fn hand(&self) -> &ClockHand;
    fn turn(&self, key: u64);
    /// Ends what was idle for so long; how many those were.
    fn sweep(&self, idle_for: Duration) -> usize;
}

/// One for each part of the keys, as the shards are.
struct Parts<T>(Vec<Part<T>>);

#[derive(Default)]
#[repr(align(128))]
struct Part<T>(Mutex<T>);

impl<T: Default> Parts<T> {
    fn new() -> Self {
        Self((0..64).map(|_| Part::default()).collect())
    }

    fn of(&self, key: u64) -> &Mutex<T> {
        let hash = key.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &self.0[(hash >> 58) as usize].0
    }

    fn all(&self) -> impl Iterator<Item = &Mutex<T>> {
        self.0.iter().map(|part| &part.0)
    }
}

/// What there is: every slot is looked at.
pub(crate) struct Scan(Base<()>);

impl Way for Scan {
    const NAME: &str = "scan, as it is";

    fn new() -> Self {
        Self(Base::new())
    }

    fn hand(&self) -> &ClockHand {
        &self.0.hand
    }

    fn turn(&self, key: u64) {
        self.0.turn(key, || (), |(), _| ());
    }

    fn sweep(&self, idle_for: Duration) -> usize {
        self.0.registry.cleanup_idle(idle_for, |_, _, _| {}).closed
    }
}

/// Each turn's end moves its session in an ordered set. The session knows where it is.
pub(crate) struct Ordered {
    base: Base<u64>,
    parts: Parts<BTreeSet<(u64, u64)>>,
}

impl Way for Ordered {
    const NAME: &str = "ordered set";

    fn new() -> Self {
        Self {
            base: Base::new(),
            parts: Parts::new(),
        }
    }

    fn hand(&self) -> &ClockHand {
        &self.base.hand
    }

    fn turn(&self, key: u64) {
        let end = |place: &mut u64, _| {
            let now = self.base.now();
            if *place != now {
                let mut set = self.parts.of(key).lock();
                set.remove(&(*place, key));
                set.insert((now, key));
                *place = now;
            }
        };
        self.base.turn(key, || u64::MAX, end);
    }

    fn sweep(&self, idle_for: Duration) -> usize {
        let last = self.base.now() - idle_for.as_millis() as u64;
        let mut closed = 0;
        for part in self.parts.all() {
            let due = || {
                let mut set = part.lock();
                let first = set.first().is_some_and(|(since, _)| *since <= last);
                first.then(|| set.pop_first())?
            };
            while let Some((_, key)) = due() {
                closed += usize::from(self.base.close(key));
            }
        }
        closed
    }
}

/// Each turn's end moves its session to the end of a list.
pub(crate) struct Linked {
    base: Base<u32>,
    parts: Parts<List>,
}

/// By time; a list in a vector. The first node is nobody's: it stands between the end and the beginning.
struct List(Vec<Node>);

#[derive(Clone, Copy)]
struct Node {
    before: u32,
    after: u32,
    since: u64,
    key: u64,
}

impl Default for List {
    fn default() -> Self {
        let nobody = Node {
            before: 0,
            after: 0,
            since: u64::MAX,
            key: u64::MAX,
        };
        Self(vec![nobody])
    }
}

impl List {
    fn unlink(&mut self, index: u32) {
        let Node { before, after, .. } = self.0[index as usize];
        self.0[before as usize].after = after;
        self.0[after as usize].before = before;
    }

    fn push(&mut self, index: u32, since: u64) {
        let last = self.0[0].before;
        let node = &mut self.0[index as usize];
        (node.before, node.after, node.since) = (last, 0, since);
        self.0[last as usize].after = index;
        self.0[0].before = index;
    }
}

impl Way for Linked {
    const NAME: &str = "linked list";

    fn new() -> Self {
        Self {
            base: Base::new(),
            parts: Parts::new(),
        }
    }

    fn hand(&self) -> &ClockHand {
        &self.base.hand
    }

    fn turn(&self, key: u64) {
        let end = |place: &mut u32, is_new: bool| {
            let now = self.base.now();
            let mut list = self.parts.of(key).lock();
            if is_new {
                *place = list.0.len() as u32;
                let node = Node { key, ..list.0[0] };
                list.0.push(node);
            } else if list.0[*place as usize].since == now {
                return;
            } else {
                list.unlink(*place);
            }
            list.push(*place, now);
        };
        self.base.turn(key, || 0, end);
    }

    fn sweep(&self, idle_for: Duration) -> usize {
        let last = self.base.now() - idle_for.as_millis() as u64;
        let mut closed = 0;
        for part in self.parts.all() {
            let due = || {
                let mut list = part.lock();
                let index = list.0[0].after;
                let Node { since, key, .. } = list.0[index as usize];
                (since <= last).then(|| {
                    list.unlink(index);
                    key
                })
            };
            while let Some(key) = due() {
                closed += usize::from(self.base.close(key));
            }
        }
        closed
    }
}

/// A wheel that no turn touches: a session stands where it was when the wheel last looked, and is looked at when that time
/// comes. Seconds are its slots.
pub(crate) struct Lazy {
    base: Base<()>,
    parts: Parts<BTreeMap<u64, Vec<u64>>>,
}

impl Lazy {
    fn arm(&self, key: u64, since: u64) {
        let mut wheel = self.parts.of(key).lock();
        wheel.entry(since / 1_000).or_default().push(key);
    }
}

impl Way for Lazy {
    const NAME: &str = "lazy wheel";

    fn new() -> Self {
        Self {
            base: Base::new(),
            parts: Parts::new(),
        }
    }

    fn hand(&self) -> &ClockHand {
        &self.base.hand
    }

    fn turn(&self, key: u64) {
        let end = |(): &mut (), is_new: bool| {
            if is_new {
                self.arm(key, self.base.now());
            }
        };
        self.base.turn(key, || (), end);
    }

    fn sweep(&self, idle_for: Duration) -> usize {
        let now = self.base.registry.now();
        let last = millis(now) - idle_for.as_millis() as u64;
        let mut closed = 0;
        for part in self.parts.all() {
            let mut wheel = part.lock();
            let later = wheel.split_off(&(last / 1_000 + 1));
            let due = std::mem::replace(&mut *wheel, later);
            drop(wheel);
            for key in due.into_values().flatten() {
                let Some(status) = self.base.registry.status(&key) else {
                    continue;
                };
                match status.phase {
                    Phase::Idle if status.age(now) >= idle_for => {
                        closed += usize::from(self.base.close(key));
                    }
                    Phase::Idle => self.arm(key, millis(status.since)),
                    _ => self.arm(key, millis(now)),
                }
            }
        }
        closed
    }
}
