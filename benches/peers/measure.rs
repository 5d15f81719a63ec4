//! How it is measured: side by side, in one process, in turns.
//!
//! In each round every contender runs one batch, in an order that is reversed from round to round; what counts is the ratio of
//! its time to the baseline's of the same round. A batch in which a thread was preempted is thrown away and run again. Of the
//! ratios the median is told, and the quartiles.

use crate::map::{Act, Contender};
use serde::Serialize;
use std::{
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

/// One contender in one workload.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// To the baseline of the same round: the median, and the quartiles.
    pub(crate) ratio: f64,
    pub(crate) quartiles: (f64, f64),
    /// Nanoseconds an act, the median.
    pub(crate) nanos: f64,
    /// Batches that were run again because of a preemption.
    pub(crate) again: u32,
}

/// Something that runs one batch and says how long it took; `None` if it was preempted.
pub(crate) type Batch<'a> = (String, Box<dyn FnMut() -> Option<Duration> + 'a>);

/// A batch that is always preempted is taken as it is in the end.
const TRIES: u32 = 8;

/// The first is the baseline.
pub(crate) fn compare(mut batches: Vec<Batch<'_>>, acts: usize, rounds: usize) -> Vec<Line> {
    let mut times = vec![Vec::with_capacity(rounds); batches.len()];
    let mut again = vec![0; batches.len()];
    for (_, run) in &mut batches {
        run(); // to warm up
    }
    for round in 0..rounds {
        let forth: Vec<usize> = (0..batches.len()).collect();
        let back: Vec<usize> = forth.iter().rev().copied().collect();
        for index in if round % 2 == 0 { forth } else { back } {
            let run = &mut batches[index].1;
            let mut time = None;
            for _ in 0..TRIES {
                time = run();
                if time.is_some() {
                    break;
                }
                again[index] += 1;
            }
            times[index].push(time);
        }
    }
    let line = |index: usize| {
        let own = &times[index];
        let paired = own.iter().zip(&times[0]);
        let ratios = paired.filter_map(|(own, base)| {
            Some(own.as_ref()?.as_secs_f64() / base.as_ref()?.as_secs_f64())
        });
        let ratios = sorted(ratios.collect());
        let nanos = own
            .iter()
            .flatten()
            .map(|time| time.as_secs_f64() * 1e9 / acts as f64);
        Line {
            name: batches[index].0.clone(),
            ratio: at(&ratios, 0.5),
            quartiles: (at(&ratios, 0.25), at(&ratios, 0.75)),
            nanos: at(&sorted(nanos.collect()), 0.5),
            again: again[index],
        }
    };
    (0..batches.len()).map(line).collect()
}

pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// The value at a part of the way through sorted ones; not a number if there is none.
pub(crate) fn at(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (part * last as f64).round() as usize;
    sorted.get(index).copied().unwrap_or(f64::NAN)
}

/// Runs acts on as many threads as there are lists of them, from one moment on. `None` if one of them was preempted.
pub(crate) fn run_batch<K: Sync>(
    contender: &dyn Contender<K>,
    acts: &[Vec<(Act, K)>],
) -> Option<Duration> {
    if let [acts] = acts {
        let before = preemptions();
        let begun = Instant::now();
        contender.run(acts);
        let took = begun.elapsed();
        return (preemptions() == before).then_some(took);
    }
    let barrier = Barrier::new(acts.len());
    let run = |acts| {
        barrier.wait();
        let before = preemptions();
        let begun = Instant::now();
        contender.run(acts);
        (begun.elapsed(), preemptions() == before)
    };
    let run = &run;
    let ends: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = acts
            .iter()
            .map(|acts| scope.spawn(move || run(acts)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no contender panics"))
            .collect()
    });
    let undisturbed = ends.iter().all(|(_, undisturbed)| *undisturbed);
    let longest = ends.iter().map(|(took, _)| *took).max();
    undisturbed.then_some(longest?)
}

/// How often this thread was preempted so far; always 0 where nobody tells.
pub(crate) fn preemptions() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    line.and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}
