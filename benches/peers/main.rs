//! The registry side by side with what people use instead: `just bench`.
//!
//! Times are ratios to the floor (parking_lot's locks by hand, std's map), taken in one run; see `measure`. Without an
//! argument all workloads run; with one, those that have it in their name. `--keep` writes the summary into docs/speed.md.
//! `--with=FILE`, any number of times, names the `peers.json` of other builds: the ratios are then the medians over all builds.

mod by_hand;
mod contenders;
mod counter;
mod crates;
mod managed;
mod map;
mod measure;
mod page;
mod report;
mod special;
mod summary;
mod ways;
mod workloads;

use std::{env, error::Error, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, name] = &args[..] {
        if flag == "--bytes" {
            special::bytes(name);
            return Ok(());
        }
    }
    let filter = args
        .iter()
        .find(|arg| !arg.starts_with('-'))
        .map_or("", String::as_str);
    let mut tables = workloads::tables(filter);
    tables.extend(special::tables(filter));
    tables.extend(managed::tables(filter));
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = args.iter().filter_map(|arg| arg.strip_prefix("--with="));
    report::with(&mut tables, files.map(|file| home.join(file)))?;
    report::write(&tables, &home.join("target/bench"))?;
    if args.iter().any(|arg| arg == "--keep") {
        summary::keep(&tables, &home.join("docs/speed.md"))?;
    }
    Ok(())
}
