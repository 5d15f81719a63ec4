//! Turns on more cores: measured with the cores that are here, then a model.

use crate::{
    V,
    measure::{Batch, Line, compare, together},
    model::{Costs, Keys, moved, paper, shards, simulate},
    told::{self, Found, Plot, Table},
    work,
};
use parking_lot::RwLock;
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
};
use turnwise::Registry;

/// In a batch; short, so that a preemption spoils little.
const ACTS: usize = 10_000;
const ROUNDS: usize = 41;
const KEYS: u64 = 1_000;

type Sessions = Registry<u64, V>;

fn sessions(shards: usize) -> Sessions {
    let sessions = Registry::builder().shards(shards).build();
    (0..KEYS).for_each(|key| turn(&sessions, key));
    sessions
}

fn turn(sessions: &Sessions, key: u64) {
    let entry = sessions.enter_blocking(&key).expect("it is open");
    work(&mut entry.or_insert([0; 8]));
}

/// Keys in an order of their own.
fn order(seed: u64, keys: std::ops::Range<u64>) -> Vec<u64> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..ACTS).map(|_| random.u64(keys.clone())).collect()
}

type Job<'a> = Box<dyn Fn() + Sync + 'a>;

fn turns(sessions: &Sessions, keys: Vec<u64>) -> Job<'_> {
    Box::new(move || keys.iter().for_each(|key| turn(sessions, *key)))
}

fn looks(sessions: &Sessions, keys: Vec<u64>) -> Job<'_> {
    let look = |key: &u64| {
        std::hint::black_box(sessions.status(key));
    };
    Box::new(move || keys.iter().for_each(look))
}

fn batch<'a>(name: &str, jobs: Vec<Job<'a>>) -> Batch<'a> {
    (name.to_owned(), Box::new(move || together(&jobs)))
}

/// How long the job takes while another thread goes on and on; disturbed, if that did not run all the time.
fn beside<'a>(name: &str, job: Job<'a>, other: impl Fn() + Sync + 'a) -> Batch<'a> {
    let run = move || {
        let (stop, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    other();
                    rounds.fetch_add(1, Relaxed);
                }
            });
            while rounds.load(Relaxed) == 0 {
                std::hint::spin_loop();
            }
            let before = rounds.load(Relaxed);
            let took = together(&[&job]);
            let beside = rounds.load(Relaxed) - before;
            stop.store(true, Relaxed);
            took.and_then(|took| {
                let enough = beside * 50 > took.as_micros() as u64;
                if enough { Ok(took) } else { Err(None) }
            })
        })
    };
    (name.to_owned(), Box::new(run))
}

/// A lock as a shard's, on lines that are nobody else's. It says which is next.
#[repr(align(128))]
struct Apart(RwLock<u64>);

/// 1,000 locks in a circle, at random.
fn circle() -> Vec<Apart> {
    let mut order: Vec<u64> = (0..KEYS).collect();
    fastrand::Rng::with_seed(7).shuffle(&mut order);
    let mut next = vec![0; order.len()];
    for (index, lock) in order.iter().enumerate() {
        next[*lock as usize] = order[(index + 1) % order.len()];
    }
    let lock = |next| Apart(RwLock::new(next));
    next.into_iter().map(lock).collect()
}

/// Goes around, and takes each lock to read; none is known before the one before it was there. Two that do so take each by
/// turns, so its line always has to come from the other.
fn around(locks: &[Apart], from: u64) -> Job<'_> {
    Box::new(move || {
        let mut lock = from;
        for _ in 0..ACTS {
            lock = *locks[lock as usize].0.read();
        }
        std::hint::black_box(lock);
    })
}

const ALONE: &str = "turns, 1 thread";
const APART: &str = "turns, 2 threads, a registry each";
const OWN: &str = "turns, 2 threads, keys of their own";
const OWN_IN_ONE: &str = "the same, 1 shard";
const OWN_IN_MANY: &str = "the same, 1,024 shards";
const SHARED: &str = "turns, 2 threads, the same 1,000 keys";
const LOCKS: &str = "a read lock, each after the other, 1 thread";
const LOCKS_OF_OTHERS: &str = "the same, which the other thread had last";

/// By the name of each.
fn measure() -> Vec<Line> {
    let here = sessions(64);
    let (there, one, many) = (sessions(64), sessions(1), sessions(1_024));
    let half = KEYS / 2;
    let own = |sessions| {
        let second = turns(sessions, order(2, half..KEYS));
        vec![turns(sessions, order(1, 0..half)), second]
    };
    let all = |seed| order(seed, 0..KEYS);
    let (alone, both) = (circle(), circle());
    let line = |sessions: &Sessions| {
        let turn = sessions.enter_blocking(&KEYS).expect("it is open");
        turn.or_insert([0; 8])
    };
    let (_held, _held_there) = (line(&here), line(&there));
    // Joins the line of a key that is held, and leaves it.
    let joins = |sessions: &Sessions| (0..100).for_each(|_| drop(sessions.enter(&KEYS)));
    let batches = vec![
        batch(ALONE, vec![turns(&here, all(1))]),
        batch(APART, vec![turns(&here, all(1)), turns(&there, all(2))]),
        batch(OWN, own(&here)),
        batch(OWN_IN_ONE, own(&one)),
        batch(OWN_IN_MANY, own(&many)),
        batch(SHARED, vec![turns(&here, all(1)), turns(&here, all(2))]),
        beside(
            "turns, while the other joins and leaves a line elsewhere",
            turns(&here, all(1)),
            || joins(&there),
        ),
        beside(
            "turns, while the other joins and leaves a line of this registry",
            turns(&here, all(1)),
            || joins(&here),
        ),
        batch("status, 1 thread", vec![looks(&here, all(1))]),
        batch(
            "status, 2 threads, the same 1,000 keys",
            vec![looks(&here, all(1)), looks(&here, all(2))],
        ),
        batch(LOCKS, vec![around(&alone, 0)]),
        batch(
            LOCKS_OF_OTHERS,
            vec![around(&both, 0), around(&both, KEYS / 2)],
        ),
    ];
    compare(batches, ACTS, ROUNDS)
}

pub(crate) fn run() -> Found {
    let measured = measure();
    let nanos = |name: &str| {
        let line = measured.iter().find(|line| line.name == name);
        line.map_or(f64::NAN, |line| line.nanos)
    };
    let head = [
        "measured here, ns an act of each thread",
        "median",
        "to the first",
        "quartiles, from",
        "to",
    ];
    let mut here = Table::new("cores-measured", &head);
    for line in &measured {
        let (from, to) = line.quartiles;
        here.row(&*line.name, &[line.nanos, line.ratio, from, to]);
    }
    // Of two cores, the other one was the last in half of the turns.
    let slot = 2.0 * (nanos(SHARED) - nanos(OWN));
    let costs = |line| Costs {
        alone: nanos(ALONE),
        beside: nanos(APART),
        line,
        slot,
    };
    let low = costs(nanos(LOCKS_OF_OTHERS) - nanos(LOCKS));
    let high = costs(2.0 * (nanos(OWN) - nanos(APART)));
    let mut parameters = Table::new("cores-costs", &["what the model is made of, ns", ""]);
    parameters.row("a turn, no other core at work", &[low.alone]);
    parameters.row(
        "a turn, another core at work on what is its own",
        &[low.beside],
    );
    parameters.row(
        "low: the line of a map lock that another core had last, a lock and nothing else",
        &[low.line],
    );
    parameters.row("high: the same, what it adds to a turn", &[high.line]);
    parameters.row("the lines of a slot and its session, all together", &[slot]);
    let shared = Keys::Shared(KEYS as usize);
    let cases = [
        ("keys of its own", Keys::Own, None, nanos(OWN)),
        ("the same 1,000 keys", shared, None, nanos(SHARED)),
        (
            "its own, all in 1 shard",
            Keys::Own,
            Some(1),
            nanos(OWN_IN_ONE),
        ),
    ];
    let mut model = Table::new(
        "cores-model",
        &[
            "each core's keys; cores",
            "lines moved, paper",
            "simulated",
            "ns a turn, paper, low",
            "high",
            "simulated, low",
            "high",
            "measured",
        ],
    );
    let mut lines = Vec::new();
    for (colour, (name, keys, fixed, of_two)) in cases.into_iter().enumerate() {
        let measured = [low.alone, of_two];
        let mut simulated = [Vec::new(), Vec::new()];
        for cores in [1, 2, 4, 8, 16, 32, 64] {
            let shards = fixed.unwrap_or_else(|| shards(cores));
            let on_paper = [low, high].map(|costs| paper(costs, cores, shards, keys));
            let [(fast, _), (slow, moves)] =
                [low, high].map(|costs| simulate(costs, cores, shards, keys));
            let here = measured.get(cores - 1).copied().unwrap_or(f64::NAN);
            model.row(
                format!("{name}; {cores}"),
                &[
                    moved(cores, keys),
                    moves,
                    on_paper[0],
                    on_paper[1],
                    fast,
                    slow,
                    here,
                ],
            );
            for (points, time) in simulated.iter_mut().zip([fast, slow]) {
                points.push((cores as f64, 1e3 * cores as f64 / time));
            }
        }
        let [fast, slow] = simulated;
        lines.push(told::Line::new(format!("{name}: model, low and high"), fast).coloured(colour));
        lines.push(told::Line::new("", slow).coloured(colour));
        let both = [1.0, 2.0].into_iter().zip(measured);
        let points = both.map(|(cores, time)| (cores, 1e3 * cores / time));
        let marks = told::Line::marks(format!("{name}: measured"), points.collect());
        lines.push(marks.coloured(colour));
    }
    Found {
        tables: vec![here, parameters, model],
        plots: vec![Plot {
            name: "cores",
            caption: "turns of all cores: crosses are measured, lines a model",
            x: "cores",
            y: "turns a microsecond",
            lines,
        }],
    }
}
