//! Instructions, locked read-modify-writes and allocations of the paths that matter, counted exactly, against the record in
//! `counts.json`: `just bench-gate`.
//!
//! callgrind counts two runs of one path, of different lengths. Their difference is the path alone. How often each
//! instruction ran, joined with the disassembly, gives the locked ones. More than 3 % of instructions above the record
//! fails. So does one locked instruction more, or one allocation. `just bench-gate --record` writes a new record, whose
//! reason belongs into the commit.

mod count;
mod managed;

use count::{Counts, count, fail};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    future::Future,
    hash::BuildHasher,
    hint::black_box,
    pin::pin,
    process::Command,
    task::{Context, Poll, Waker},
};
use turnwise::{Enter, Entry, Registry, Turn};

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.json");
/// Of the registry, with each hasher.
const PATHS: [&str; 5] = [
    "turn",
    "turn, blocking",
    "turn of 16 KB, blocking",
    "status",
    "create and remove",
];
const HASHERS: [&str; 2] = ["default hasher", "foldhash"];
const SHORT: u64 = 1_000;
const LONG: u64 = 11_000;
/// Above the record, in a hundred.
const TOLERANCE: f64 = 3.0;

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// Another compiler makes other instructions.
    rustc: String,
    paths: BTreeMap<String, Counts>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, path, hasher, times] = &args[..] {
        if flag == "--run" {
            let times = times.parse()?;
            match &hasher[..] {
                "foldhash" => run::<foldhash::quality::RandomState>(path, times),
                "the manager" => managed::run(path, times)?,
                _ => run::<turnwise::DefaultHasher>(path, times),
            }
            return Ok(());
        }
    }
    let mut now = Record {
        rustc: version()?,
        paths: BTreeMap::new(),
    };
    let registry = PATHS
        .iter()
        .flat_map(|path| HASHERS.map(|hasher| (path, hasher)));
    let manager = managed::PATHS.iter().map(|path| (path, "the manager"));
    for (path, hasher) in registry.chain(manager) {
        let [short, long] = [SHORT, LONG].map(|times| count(&[path, hasher, &times.to_string()]));
        let each = long?.since(&short?, LONG - SHORT);
        now.paths.insert(format!("{path}; {hasher}"), each);
    }
    if args.iter().any(|arg| arg == "--record") {
        fs::write(RECORD, serde_json::to_string_pretty(&now)? + "\n")?;
    }
    let record: Record = serde_json::from_str(&fs::read_to_string(RECORD)?)?;
    if record.rustc != now.rustc {
        let (recorded, here) = (record.rustc, now.rustc);
        return fail(&format!("the record is of {recorded}, and this is {here}"));
    }
    let mut above = false;
    for (path, each) in &now.paths {
        let known = record.paths.get(path).ok_or("a path without a record")?;
        let more = 100.0 * (each.instructions / known.instructions - 1.0);
        println!(
            "{path:<42} {:>6} instructions ({more:+.1} %), {:>2} of them locked ({:+}), {} allocations ({:+})",
            each.instructions,
            each.locked,
            each.locked - known.locked,
            each.allocations,
            each.allocations - known.allocations,
        );
        above |=
            more > TOLERANCE || each.locked > known.locked || each.allocations > known.allocations;
    }
    if above {
        return Err("more than the record allows".into());
    }
    Ok(())
}

fn version() -> Result<String, Box<dyn Error>> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

type Sessions<const N: usize, S> = Registry<u64, [u64; N], (), S>;

fn run<S: BuildHasher + Default>(path: &str, times: u64) {
    let small: Sessions<8, S> = Registry::builder().hasher(S::default()).build();
    let large: Sessions<2048, S> = Registry::builder().hasher(S::default()).build();
    drop(
        small
            .enter_blocking(&7)
            .map(|entry| entry.or_insert([0; 8])),
    );
    drop(
        large
            .enter_blocking(&7)
            .map(|entry| entry.or_insert([0; 2048])),
    );
    let numbers = 0..times;
    match path {
        "turn" => numbers.for_each(|_| {
            let entry = polled(small.enter(&7));
            black_box(&mut *entry.or_insert_with(|| [0; 8]));
        }),
        "turn, blocking" => numbers.for_each(|_| {
            let entry = small.enter_blocking(&7).expect("it is open");
            black_box(&mut *entry.or_insert_with(|| [0; 8]));
        }),
        "turn of 16 KB, blocking" => numbers.for_each(|_| {
            let entry = large.enter_blocking(&7).expect("it is open");
            black_box(&mut *entry.or_insert_with(|| [0; 2048]));
        }),
        "status" => numbers.for_each(|_| {
            black_box(small.status(&7));
        }),
        _ => numbers.for_each(|number| {
            let entry = small.enter_blocking(&(1000 + number)).expect("it is open");
            drop(Turn::vacate(entry.or_insert_with(|| [0; 8])));
        }),
    }
}

/// What a task does with a key that is free: one poll.
#[inline]
fn polled<V>(enter: Enter<u64, V>) -> Entry<u64, V> {
    match pin!(enter).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(entry)) => entry,
        _ => unreachable!("the key is free"),
    }
}
