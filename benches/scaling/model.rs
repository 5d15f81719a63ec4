//! A turn on more cores than are here: on paper, and in a simulation that shares the paper's two costs and not its arithmetic.
//!
//! Both know of a turn how long it takes, which cache lines it writes, and what it costs to have them from another core, which is
//! measured with two. Both leave out how lines come from another socket, the memory's bandwidth, and waiting for a turn that is held.

use std::{cmp::Reverse, collections::BinaryHeap};

/// Lines that a turn writes: the word of the shard's map lock, in a line of its own;
pub(crate) const LOCK_LINES: f64 = 1.0;
/// the slot: 194 of its 200 bytes, at every sixteenth byte, so 4 lines;
pub(crate) const SLOT_LINES: f64 = 4.0;
/// the word of the session that the turn's work writes.
pub(crate) const SESSION_LINES: f64 = 1.0;

/// What is measured here, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// A turn when no other core is at work;
    pub(crate) alone: f64,
    /// and when one is, with lines of its own.
    pub(crate) beside: f64,
    /// To have a line that another core wrote last, above one that is here.
    pub(crate) line: f64,
    /// To have those of a slot and its session. Less than so many times one line: they come beside each other.
    pub(crate) slot: f64,
}

impl Costs {
    fn turn(&self, cores: usize) -> f64 {
        if cores == 1 { self.alone } else { self.beside }
    }
}

/// Whose keys the turns of a core are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// Its own: no other core's.
    Own,
    /// Any of these.
    Shared(usize),
}

/// As many as the registry makes by default.
pub(crate) fn shards(cores: usize) -> usize {
    (4 * cores).max(64).next_power_of_two()
}

/// Lines that move to a core in a turn: those that it writes, as often as another core was the last to write them.
pub(crate) fn moved(cores: usize, keys: Keys) -> f64 {
    let others = (cores - 1) as f64 / cores as f64;
    let written = match keys {
        Keys::Own => LOCK_LINES,
        Keys::Shared(_) => LOCK_LINES + SLOT_LINES + SESSION_LINES,
    };
    written * others
}

/// Nanoseconds a turn, of each core. No queue, but the end of it: the line of a lock moves twice in a turn when all want it, and
/// to one core after the other.
pub(crate) fn paper(costs: Costs, cores: usize, shards: usize, keys: Keys) -> f64 {
    if cores == 1 {
        return costs.alone;
    }
    let others = (cores - 1) as f64 / cores as f64;
    let slot = if keys == Keys::Own { 0.0 } else { costs.slot };
    let free = costs.beside + others * (costs.line + slot);
    free.max(2.0 * costs.line * cores as f64 / shards as f64)
}

/// One line, or those that move together: who wrote it last, and when it is free.
#[derive(Clone, Copy)]
struct Lines {
    owner: usize,
    free: f64,
}

impl Lines {
    const NEW: Self = Self {
        owner: usize::MAX,
        free: 0.0,
    };

    /// One core after the other: when this one has it, who comes at `now`. `cost`: of fetching it from another core.
    fn fetch(&mut self, core: usize, now: f64, cost: f64) -> (f64, bool) {
        let foreign = self.owner != core && self.owner != usize::MAX;
        self.owner = core;
        self.free = self.free.max(now) + if foreign { cost } else { 0.0 };
        (self.free, foreign)
    }
}

/// A core on its way through a turn.
#[derive(Clone, Copy)]
struct Core {
    step: Step,
    key: usize,
}

#[derive(Clone, Copy)]
enum Step {
    Begin,
    Lock,
    Slot,
    Unlock,
    End,
}

/// Nanoseconds a turn of each core, and lines moved in it: core by core, event by event. The time that a turn takes alone is in
/// three equal parts: before the map lock, under it, and after it.
pub(crate) fn simulate(costs: Costs, cores: usize, shards: usize, keys: Keys) -> (f64, f64) {
    const TURNS: usize = 4_000;
    const WARM: usize = 1_000;
    let each = match keys {
        Keys::Own => 1_000,
        Keys::Shared(count) => count,
    };
    let mut random = fastrand::Rng::with_seed(7);
    let home: Vec<usize> = (0..each * cores).map(|_| random.usize(..shards)).collect();
    let mut locks = vec![Lines::NEW; shards];
    let mut slots = vec![Lines::NEW; each * cores];
    let begin = Core {
        step: Step::Begin,
        key: 0,
    };
    let mut all = vec![begin; cores];
    // Whole picoseconds, so that they have an order.
    let mut events: BinaryHeap<_> = (0..cores).map(|core| Reverse((0_u64, core))).collect();
    let (mut ended, mut lines, mut begun) = (0, 0.0, 0.0);
    let part = costs.turn(cores) / 3.0;
    let slot_lines = SLOT_LINES + SESSION_LINES;
    while let Some(Reverse((now, index))) = events.pop() {
        let now = now as f64 / 1e3;
        let core = &mut all[index];
        let (next, after) = match core.step {
            Step::Begin => {
                core.key = random.usize(..each);
                if keys == Keys::Own {
                    core.key += each * index;
                }
                (now + part, Step::Lock)
            }
            Step::Lock | Step::Unlock => {
                let (at, foreign) = locks[home[core.key]].fetch(index, now, costs.line);
                lines += if foreign { LOCK_LINES } else { 0.0 };
                let after = match core.step {
                    Step::Lock => Step::Slot,
                    _ => Step::End,
                };
                (at + part, after)
            }
            Step::Slot => {
                let (at, foreign) = slots[core.key].fetch(index, now, costs.slot);
                lines += if foreign { slot_lines } else { 0.0 };
                (at, Step::Unlock)
            }
            Step::End => {
                ended += 1;
                if ended == WARM * cores {
                    (lines, begun) = (0.0, now);
                }
                if ended == (WARM + TURNS) * cores {
                    let turns = (TURNS * cores) as f64;
                    return ((now - begun) * cores as f64 / turns, lines / turns);
                }
                (now, Step::Begin)
            }
        };
        core.step = after;
        events.push(Reverse(((next * 1e3) as u64, index)));
    }
    unreachable!("a core always has a next event")
}
