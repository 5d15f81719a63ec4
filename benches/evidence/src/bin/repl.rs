//! A REPL for each user behind axum, by hand and over the manager: `just evidence repl`. `--keep` writes docs/why.md and README.md;
//! `--rounds=N` is for fewer or more of them.

use std::{env, error::Error};
use turnwise_evidence::{
    page,
    repl::{scenarios::Size, table},
    rounds,
};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let rounds = rounds::asked(&args, "--rounds", 4)?;
    let own = env::current_exe()?;
    let by_hand = own.with_file_name("repl-by-hand");
    let manager = own.with_file_name("repl-manager");
    let size = Size {
        each: 10,
        users: 6,
        bursts: 60,
    };
    let results = table::measure([&by_hand, &manager], size, rounds)?;
    page::publish(&table::evidence(&results, rounds), &args)
}
