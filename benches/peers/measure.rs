//! How it is measured: side by side, in one process, in turns.
//!
//! In each round every contender runs one batch, in an order that is reversed from round to round; what counts is the ratio of
//! its time to the baseline's of the same round. A batch that was disturbed (a thread was preempted, or two did not run at once) is
//! thrown away and run again. Of the ratios the median is told, and the quartiles.

use serde::Serialize;
use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
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
    /// Batches that were disturbed, and run again.
    pub(crate) again: u32,
    /// Of the manager's workloads: allocations of an act, and its nanoseconds at p50 and p99.
    pub(crate) more: Option<[f64; 3]>,
}

/// Something that runs one batch and says how long it took.
pub(crate) type Batch<'a> = (String, Box<dyn FnMut() -> Took + 'a>);

/// An error: it was disturbed. With a time, if its threads ran at once all the same, and one was preempted.
pub(crate) type Took = Result<Duration, Option<Duration>>;

/// Of a batch that is disturbed so often the fastest is taken: its threads put each other to sleep.
const TRIES: u32 = 8;

/// The first is the baseline.
pub(crate) fn compare(mut batches: Vec<Batch<'_>>, acts: usize, rounds: usize) -> Vec<Line> {
    let mut times = vec![Vec::with_capacity(rounds); batches.len()];
    let mut again = vec![0; batches.len()];
    for (_, run) in &mut batches {
        let _ = run(); // to warm up
    }
    for round in 0..rounds {
        let forth: Vec<usize> = (0..batches.len()).collect();
        let back: Vec<usize> = forth.iter().rev().copied().collect();
        for index in if round % 2 == 0 { forth } else { back } {
            let run = &mut batches[index].1;
            let mut time = run();
            for _ in 1..TRIES {
                let Err(disturbed) = time else { break };
                again[index] += 1;
                time = run().map_err(|again| again.into_iter().chain(disturbed).min());
            }
            times[index].push(time.map_or_else(|disturbed| disturbed, Some));
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
            more: None,
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

/// Runs each job on a thread of its own, all from one moment on; a single one on this thread. How long the longest took. It
/// was disturbed if one of them was preempted, or began when another was on its way: then they had one core, and ran one after
/// the other.
pub(crate) fn together<F: Fn() + Sync>(jobs: &[F]) -> Took {
    let timed = |job: &F| {
        let before = preemptions();
        let begun = Instant::now();
        job();
        (begun, begun.elapsed(), preemptions() == before)
    };
    let took = |took, undisturbed| {
        if undisturbed {
            Ok(took)
        } else {
            Err(Some(took))
        }
    };
    if let [job] = jobs {
        let (_, longest, undisturbed) = timed(job);
        return took(longest, undisturbed);
    }
    // Not asleep: who is woken begins late.
    let here = AtomicUsize::new(0);
    let run = |job| {
        here.fetch_add(1, Relaxed);
        while here.load(Relaxed) < jobs.len() {
            std::hint::spin_loop();
        }
        timed(job)
    };
    let run = &run;
    let ends: Vec<_> = thread::scope(|scope| {
        let threads = jobs.iter().map(|job| scope.spawn(move || run(job)));
        let threads: Vec<_> = threads.collect();
        let ends = threads.into_iter().map(|thread| thread.join());
        ends.map(|end| end.expect("no contender panics")).collect()
    });
    let longest = ends.iter().map(|(_, took, _)| *took).max();
    let longest = longest.expect("there are jobs");
    let begun = || ends.iter().map(|(begun, ..)| *begun);
    let apart = begun().max().zip(begun().min());
    let at_once = apart.is_some_and(|(last, first)| last - first < longest / 10);
    if !at_once {
        return Err(None);
    }
    took(longest, ends.iter().all(|(.., undisturbed)| *undisturbed))
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

/// The bytes of this process that are in memory, without those of its program; not a number where nobody tells.
pub(crate) fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .map_or(f64::NAN, |kilobytes| kilobytes * 1024.0)
}

/// What this program says, run again with these arguments: each measurement of memory is in a process of its own, so that none
/// has the other's.
pub(crate) fn ask(args: &[&str]) -> f64 {
    let own = std::env::current_exe().expect("this program has a path");
    let output = std::process::Command::new(&own).args(args).output();
    let told = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    told.ok()
        .and_then(|told| told.trim().parse().ok())
        .unwrap_or(f64::NAN)
}
