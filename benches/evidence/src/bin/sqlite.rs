//! A SQLite connection for each tenant: `just evidence sqlite`. `--keep` writes docs/why.md and README.md; `--rounds=N` is for fewer or more
//! of them, `--busy-ms=N` for another busy timeout.

use std::{env, error::Error, time::Duration};
use turnwise_evidence::{
    page, rounds,
    sqlite::{Load, table},
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let rounds = rounds::asked(&args, "--rounds", 7)?;
    let busy_timeout = rounds::asked(&args, "--busy-ms", 250)?;
    let busy_timeout = Duration::from_millis(busy_timeout as u64);
    let load = Load {
        tenants: 12,
        threads: 8,
        inserts: 2_400,
    };
    let lines = table::measure(load, rounds, busy_timeout);
    page::publish(&table::evidence(&lines, load, rounds, busy_timeout), &args)
}
