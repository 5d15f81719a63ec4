//! Instructions of the paths that matter, counted exactly, against the record in `instructions.json`: `just bench-gate`.
//!
//! callgrind counts two runs of one path, of different lengths. Their difference is the path alone. More than 3 % above the
//! record fails. `just bench-gate --record` writes a new record, whose reason belongs into the commit.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, env, error::Error, fs, hint::black_box, process::Command};
use turnwise::{Registry, Turn};

const RECORD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");
const PATHS: [&str; 5] = [
    "turn",
    "turn, blocking",
    "turn of 16 KB, blocking",
    "status",
    "create and remove",
];
const SHORT: u64 = 1_000;
const LONG: u64 = 11_000;
/// Above the record, in a hundred.
const TOLERANCE: f64 = 3.0;

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    /// Another compiler makes other instructions.
    rustc: String,
    instructions: BTreeMap<String, f64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, path, times] = &args[..] {
        if flag == "--run" {
            run(path, times.parse()?);
            return Ok(());
        }
    }
    let mut now = Record {
        rustc: version()?,
        instructions: BTreeMap::new(),
    };
    for path in PATHS {
        let each = (count(path, LONG)? - count(path, SHORT)?) as f64 / (LONG - SHORT) as f64;
        now.instructions.insert(path.to_owned(), each.round());
    }
    if args.iter().any(|arg| arg == "--record") {
        fs::write(RECORD, serde_json::to_string_pretty(&now)? + "\n")?;
    }
    let record: Record = serde_json::from_str(&fs::read_to_string(RECORD)?)?;
    if record.rustc != now.rustc {
        let (recorded, here) = (record.rustc, now.rustc);
        return Err(format!(
            "CANNOT RUN bench-gate: the record is of {recorded}, and this is {here}"
        )
        .into());
    }
    let mut above = false;
    for (path, each) in &now.instructions {
        let known = record
            .instructions
            .get(path)
            .copied()
            .ok_or("a path without a record")?;
        let more = 100.0 * (each / known - 1.0);
        println!("{path:<26} {each:>6} instructions, {more:+.1} %");
        above |= more > TOLERANCE;
    }
    if above {
        return Err("more instructions than the record allows".into());
    }
    Ok(())
}

fn version() -> Result<String, Box<dyn Error>> {
    let output = Command::new("rustc").arg("--version").output()?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn count(path: &str, times: u64) -> Result<u64, Box<dyn Error>> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind
        .arg(env::current_exe()?)
        .args(["--run", path, &times.to_string()]);
    let output = valgrind
        .output()
        .map_err(|_| "CANNOT RUN bench-gate: valgrind is not installed")?;
    let output = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = output
        .lines()
        .find_map(|line| line.split("Collected :").nth(1));
    Ok(line.ok_or("callgrind printed no count")?.trim().parse()?)
}

fn run(path: &str, times: u64) {
    let small: Registry<u64, [u64; 8]> = Registry::new();
    let large: Registry<u64, [u64; 2048]> = Registry::new();
    drop(
        small
            .enter_blocking(&7)
            .map(|entry| entry.or_insert_with(|| [0; 8])),
    );
    drop(
        large
            .enter_blocking(&7)
            .map(|entry| entry.or_insert_with(|| [0; 2048])),
    );
    for number in 0..times {
        match path {
            "turn" => {
                let entry = pollster::block_on(small.enter(&7)).expect("it is open");
                black_box(&mut *entry.or_insert_with(|| [0; 8]));
            }
            "turn, blocking" => {
                let entry = small.enter_blocking(&7).expect("it is open");
                black_box(&mut *entry.or_insert_with(|| [0; 8]));
            }
            "turn of 16 KB, blocking" => {
                let entry = large.enter_blocking(&7).expect("it is open");
                black_box(&mut *entry.or_insert_with(|| [0; 2048]));
            }
            "status" => {
                black_box(small.status(&7));
            }
            _ => {
                let entry = small.enter_blocking(&(1000 + number)).expect("it is open");
                drop(Turn::vacate(entry.or_insert_with(|| [0; 8])));
            }
        }
    }
}
