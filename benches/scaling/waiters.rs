//! One line, ever longer: what it costs to join it, to be handed the turn, to leave from its middle, and to stand there.

use crate::{
    V,
    measure::{Batch, Line, ask, compare, resident},
    told::{self, Found, Plot, Table},
    work,
};
use std::{
    cell::RefCell,
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};
use turnwise::{Enter, Registry, Turn};

const LENGTHS: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// In all lines of a length together; so a short line is no hotter than the one of 10,000.
const LEAST: usize = 10_000;
const ROUNDS: usize = 15;
/// In a batch.
const ACTS: usize = 1_000;

/// Some lines of the same length, in one registry, and their turns.
struct Lines {
    sessions: Registry<u64, V>,
    turns: Vec<Option<Turn<u64, V>>>,
    waiters: Vec<VecDeque<Enter<u64, V>>>,
}

impl Lines {
    fn new(count: usize, length: usize) -> Self {
        let sessions = Registry::new();
        let turn = |key: u64| {
            let entry = sessions.enter_blocking(&key).expect("it is open");
            Some(entry.or_insert([0; 8]))
        };
        let turns = (0..count as u64).map(turn).collect();
        let waiters = (0..count).map(|_| VecDeque::with_capacity(2 * length));
        Self {
            turns,
            waiters: waiters.collect(),
            sessions,
        }
    }

    /// So many newcomers to each line. Each is polled, so that its waker stands there.
    fn join(&mut self, each: usize) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..each {
            for (key, line) in self.waiters.iter_mut().enumerate() {
                let mut enter = self.sessions.enter(&(key as u64));
                assert!(Pin::new(&mut enter).poll(&mut cx).is_pending());
                line.push_back(enter);
            }
        }
    }

    /// Each line has so many turns, one after the other.
    fn hand_on(&mut self, each: usize) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..each {
            for (turn, line) in self.turns.iter_mut().zip(&mut self.waiters) {
                drop(turn.take());
                let mut enter = line.pop_front().expect("somebody waits");
                let Poll::Ready(Ok(entry)) = Pin::new(&mut enter).poll(&mut cx) else {
                    panic!("the first in line was granted");
                };
                let mut next = entry.occupied().expect("the session is there");
                work(&mut next);
                *turn = Some(next);
            }
        }
    }

    /// So many of each line, at random from its middle half.
    fn take_from_middle(&mut self, each: usize, random: &mut fastrand::Rng) -> Vec<Enter<u64, V>> {
        let mut taken = Vec::new();
        for line in &mut self.waiters {
            let quarter = line.len() / 4;
            for _ in 0..each {
                let index = quarter + random.usize(..(line.len() / 2).max(1));
                // The last takes its place here; in the registry's line nobody moves.
                taken.extend(line.swap_remove_back(index));
            }
            // As they stand in the registry's line again.
            line.make_contiguous().sort_by_key(Enter::ticket);
        }
        random.shuffle(&mut taken);
        taken
    }
}

fn times(act: &str) -> Vec<Line> {
    let all: Vec<_> = LENGTHS
        .iter()
        .map(|&length| {
            let count = (LEAST / length).max(1);
            let mut lines = Lines::new(count, length);
            lines.join(length);
            (RefCell::new(lines), length, (ACTS / count).max(1))
        })
        .collect();
    let batches = all.iter().map(|(lines, length, each)| -> Batch<'_> {
        let mut random = fastrand::Rng::with_seed(7);
        let run = move || {
            let mut lines = lines.borrow_mut();
            let took = match act {
                JOIN => {
                    let took = timed(|| lines.join(*each));
                    for line in &mut lines.waiters {
                        line.truncate(*length);
                    }
                    took
                }
                HAND_ON => {
                    let took = timed(|| lines.hand_on(*each));
                    lines.join(*each);
                    took
                }
                _ => {
                    let taken = lines.take_from_middle(*each, &mut random);
                    let took = timed(|| drop(taken));
                    lines.join(*each);
                    took
                }
            };
            // As if it had been so many acts as the others do.
            let acts = each * lines.waiters.len();
            Ok(took.mul_f64(ACTS as f64 / acts as f64))
        };
        (length.to_string(), Box::new(run))
    });
    compare(batches.collect(), ACTS, ROUNDS)
}

fn timed(act: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    act();
    begun.elapsed()
}

const JOIN: &str = "join: enter, and the first poll";
const HAND_ON: &str = "hand on: a turn ends, the next begins";
const LEAVE: &str = "leave from the middle";

/// Of a waiter, in lines of this length, in a process of its own: what the registry keeps. The futures are forgotten, so that
/// they take no memory, and their places stay.
pub(crate) fn bytes(length: usize) -> f64 {
    const ALL: usize = 400_000;
    let count = (ALL / length).max(1);
    let lines = Lines::new(count, 0);
    let before = resident();
    for key in 0..count as u64 {
        (0..length).for_each(|_| std::mem::forget(lines.sessions.enter(&key)));
    }
    (resident() - before) / (count * length) as f64
}

pub(crate) fn run() -> Found {
    let mut table = Table::new(
        "waiters",
        &[
            "waiters in the line",
            "join, ns",
            "hand on, ns",
            "leave from the middle, ns",
            "bytes a waiter",
        ],
    );
    let acts = [JOIN, HAND_ON, LEAVE].map(|act| (act, times(act)));
    for (index, length) in LENGTHS.into_iter().enumerate() {
        let mut values: Vec<f64> = acts.iter().map(|(_, lines)| lines[index].nanos).collect();
        values.push(ask(&["--bytes", "waiters", &length.to_string()]));
        table.row(told::shown(length as f64), &values);
    }
    let lines = acts.iter().map(|(act, lines)| {
        let points = LENGTHS.iter().zip(lines);
        let points = points.map(|(length, line)| (*length as f64, line.nanos));
        told::Line::new(*act, points.collect())
    });
    Found {
        plots: vec![Plot {
            name: "waiters",
            caption: "one line, ever longer",
            x: "waiters in the line",
            y: "ns",
            lines: lines.collect(),
        }],
        tables: vec![table],
    }
}
