//! The price of a cleanup, and what three structures would save of it and add elsewhere.

use crate::{
    lists::{Lazy, Linked, Ordered, Scan, Way},
    measure::{Batch, ask, at, compare, resident, sorted, together},
    sessions::{HOUR, SCANS, hour_of},
    told::{Found, Line, Plot, Table},
};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

const MILLION: u64 = 1_000_000;
const ACTS: usize = 20_000;
const ROUNDS: usize = 15;
/// How often a million is built and swept.
const BUILDS: usize = 3;
/// Turns in a tick of the coarse clock, 4 ms of turns one after the other.
const IN_TICK: usize = 10_000;

/// What a million cost, in each way.
#[derive(Default)]
struct Sweeps {
    name: &'static str,
    /// Nanoseconds a session.
    create: Vec<f64>,
    /// Milliseconds: of the first sweep, which finds all to have been used since they came,
    first: Vec<f64>,
    /// of later ones, each of which ends another hundredth,
    later: Vec<f64>,
    /// and of one that ends none.
    none: Vec<f64>,
}

fn timed<R>(act: impl FnOnce() -> R) -> (R, f64) {
    let begun = Instant::now();
    let result = act();
    (result, begun.elapsed().as_secs_f64())
}

fn sweep<W: Way>(sweeps: &mut Sweeps) {
    sweeps.name = W::NAME;
    let way = W::new();
    let ((), create) = timed(|| (0..MILLION).for_each(|key| way.turn(key)));
    sweeps.create.push(create * 1e9 / MILLION as f64);
    for hour in 0..=SCANS {
        let used = (0..MILLION).filter(|key| hour_of(*key) == hour);
        used.for_each(|key| way.turn(key));
        if hour < SCANS {
            way.hand().advance(HOUR);
        }
    }
    for hour in 0..SCANS {
        let (closed, took) = timed(|| way.sweep(HOUR * (SCANS - hour) as u32));
        let expected = (0..MILLION).filter(|key| hour_of(*key) == hour).count();
        assert_eq!(closed, expected, "{} has found others", W::NAME);
        let kind = if hour == 0 {
            &mut sweeps.first
        } else {
            &mut sweeps.later
        };
        kind.push(took * 1e3);
        let (closed, took) = timed(|| way.sweep(HOUR * (SCANS - hour) as u32));
        assert_eq!(closed, 0);
        sweeps.none.push(took * 1e3);
    }
}

fn sweeps() -> [Sweeps; 4] {
    let runs: [fn(&mut Sweeps); 4] = [
        sweep::<Scan>,
        sweep::<Ordered>,
        sweep::<Linked>,
        sweep::<Lazy>,
    ];
    let mut all: [Sweeps; 4] = Default::default();
    for round in 0..BUILDS {
        for index in 0..runs.len() {
            let index = if round % 2 == 0 {
                index
            } else {
                runs.len() - 1 - index
            };
            runs[index](&mut all[index]);
        }
    }
    all
}

/// How turns follow each other.
#[derive(Clone, Copy)]
struct Load {
    keys: u64,
    threads: u64,
    /// Turns until the clock goes on by a tick.
    in_tick: usize,
}

/// Each thread in its own part of the keys.
fn turns<W: Way>(way: &W, load: Load) -> Batch<'_> {
    let part = load.keys / load.threads;
    let order = |thread: u64| -> Vec<u64> {
        let mut random = fastrand::Rng::with_seed(thread);
        (0..ACTS)
            .map(|_| thread * part + random.u64(..part))
            .collect()
    };
    let job = |thread| {
        let order = order(thread);
        move || {
            for (number, key) in order.iter().enumerate() {
                if number % load.in_tick == 0 {
                    way.hand().advance(Duration::from_millis(1));
                }
                way.turn(*key);
            }
        }
    };
    let jobs: Vec<_> = (0..load.threads).map(job).collect();
    (W::NAME.to_owned(), Box::new(move || together(&jobs)))
}

/// Nanoseconds a turn in each way.
fn per_turn(load: Load) -> [f64; 4] {
    let ways = (Scan::new(), Ordered::new(), Linked::new(), Lazy::new());
    let (scan, ordered, linked, lazy) = &ways;
    // Side by side: what is built first would have another heap than what is built last.
    for key in 0..load.keys {
        scan.turn(key);
        ordered.turn(key);
        linked.turn(key);
        lazy.turn(key);
    }
    let batches = vec![
        turns(scan, load),
        turns(ordered, load),
        turns(linked, load),
        turns(lazy, load),
    ];
    let lines = compare(batches, ACTS, ROUNDS);
    // By the ratio, which is of pairs in the same round.
    std::array::from_fn(|index| lines[index].ratio * lines[0].nanos)
}

/// Of a session, in a process of its own.
pub(crate) fn bytes(name: &str, count: usize) -> Result<f64, String> {
    fn of<W: Way>(count: usize) -> f64 {
        let before = resident();
        let way = W::new();
        (0..count as u64).for_each(|key| way.turn(key));
        let bytes = (resident() - before) / count as f64;
        drop(black_box(way));
        bytes
    }
    let all: [(&str, fn(usize) -> f64); 4] = [
        (Scan::NAME, of::<Scan>),
        (Ordered::NAME, of::<Ordered>),
        (Linked::NAME, of::<Linked>),
        (Lazy::NAME, of::<Lazy>),
    ];
    let of = all.iter().find(|(way, _)| *way == name);
    let (_, of) = of.ok_or_else(|| format!("nothing is called {name}"))?;
    Ok(of(count))
}

pub(crate) fn run() -> Found {
    let median = |values: &Vec<f64>| at(&sorted(values.clone()), 0.5);
    let loads = [
        ("1,000 keys, a tick each turn", 1_000, 1, 1),
        ("1,000 keys, 10,000 turns a tick", 1_000, 1, IN_TICK),
        (
            "1,000 keys, 2 threads, 10,000 turns a tick",
            1_000,
            2,
            IN_TICK,
        ),
        ("a million keys, a tick each turn", MILLION, 1, 1),
        ("a million keys, 10,000 turns a tick", MILLION, 1, IN_TICK),
    ];
    let turns = loads.map(|(_, keys, threads, in_tick)| {
        per_turn(Load {
            keys,
            threads,
            in_tick,
        })
    });
    let sweeps = sweeps();
    let head: Vec<&str> = ["a million sessions"]
        .into_iter()
        .chain(sweeps.iter().map(|way| way.name))
        .collect();
    let mut of_a_million = Table::new("expiry-sweeps", &head);
    let row = |pick: fn(&Sweeps) -> &Vec<f64>| -> Vec<f64> {
        sweeps.iter().map(|way| median(pick(way))).collect()
    };
    let later = row(|way| &way.later);
    of_a_million.row("sweep that ends 1 %, ms", &later);
    of_a_million.row(
        "the same, all others used since they came, ms",
        &row(|way| &way.first),
    );
    of_a_million.row("sweep that ends none, ms", &row(|way| &way.none));
    of_a_million.row("create, ns a session", &row(|way| &way.create));
    let bytes = sweeps
        .iter()
        .map(|way| ask(&["--bytes", way.name, &MILLION.to_string()]));
    of_a_million.row("bytes a session", &bytes.collect::<Vec<_>>());

    let mut of_turns = Table::new("expiry-turns", &head);
    "a turn, ns".clone_into(&mut of_turns.head[0]);
    let mut even = Table::new("expiry-even", &head[..3]);
    "thousands of turns from one sweep to the next, above which it costs more than the scan"
        .clone_into(&mut even.head[0]);
    even.head[1..].clone_from_slice(&of_turns.head[2..4]);
    let mut of_million = [0.0; 4];
    for ((name, ..), nanos) in loads.into_iter().zip(turns) {
        of_turns.row(name, &nanos);
        // Less than a nanosecond is not told apart from none.
        let even_at = |index: usize| match nanos[index] - nanos[0] {
            ..1.0 => f64::NAN,
            more => (later[0] - later[index]) * 1e3 / more,
        };
        even.row(name, &[even_at(1), even_at(2)]);
        of_million = nanos;
    }
    let first = row(|way| &way.first);
    let lines = sweeps.iter().enumerate().map(|(index, way)| {
        let cost = |turns: f64| {
            let more = (of_million[index] - of_million[0]).max(0.0) * turns / 1e6;
            let again = (first[index] - later[index]).max(0.0) * looked_at(turns);
            (
                turns,
                later[index] + more + if index == LAZY { again } else { 0.0 },
            )
        };
        let turns = (0..=20).map(|step| 1e4 * 10_f64.powf(f64::from(step) / 5.0));
        Line::new(way.name, turns.map(cost).collect())
    });
    let plot = Plot {
        name: "expiry",
        caption: "a million sessions: sweep of 1 %, and what the turns before it paid for it",
        x: "turns from one sweep to the next",
        y: "ms from one sweep to the next",
        lines: lines.collect(),
    };
    Found {
        tables: vec![of_a_million, of_turns, even],
        plots: vec![plot],
    }
}

/// Of which way it is that looks again.
const LAZY: usize = 3;

/// The part of a million that a sweep of the lazy wheel looks at and finds used: each that was used since it was looked at last,
/// once in the idle time, in which there are four sweeps. Turns are of keys at random.
fn looked_at(turns: f64) -> f64 {
    let used = 1.0 - (-4.0 * turns / MILLION as f64).exp();
    used / 4.0
}
