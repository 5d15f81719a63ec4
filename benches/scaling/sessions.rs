//! Ever more sessions: what it costs to create one, to have a turn, to ask, to look at all, and to end those that are idle.

use crate::{
    V,
    measure::{Batch, ask, at, compare, resident, sorted},
    told::{self, Found, Plot, Table},
    work,
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use turnwise::{Clock, ClockHand, Registry};

const COUNTS: [u64; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
/// In a batch of turns or looks at random keys.
const ACTS: usize = 50_000;
const ROUNDS: usize = 9;
/// How often a scan is measured, and a cleanup, each of another hundredth.
pub(crate) const SCANS: u64 = 5;
/// How often all is built.
const BUILDS: usize = 3;
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

struct Sessions {
    registry: Registry<u64, V>,
    hand: ClockHand,
    count: u64,
}

impl Sessions {
    fn build(count: u64) -> Self {
        let (clock, hand) = Clock::manual();
        let registry = Registry::builder().clock(clock).build();
        let sessions = Self {
            registry,
            hand,
            count,
        };
        (0..count).for_each(|key| sessions.turn(key));
        sessions
    }

    fn turn(&self, key: u64) {
        let entry = self.registry.enter_blocking(&key).expect("it is open");
        work(&mut entry.or_insert([0; 8]));
    }

    /// Each key is used in its hour.
    fn age(&self) {
        for hour in 0..=SCANS {
            let used = (0..self.count).filter(|key| hour_of(*key) == hour);
            used.for_each(|key| self.turn(key));
            if hour < SCANS {
                self.hand.advance(HOUR);
            }
        }
    }

    /// Ends those that were last used in this hour or before; how many.
    fn cleanup(&self, hour: u64) -> usize {
        let idle_for = HOUR * (SCANS - hour) as u32;
        self.registry.cleanup_idle(idle_for, |_, _, _| {}).closed
    }
}

/// The hour in which a key is last used: one of a hundred in each of the first, all others in the one after them. Neighbours in
/// the order of creation are not used together.
pub(crate) fn hour_of(key: u64) -> u64 {
    let scattered = key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (scattered % 100).min(SCANS)
}

fn builds() -> (Vec<Sessions>, Vec<f64>) {
    let mut times = vec![Vec::new(); COUNTS.len()];
    let mut last = Vec::new();
    for _ in 0..BUILDS {
        last.clear();
        for (times, count) in times.iter_mut().zip(COUNTS) {
            // Few are built often, so that what is measured is not one surprise.
            let again = (100_000 / count).max(1);
            let begun = Instant::now();
            let mut built: Vec<_> = (0..again).map(|_| Sessions::build(count)).collect();
            let took = begun.elapsed();
            times.push(took.as_secs_f64() * 1e9 / (again * count) as f64);
            last.extend(built.pop());
        }
    }
    let medians = times.into_iter().map(|times| at(&sorted(times), 0.5));
    (last, medians.collect())
}

/// Acts on random keys.
fn random(all: &[Sessions], act: impl Fn(&Sessions, u64) + Copy) -> Vec<f64> {
    let batches = all.iter().map(|sessions| -> Batch<'_> {
        let mut random = fastrand::Rng::with_seed(7);
        let run = move || {
            let keys: Vec<u64> = (0..ACTS).map(|_| random.u64(..sessions.count)).collect();
            let begun = Instant::now();
            keys.into_iter().for_each(|key| act(sessions, key));
            Ok(begun.elapsed())
        };
        (sessions.count.to_string(), Box::new(run))
    });
    let lines = compare(batches.collect(), ACTS, ROUNDS);
    lines.into_iter().map(|line| line.nanos).collect()
}

/// Acts on all sessions, a few times; nanoseconds a session.
fn whole(all: &[Sessions], act: impl Fn(&Sessions, u64)) -> Vec<f64> {
    let mut times = vec![Vec::new(); all.len()];
    for scan in 0..SCANS {
        for (times, sessions) in times.iter_mut().zip(all) {
            let begun = Instant::now();
            act(sessions, scan);
            times.push(begun.elapsed().as_secs_f64() * 1e9 / sessions.count as f64);
        }
    }
    let medians = times.into_iter().map(|times| at(&sorted(times), 0.5));
    medians.collect()
}

/// Of a session, in a process of its own.
pub(crate) fn bytes(count: usize) -> f64 {
    let before = resident();
    let sessions = Sessions::build(count as u64);
    let bytes = (resident() - before) / count as f64;
    drop(black_box(sessions));
    bytes
}

pub(crate) fn run() -> Found {
    let memory = COUNTS.map(|count| ask(&["--bytes", "sessions", &count.to_string()]));
    let (all, created) = builds();
    let turns = random(&all, |sessions, key| sessions.turn(key));
    all.iter().for_each(Sessions::age);
    let looks = random(&all, |sessions, key| {
        black_box(sessions.registry.status(&key));
    });
    let snapshots = whole(&all, |sessions, _| {
        black_box(sessions.registry.snapshot());
    });
    let none = whole(&all, |sessions, _| {
        let swept = sessions
            .registry
            .cleanup_idle(2 * SCANS as u32 * HOUR, |_, _, _| {});
        assert_eq!(swept.closed, 0);
    });
    let some = whole(&all, |sessions, scan| {
        let closed = sessions.cleanup(scan) as u64;
        let hundredth = sessions.count / 100;
        assert!(
            closed.abs_diff(hundredth) <= hundredth / 2,
            "{closed} of {}",
            sessions.count
        );
    });
    let columns = [
        ("create", created),
        ("turn", turns),
        ("status", looks),
        ("snapshot", snapshots),
        ("cleanup, none idle", none),
        ("cleanup, 1 % idle", some),
    ];
    let head: Vec<&str> = ["sessions; ns a session"]
        .into_iter()
        .chain(columns.iter().map(|(name, _)| *name))
        .chain(["bytes a session"])
        .collect();
    let mut table = Table::new("sessions", &head);
    for (index, count) in COUNTS.into_iter().enumerate() {
        let mut values: Vec<f64> = columns.iter().map(|(_, values)| values[index]).collect();
        values.push(memory[index]);
        table.row(told::shown(count as f64), &values);
    }
    let lines = columns.iter().map(|(name, values)| {
        let points = COUNTS.iter().zip(values);
        let points = points.map(|(count, value)| (*count as f64, *value));
        told::Line::new(*name, points.collect())
    });
    Found {
        plots: vec![Plot {
            name: "sessions",
            caption: "ever more sessions (scans: their time, divided by the sessions)",
            x: "sessions",
            y: "ns a session",
            lines: lines.collect(),
        }],
        tables: vec![table],
    }
}
