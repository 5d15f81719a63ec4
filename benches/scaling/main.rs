//! What a turn, a waiter, a session, a cleanup and the manager's calls cost as there are more of them: `just scaling`.
//!
//! Each part prints its tables and leaves a plot; docs/scaling.md says where the curves bend and why. Without an argument all parts
//! run; with one, those that have it in their name. `--keep` writes the tables into the page and the plots beside it.

mod cores;
mod expiry;
mod lists;
mod manager;
#[path = "../peers/measure.rs"]
mod measure;
mod model;
#[path = "../peers/page.rs"]
mod page;
mod sessions;
mod told;
mod waiters;

use std::{env, error::Error, fs, path::Path};
use told::Found;

/// A session of 64 bytes, and what is done in a turn of it.
type V = [u64; 8];

fn work(session: &mut V) {
    session[0] += 1;
    std::hint::black_box(session);
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [flag, what, count] = &args[..] {
        if flag == "--bytes" {
            let count = count.parse()?;
            let bytes = match what.as_str() {
                "sessions" => sessions::bytes(count),
                "waiters" => waiters::bytes(count),
                what => expiry::bytes(what, count)?,
            };
            println!("{bytes}");
            return Ok(());
        }
    }
    let filter = args.iter().find(|arg| !arg.starts_with('-'));
    type Run = fn() -> Found;
    let parts: [(&str, Run); 5] = [
        ("cores", cores::run),
        ("waiters", waiters::run),
        ("sessions", sessions::run),
        ("expiry", expiry::run),
        ("manager", manager::run),
    ];
    let mut found = Found::default();
    for (name, run) in parts {
        if filter.is_none_or(|filter| name.contains(filter.as_str())) {
            eprintln!("{name}");
            let part = run();
            for table in &part.tables {
                println!("**{}**\n\n{}", table.name, table.text()?);
            }
            found.tables.extend(part.tables);
            found.plots.extend(part.plots);
        }
    }
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = home.join("target/bench");
    let machine = format!("{}; {}", page::machine(), caches());
    told::write(&found, &machine, &folder)?;
    if args.iter().any(|arg| arg == "--keep") {
        let docs = home.join("docs");
        let page = docs.join("scaling.md");
        let keep = |name: &str, text: &str| {
            let begin = format!("<!-- {name}: begin, written by `just scaling --keep` -->\n");
            page::keep(&page, &begin, &format!("<!-- {name}: end -->"), text)
        };
        keep("machine", &format!("{machine}.\n"))?;
        for table in &found.tables {
            keep(table.name, &table.text()?)?;
        }
        for plot in &found.plots {
            let file = format!("scaling-{}.svg", plot.name);
            fs::copy(folder.join(&file), docs.join(&file))?;
        }
    }
    Ok(())
}

/// The data caches of the first core, as the system tells them.
fn caches() -> String {
    let folder = Path::new("/sys/devices/system/cpu/cpu0/cache");
    let cache = |index: usize| {
        let read = |what| {
            let text = fs::read_to_string(folder.join(format!("index{index}/{what}"))).ok()?;
            Some(text.trim().to_owned())
        };
        let (level, kind) = (read("level")?, read("type")?);
        let shared = read("shared_cpu_list")?;
        (kind != "Instruction")
            .then(|| Some(format!("L{level} {}B (cores {shared})", read("size")?)))?
    };
    let all: Vec<String> = (0..8).filter_map(cache).collect();
    format!("caches of core 0: {}", all.join(", "))
}
