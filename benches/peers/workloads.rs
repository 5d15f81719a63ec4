//! The workloads in which acts follow each other as fast as they can.

use crate::{contenders::*, crates::*, map::*, measure::*};
use serde::Serialize;

/// A workload, and how its contenders did.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    /// What the registry is to reach with its default hasher and with foldhash, as a ratio to the first line.
    pub(crate) goals: Option<[f64; 2]>,
    pub(crate) lines: Vec<Line>,
}

impl Table {
    /// What this line is to reach.
    pub(crate) fn goal(&self, line: &Line) -> Option<f64> {
        let [default, foldhash] = self.goals.filter(|_| line.name.starts_with(TURNWISE))?;
        Some(if line.name.ends_with(FOLDHASH) {
            foldhash
        } else {
            default
        })
    }

    /// The ratio of a line of the registry to the floor with the same hasher.
    pub(crate) fn to_same_hasher(&self, line: &Line) -> Option<f64> {
        let ours = line.name.starts_with(TURNWISE);
        let floor = if line.name.ends_with(FOLDHASH) {
            FLOOR_FOLD
        } else {
            FLOOR_SIP
        };
        let floor = self.lines.iter().find(|line| line.name == floor);
        Some(line.ratio / floor.filter(|_| ours)?.ratio)
    }
}

fn all() -> Vec<Make<u64>> {
    let mut all = make_sized::<u64, 8>();
    all.extend([
        Make::of::<MapLock>("map lock across the turn"),
        Make::of::<Idiom>("tokio RwLock + tokio Mutex"),
        Make::of::<Mixed>("RwLock + tokio Mutex"),
        Make::of::<Dash>("DashMap + tokio Mutex"),
        Make::of::<Papaya>("papaya + Mutex"),
        Make::of::<Scc>("scc entry_async"),
        Make::of::<Lockable>("lockable"),
        Make::of::<Moka>("moka + tokio Mutex"),
        Make::of::<Actors>("actor per key"),
    ]);
    all
}

pub(crate) const FLOOR: &str = "floor: RwLock + Mutex";
const FLOOR_SIP: &str = "floor, with turnwise's default hasher";
const FLOOR_FOLD: &str = "floor, with foldhash";
pub(crate) const TURNWISE: &str = "turnwise";
pub(crate) const FOLDHASH: &str = "foldhash";

/// Without those that would need a task for each of many keys, or the whole time for one batch.
fn but(left_out: &[&str]) -> Vec<Make<u64>> {
    let mut all = all();
    all.retain(|make| !left_out.iter().any(|name| make.name.starts_with(name)));
    all
}

/// How many acts a batch has, and how many rounds there are.
const ACTS: usize = 20_000;
const ROUNDS: usize = 21;

/// Each workload whose name has `filter` in it.
pub(crate) fn tables(filter: &str) -> Vec<Table> {
    type Run = fn(&'static str) -> Table;
    let workloads: [(&'static str, Run); 10] = [
        ("W1: a turn of one key, nobody else", |name| {
            one_key(name, Act::Turn, [1.80, 1.65])
        }),
        // Of the floor, that is a turn.
        ("status of one key, nobody else", |name| {
            one_key(name, Act::Look, [0.60, 0.47])
        }),
        ("W2: turns of 1,000 keys, 2 threads", many_keys),
        ("W5: create and remove, 1 thread", |name| {
            pairs(name, 1, Some([2.90, 2.80]))
        }),
        ("W5: create and remove, 2 threads", |name| {
            pairs(name, 2, None)
        }),
        (
            "W8: 80 % status, 19 % turns, 1 % create and remove, 1 thread",
            |name| mix(name, 1, Some([0.90, 0.78])),
        ),
        (
            "W8: 80 % status, 19 % turns, 1 % create and remove, 2 threads",
            |name| mix(name, 2, None),
        ),
        ("W1 with sessions of 1 KB", |name| {
            sizes(name, make_sized::<u64, 128>())
        }),
        ("W1 with sessions of 16 KB", |name| {
            sizes(name, make_sized::<u64, 2048>())
        }),
        ("W1 with string keys of 36 bytes", |name| {
            sizes(name, make_sized::<String, 8>())
        }),
    ];
    let chosen = workloads
        .into_iter()
        .filter(|(name, _)| name.contains(filter));
    chosen.map(|(name, run)| run(name)).collect()
}

fn make_sized<K: Key, const N: usize>() -> Vec<Make<K>> {
    vec![
        Make::of::<Floor<K, N>>(FLOOR),
        Make::of::<Turnwise<K, N>>(TURNWISE),
        Make::of::<Blocking<K, N>>("turnwise, blocking"),
        Make::of::<Floor<K, N, Sip>>(FLOOR_SIP),
        Make::of::<Floor<K, N, Fold>>(FLOOR_FOLD),
        Make::of::<Turnwise<K, N, Fold>>("turnwise, foldhash"),
        Make::of::<Blocking<K, N, Fold>>("turnwise, blocking, foldhash"),
    ]
}

fn run<K: Key>(
    name: &'static str,
    goals: Option<[f64; 2]>,
    makes: Vec<Make<K>>,
    before: &[(Act, K)],
    acts: &[Vec<(Act, K)>],
) -> Table {
    eprintln!("{name}");
    let contenders: Vec<_> = makes
        .into_iter()
        .map(|Make { name, make }| (name, make()))
        .collect();
    let batch = |(name, contender): &'_ (&'static str, Box<dyn Contender<K>>)| {
        contender.run(before);
        (*name).to_owned()
    };
    let names: Vec<String> = contenders.iter().map(batch).collect();
    let batches = names
        .into_iter()
        .zip(&contenders)
        .map(|(name, (_, contender))| -> Batch<'_> {
            let jobs = acts.iter().map(|acts| move || contender.run(acts));
            let jobs: Vec<_> = jobs.collect();
            (name, Box::new(move || together(&jobs)))
        });
    let lines = compare(batches.collect(), acts[0].len(), ROUNDS);
    Table {
        name: name.to_owned(),
        unit: "ns an act",
        goals,
        lines,
    }
}

fn one_key(name: &'static str, act: Act, goals: [f64; 2]) -> Table {
    let acts = vec![(act, 7); ACTS];
    run(name, Some(goals), all(), &[(Act::Insert, 7)], &[acts])
}

/// Two threads, each in its own order over the same thousand keys.
fn many_keys(name: &'static str) -> Table {
    let keys: Vec<u64> = (0..1000).collect();
    let before: Vec<_> = keys.iter().map(|key| (Act::Insert, *key)).collect();
    let acts = |seed| -> Vec<(Act, u64)> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..ACTS).map(|_| (Act::Turn, random.u64(..1000))).collect()
    };
    let makes = but(&["actor"]);
    run(name, None, makes, &before, &[acts(1), acts(2)])
}

/// Each thread has its own keys, among a thousand that stay.
fn pairs(name: &'static str, threads: u64, goals: Option<[f64; 2]>) -> Table {
    let before: Vec<_> = (0..1000).map(|key| (Act::Insert, key)).collect();
    let acts: Vec<Vec<_>> = (1..=threads)
        .map(|thread| {
            (0..ACTS as u64)
                .map(|number| (Act::Pair, thread * 1_000_000 + number))
                .collect()
        })
        .collect();
    run(name, goals, but(&["actor"]), &before, &acts)
}

fn mix(name: &'static str, threads: u64, goals: Option<[f64; 2]>) -> Table {
    let before: Vec<_> = (0..1000).map(|key| (Act::Insert, key)).collect();
    let acts = |thread: u64| -> Vec<(Act, u64)> {
        let mut random = fastrand::Rng::with_seed(thread);
        let mut fresh = thread * 1_000_000;
        let act = |_| match random.u32(..100) {
            0..80 => (Act::Look, random.u64(..1000)),
            80..99 => (Act::Turn, random.u64(..1000)),
            _ => {
                fresh += 1;
                (Act::Pair, fresh)
            }
        };
        (0..ACTS).map(act).collect()
    };
    let acts: Vec<_> = (1..=threads).map(acts).collect();
    run(name, goals, but(&["actor"]), &before, &acts)
}

fn sizes<K: Key>(name: &'static str, makes: Vec<Make<K>>) -> Table {
    let key = K::of(7);
    let acts = vec![(Act::Turn, key.clone()); ACTS];
    run(name, None, makes, &[(Act::Insert, key)], &[acts])
}
