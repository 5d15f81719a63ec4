//! The manager: a plain turn beside pools and locks by hand (W9), and a message with its reply beside actors (W10). Strings as
//! keys, sessions of one word, a health check that is ready at once.

use crate::{measure::*, ways::*, workloads::*};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
    time::Instant,
};
use tokio::runtime::{Builder, Runtime};

/// Counts the allocations of each thread.
struct Counted;

#[global_allocator]
static COUNTED: Counted = Counted;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: all is the system allocator's; beside it a number of the thread is counted up, which allocates nothing.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// How many tasks act at once, on how many keys.
#[derive(Clone, Copy)]
struct Shape {
    tasks: usize,
    keys: usize,
}

impl Shape {
    fn runtime(self) -> Runtime {
        let mut builder = if self.tasks == 1 {
            Builder::new_current_thread()
        } else {
            Builder::new_multi_thread()
        };
        let runtime = builder.worker_threads(2).enable_time().build();
        runtime.expect("threads can be started")
    }
}

/// A way whose type is forgotten.
struct Contender {
    name: &'static str,
    /// One batch.
    run: Box<dyn Fn() -> Took>,
    /// Allocations of an act, and its times at p50 and p99, in nanoseconds.
    look: Box<dyn Fn() -> [f64; 3]>,
}

const ACTS: usize = 4_000;
const ROUNDS: usize = 21;

fn contender<W: Way>(name: &'static str, shape: Shape) -> Contender {
    let runtime = Arc::new(shape.runtime());
    let keys: Arc<Vec<String>> =
        Arc::new((0..shape.keys).map(|key| format!("key {key}")).collect());
    let way = {
        let _within = runtime.enter();
        Arc::new(W::new(&keys))
    };
    // The order of the keys is the same for all.
    let acts = move |way: Arc<W>, keys: Arc<Vec<String>>, seed| async move {
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..ACTS / shape.tasks {
            way.act(&keys[random.usize(..keys.len())]).await;
        }
    };
    let batch = {
        let (runtime, way, keys) = (Arc::clone(&runtime), Arc::clone(&way), Arc::clone(&keys));
        move || {
            let begun = Instant::now();
            runtime.block_on(async {
                let tasks = (1..shape.tasks as u64)
                    .map(|seed| tokio::spawn(acts(Arc::clone(&way), Arc::clone(&keys), seed)));
                let tasks: Vec<_> = tasks.collect();
                acts(Arc::clone(&way), Arc::clone(&keys), 0).await;
                for task in tasks {
                    task.await.expect("no contender panics");
                }
            });
            Ok(begun.elapsed())
        }
    };
    let look = move || {
        runtime.block_on(async {
            let mut times = Vec::with_capacity(ACTS);
            let mut random = fastrand::Rng::with_seed(0);
            let before = COUNT.get();
            for _ in 0..ACTS {
                let key = &keys[random.usize(..keys.len())];
                let begun = Instant::now();
                way.act(key).await;
                times.push(begun.elapsed().as_secs_f64() * 1e9);
            }
            let allocations = (COUNT.get() - before) as f64 / ACTS as f64;
            let times = sorted(times);
            [allocations, at(&times, 0.5), at(&times, 0.99)]
        })
    };
    Contender {
        name,
        run: Box::new(batch),
        look: Box::new(look),
    }
}

/// Each workload whose name has `filter` in it.
pub(crate) fn tables(filter: &str) -> Vec<Table> {
    let shapes = [
        ("one task, one key", 1, 1),
        ("one task, 1,000 keys", 1, 1_000),
        ("16 tasks on two threads, one key", 16, 1),
        ("16 tasks on two threads, 1,000 keys", 16, 1_000),
    ];
    let mut tables = Vec::new();
    for (what, message) in [
        ("W9: a plain turn", false),
        ("W10: a message and its reply", true),
    ] {
        for (shape, tasks, keys) in shapes {
            let name = format!("{what}; {shape}");
            if name.contains(filter) {
                tables.push(table(name, Shape { tasks, keys }, message));
            }
        }
    }
    tables
}

fn table(name: String, shape: Shape, message: bool) -> Table {
    eprintln!("{name}");
    let contenders = if message {
        vec![
            contender::<Tasks>("a task for each key, by mpsc", shape),
            contender::<Messages>("turnwise, send_message", shape),
            contender::<ByHand>("a manager of 150 lines, by hand", shape),
        ]
    } else {
        vec![
            contender::<Deadpools>("deadpool, a pool for each key", shape),
            contender::<Turns>("turnwise, turn", shape),
            contender::<Closures>("turnwise, with_turn", shape),
            contender::<Bb8s>("bb8, a pool for each key", shape),
            contender::<Locks>("RwLock + tokio Mutex, by hand", shape),
            contender::<LockedKeys>("lockable", shape),
        ]
    };
    let batches = contenders.iter().map(|contender| -> Batch<'_> {
        (contender.name.to_owned(), Box::new(|| (contender.run)()))
    });
    let mut lines = compare(batches.collect(), ACTS, ROUNDS);
    for (line, contender) in lines.iter_mut().zip(&contenders) {
        line.more = Some((contender.look)());
    }
    // Two threads hand over by waking each other, which the machine's scheduler decides.
    let goal = match (message, shape.tasks) {
        (false, 1) => Some([1.0; 2]),
        (true, 1) => Some([1.5; 2]),
        (true, _) => Some([0.9; 2]),
        (false, _) => None,
    };
    Table {
        name,
        unit: "ns an act",
        goals: goal,
        lines,
    }
}
