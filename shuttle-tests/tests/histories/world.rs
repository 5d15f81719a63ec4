//! What the tasks of a history share, and how large it is.

use crate::caller::{Act, Caller};
use crate::ledger::{Ledger, Lives, Session};
use crate::record::Recorder;
use crate::steps::{Key, Step};
use shuttle::thread;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::Duration;
use turnwise::{Clock, ClockHand, Phase, Registry, Tick};

/// How large a history is, and what may happen in it.
pub(crate) struct Shape {
    pub(crate) tasks: usize,
    pub(crate) keys: Key,
    pub(crate) shards: usize,
    /// Calls of a task, counted without those that a guard leads to.
    pub(crate) calls: usize,
    /// Between two rounds nobody calls, and time moves.
    pub(crate) rounds: usize,
    pub(crate) max_sessions: Option<usize>,
    pub(crate) max_waiting: Option<usize>,
    pub(crate) lives: Lives,
    /// Each with the same chance.
    pub(crate) acts: &'static [Act],
}

/// How far time moves between two rounds.
const ROUND: Duration = Duration::from_millis(2);

impl Shape {
    /// One execution: tasks that do what chance chooses, then a look at what is left, and whether all of it agrees with the
    /// sequential model.
    pub(crate) fn run(&'static self) {
        let (world, hand) = World::new(self);
        for round in 0..self.rounds {
            if round > 0 {
                let hand = hand.as_ref().expect("several rounds have a clock");
                world.advance(hand);
            }
            let tasks: Vec<_> = (1..=self.tasks)
                .map(|task| {
                    let caller = world.caller(task);
                    thread::spawn(move || (0..self.calls).for_each(|_| caller.act()))
                })
                .collect();
            for task in tasks {
                task.join().expect("a panic has failed the run already");
            }
        }
        world.settle();
    }

    fn acts(&self, act: Act) -> bool {
        self.acts.contains(&act)
    }
}

/// What the tasks of one history share.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) shape: &'static Shape,
    pub(crate) sessions: Sessions,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) recorder: Arc<Recorder>,
    start: Tick,
}

pub(crate) type Sessions = Registry<Key, Session, u32, Placed>;

impl World {
    pub(crate) fn new(shape: &'static Shape) -> (Self, Option<ClockHand>) {
        let recorder = Recorder::begin();
        // Each reading of a manual clock is a step; the coarse one stands still, and none is seen.
        let (clock, hand) = match shape.rounds {
            1 => (Clock::new(), None),
            _ => {
                let (clock, hand) = Clock::manual();
                (clock, Some(hand))
            }
        };
        let mut builder = Registry::builder()
            .shards(shape.shards)
            .hasher(Placed::default())
            .clock(clock);
        if let Some(most) = shape.max_sessions {
            builder = builder.max_sessions(most);
        }
        if let Some(most) = shape.max_waiting {
            builder = builder.max_waiting(most);
        }
        let sessions: Sessions = builder.build();
        let world = Self {
            shape,
            start: sessions.now(),
            sessions,
            ledger: Ledger::new(shape.lives, !shape.acts(Act::EnterFirst)),
            recorder,
        };
        let begin = Step::Begin {
            max_sessions: shape.max_sessions.unwrap_or(usize::MAX),
            max_waiting: shape.max_waiting.unwrap_or(usize::MAX),
        };
        world.caller(0).done("a registry", begin);
        (world, hand)
    }

    pub(crate) fn caller(&self, task: usize) -> Caller {
        Caller::new(self.clone(), task)
    }

    fn advance(&self, hand: &ClockHand) {
        hand.advance(ROUND);
        let millis = u64::try_from(ROUND.as_millis()).expect("it is short");
        self.caller(0).done("time moves", Step::Advance(millis));
    }

    pub(crate) fn millis(&self, tick: Tick) -> u64 {
        let since = tick.since(self.start).as_millis();
        u64::try_from(since).expect("histories are short")
    }

    pub(crate) fn keys(&self) -> std::ops::Range<Key> {
        0..self.shape.keys
    }

    /// C12: what rests is in the map, and nothing else; with the last registry it goes too.
    pub(crate) fn rests(self) {
        self.sessions.check_invariants();
        let caller = self.caller(0);
        let resting = caller.snapshot();
        for seen in &resting {
            assert_eq!(
                seen.status().phase,
                Phase::Idle,
                "C4: nobody holds a turn any more"
            );
        }
        assert_eq!(
            self.sessions.len(),
            resting.len(),
            "C12: every slot holds a session"
        );
        self.ledger.at_rest(resting.len());
        drop(resting);
        drop(caller);
        let Self {
            sessions, ledger, ..
        } = self;
        drop(sessions);
        ledger.at_rest(0);
    }

    /// And C14: the whole history is one that the sequential model could have had.
    pub(crate) fn settle(self) {
        let recorder = Arc::clone(&self.recorder);
        self.rests();
        assert!(recorder.linearizable(), "{NOT_LINEARIZABLE}");
    }
}

/// What is said of a history that has no order.
pub(crate) const NOT_LINEARIZABLE: &str =
    "C14: no order of these calls agrees with the sequential model";

/// A hasher that is the same in each run, and puts key `k` into shard `k`, modulo the shards.
#[derive(Default)]
pub(crate) struct Place(u64);

pub(crate) type Placed = BuildHasherDefault<Place>;

impl Hasher for Place {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0 << 8 | u64::from(byte);
        }
    }

    fn finish(&self) -> u64 {
        // The shard is chosen by the bits from 40 on, the bucket by the lowest, its tag by the highest.
        self.0 << 57 | self.0 << 40 | self.0
    }
}

/// The keys of two shards are in two shards.
#[test]
fn keys_are_placed() {
    let shard = |key: Key| Placed::default().hash_one(key) >> 40 & 1;
    assert_eq!([0, 1, 2].map(shard), [0, 1, 0]);
}
