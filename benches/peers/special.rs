//! The workloads in which one number is not the time of an act: a turn that is held, fairness, cleanup, growth, memory.

use crate::{contenders::*, crates::*, map::*, measure::*, workloads::*};
use parking_lot::{Mutex, RwLock};
use std::{
    cell::LazyCell,
    collections::HashMap,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};
use turnwise::{Clock, Registry};

const MILLION: u64 = 1_000_000;

fn line(name: &str, value: f64, base: f64) -> Line {
    Line {
        name: name.to_owned(),
        ratio: value / base,
        quartiles: (f64::NAN, f64::NAN),
        nanos: value,
        again: 0,
        more: None,
    }
}

/// Each workload whose name has `filter` in it.
pub(crate) fn tables(filter: &str) -> Vec<Table> {
    // Two rows, of the same runs.
    let sweeps = LazyCell::new(sweeps);
    let total = |name| best_of(name, &sweeps, |(took, _)| *took);
    let stall = |name| best_of(name, &sweeps, |(_, longest)| *longest);
    let workloads: [(&'static str, &dyn Fn(&'static str) -> Table); 6] = [
        ("status while a turn holds the key for 100 ms, p50", &held),
        ("W3: one key, 16 tasks, a yield in each turn", &fair),
        ("W6: cleanup of 1 % of a million, total", &total),
        (
            "W6: longest stall of a live turn meanwhile, best of runs",
            &stall,
        ),
        ("growth: longest insert up to a million", &growth),
        ("W7: bytes a session at a million", &memory),
    ];
    let chosen = workloads
        .into_iter()
        .filter(|(name, _)| name.contains(filter));
    chosen
        .map(|(name, run)| {
            eprintln!("{name}");
            run(name)
        })
        .collect()
}

fn held(name: &'static str) -> Table {
    const HELD: Duration = Duration::from_millis(100);
    let floor = RwLock::new(HashMap::from([(7_u64, Arc::new(Mutex::new(V::new())))]));
    let floor_once = || {
        let session = Arc::clone(&floor.read()[&7]);
        let turn = session.lock();
        thread::scope(|scope| {
            let looker = scope.spawn(|| {
                let begun = Instant::now();
                black_box(floor.read()[&7].lock().0[0]);
                begun.elapsed()
            });
            thread::sleep(HELD);
            drop(turn);
            looker.join().expect("it looks").as_secs_f64() * 1e9
        })
    };
    let floor = at(&sorted((0..5).map(|_| floor_once()).collect()), 0.5);
    let sessions: Registry<u64, V> = Registry::new();
    let turn = sessions
        .enter_blocking(&7)
        .expect("it is open")
        .or_insert_with(V::new);
    let ours = (0..20_001).map(|_| {
        let begun = Instant::now();
        black_box(sessions.status(&7));
        begun.elapsed().as_secs_f64() * 1e9
    });
    let ours = at(&sorted(ours.collect()), 0.5);
    drop(turn);
    Table {
        name: name.to_owned(),
        unit: "ns, with the reading of the clock",
        goals: None,
        lines: vec![
            line("a lock for each session, as usually written", floor, floor),
            line(TURNWISE, ours, floor),
        ],
    }
}

/// Turns in a fixed time, and Jain's index of their shares.
fn share<M: Map<u64>>() -> (f64, f64) {
    const TASKS: usize = 16;
    const LENGTH: Duration = Duration::from_millis(300);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    let runtime = runtime.expect("threads can be started");
    let map = Arc::new(M::new());
    let stop = Arc::new(AtomicBool::new(false));
    let counts: Vec<_> = (0..TASKS).map(|_| Arc::new(AtomicU64::new(0))).collect();
    runtime.block_on(async {
        let tasks: Vec<_> = counts
            .iter()
            .map(|count| {
                let (map, stop, count) = (Arc::clone(&map), Arc::clone(&stop), Arc::clone(count));
                tokio::spawn(async move {
                    while !stop.load(Relaxed) {
                        map.turn_with_yield(&7).await;
                        count.fetch_add(1, Relaxed);
                    }
                })
            })
            .collect();
        let waiting = Arc::clone(&stop);
        let timer = thread::spawn(move || {
            thread::sleep(LENGTH);
            waiting.store(true, Relaxed);
        });
        for task in tasks {
            task.await.expect("no contender panics");
        }
        timer.join().expect("it sleeps");
    });
    let counts: Vec<f64> = counts
        .iter()
        .map(|count| count.load(Relaxed) as f64)
        .collect();
    let sum: f64 = counts.iter().sum();
    let squares: f64 = counts.iter().map(|count| count * count).sum();
    (
        LENGTH.as_secs_f64() * 1e9 / sum,
        sum * sum / (counts.len() as f64 * squares),
    )
}

fn fair(name: &'static str) -> Table {
    let mut times = [const { Vec::new() }; 3];
    let mut jain = [const { Vec::new() }; 3];
    let runs: [fn() -> (f64, f64); 3] = [share::<Mixed>, share::<Turnwise<u64, 8>>, share::<Dash>];
    for round in 0..6 {
        for index in 0..3 {
            let index = if round % 2 == 0 { index } else { 2 - index };
            let (time, index_of_jain) = runs[index]();
            times[index].push(time);
            jain[index].push(index_of_jain);
        }
    }
    let median = |values: &Vec<f64>| at(&sorted(values.clone()), 0.5);
    let base = median(&times[0]);
    let named = |index: usize, name: &str| {
        let name = format!("{name}; Jain {:.4}", median(&jain[index]));
        line(&name, median(&times[index]), base)
    };
    Table {
        name: name.to_owned(),
        unit: "ns a turn",
        goals: Some([1.0, 1.0]),
        lines: vec![
            named(0, "RwLock + tokio Mutex"),
            named(1, TURNWISE),
            named(2, "DashMap + tokio Mutex"),
        ],
    }
}

/// How long a cleanup took, and the longest that a live turn of another key took meanwhile.
fn sweep(live: impl Fn() + Sync, clean: impl FnOnce()) -> (Duration, Duration) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let turns = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !stop.load(Relaxed) {
                let begun = Instant::now();
                live();
                longest = longest.max(begun.elapsed());
            }
            longest
        });
        let begun = Instant::now();
        clean();
        let took = begun.elapsed();
        stop.store(true, Relaxed);
        (took, turns.join().expect("no contender panics"))
    })
}

/// What contenders' sweeps took, and the live turns meanwhile.
type Sweeps = [(&'static str, Vec<(Duration, Duration)>); 3];

fn sweeps() -> Sweeps {
    const RUNS: usize = 3;
    let idle = |key: u64| key % 100 == 0;
    // As a cleanup by hand is written: each session has a stamp beside it, which its turns write.
    let floor = || {
        let map = RwLock::new(HashMap::new());
        let made = |key| {
            let stamp = AtomicU64::new(u64::from(!idle(key)));
            (key, Arc::new((stamp, Mutex::new(V::new()))))
        };
        map.write().extend((0..MILLION).map(made));
        let live = || {
            let slot = Arc::clone(&map.read()[&1]);
            slot.1.lock().work();
            slot.0.store(1, Relaxed);
        };
        sweep(live, || {
            map.write().retain(|_, slot| slot.0.load(Relaxed) > 0);
        })
    };
    let scc = || {
        let map = scc::HashMap::new();
        for key in 0..MILLION {
            drop(map.insert_sync(key, (idle(key), V::new())));
        }
        let live = || {
            if let Some(mut v) = map.get_sync(&1) {
                v.1.work();
            }
        };
        sweep(live, || map.retain_sync(|_, (idle, _)| !*idle))
    };
    let ours = || {
        let (clock, hand) = Clock::manual();
        let sessions: Registry<u64, V> = Registry::builder().clock(clock).build();
        let make = |key| {
            drop(
                sessions
                    .enter_blocking(&key)
                    .expect("it is open")
                    .or_insert_with(V::new),
            );
        };
        (0..MILLION).filter(|key| idle(*key)).for_each(make);
        hand.advance(Duration::from_secs(60));
        (0..MILLION).filter(|key| !idle(*key)).for_each(make);
        let live = || {
            sessions
                .enter_blocking(&1)
                .expect("it is open")
                .or_insert_with(V::new)
                .work();
        };
        sweep(live, || {
            let swept = sessions.cleanup_idle(Duration::from_secs(60), |_, _, _| {});
            assert_eq!(swept.closed as u64, MILLION / 100);
        })
    };
    let contenders: [(&'static str, &dyn Fn() -> (Duration, Duration)); 3] = [
        (
            "floor: retain by a stamp in the slot, under the map's lock",
            &floor,
        ),
        (TURNWISE, &ours),
        ("scc retain", &scc),
    ];
    let mut all = contenders.map(|(name, _)| (name, Vec::new()));
    for _ in 0..RUNS {
        for ((_, run), (_, runs)) in contenders.iter().zip(&mut all) {
            runs.push(run());
        }
    }
    all
}

fn best_of(
    name: &'static str,
    sweeps: &Sweeps,
    pick: fn(&(Duration, Duration)) -> Duration,
) -> Table {
    let best = |(name, runs): &(&'static str, Vec<_>)| {
        let best = runs.iter().map(pick).min().unwrap_or_default();
        (*name, best.as_secs_f64() * 1e6)
    };
    against_the_first(name, &sweeps.each_ref().map(best))
}

/// Microseconds.
fn against_the_first(name: &'static str, all: &[(&'static str, f64)]) -> Table {
    let base = all[0].1;
    let lines = all.iter().map(|(name, value)| line(name, *value, base));
    Table {
        name: name.to_owned(),
        unit: "us",
        goals: None,
        lines: lines.collect(),
    }
}

fn growth(name: &'static str) -> Table {
    let longest = |make: Make<u64>| {
        let map = (make.make)();
        let mut longest = Duration::ZERO;
        for key in 0..MILLION {
            let begun = Instant::now();
            map.run(&[(Act::Insert, key)]);
            longest = longest.max(begun.elapsed());
        }
        (make.name, longest.as_secs_f64() * 1e6)
    };
    let makes = [
        Make::of::<Floor<u64, 8>>(FLOOR),
        Make::of::<Blocking<u64, 8>>(TURNWISE),
        Make::of::<Dash>("DashMap + tokio Mutex"),
        Make::of::<Scc>("scc entry_async"),
        Make::of::<Papaya>("papaya + Mutex"),
    ];
    let all: Vec<_> = makes.into_iter().map(longest).collect();
    against_the_first(name, &all)
}

fn memory(name: &'static str) -> Table {
    let ask = |name: &str| ask(&["--bytes", name]);
    let all: Vec<_> = weighed()
        .iter()
        .map(|make| (make.name, ask(make.name)))
        .collect();
    let base = all[0].1;
    Table {
        name: name.to_owned(),
        unit: "bytes",
        goals: None,
        lines: all
            .iter()
            .map(|(name, value)| line(name, *value, base))
            .collect(),
    }
}

fn weighed() -> [Make<u64>; 5] {
    [
        Make::of::<Floor<u64, 8>>(FLOOR),
        Make::of::<Blocking<u64, 8>>(TURNWISE),
        Make::of::<Dash>("DashMap + tokio Mutex"),
        Make::of::<Scc>("scc entry_async"),
        Make::of::<Papaya>("papaya + Mutex"),
    ]
}

/// What the process of one contender says.
pub(crate) fn bytes(name: &str) {
    let make = weighed().into_iter().find(|make| make.name == name);
    let map = (make.expect("a contender of this name").make)();
    let before = resident();
    for key in 0..MILLION {
        map.run(&[(Act::Insert, u64::of(key))]);
    }
    println!("{}", (resident() - before) / MILLION as f64);
}
