//! Keeps the generated parts of PROOFS.md, and checks that the project agrees with it.
//!
//!     cargo run -p tools --bin proofs -- check     fails where PROOFS.md, the source, the models, the tests and the mutants
//!                                                  disagree. It runs no model: seconds
//!     cargo run -p tools --bin proofs -- write     writes the generated parts
//!     cargo run -p tools --bin proofs -- models    prints the table of loom's models, from `bounds.rs`
//!     cargo run -p tools --bin proofs -- prove     runs every engine at its larger bounds, and the mutants, and prints one
//!                                                  table: claim by engine
//!     cargo run -p tools --bin proofs -- coverage MODELS PROPERTIES TESTS     prints a table of three reports in lcov's format
//!
//! `book` is PROOFS.md with its markers, `listed` reads the checks from their sources, `agree` compares files, `engines` has the
//! tables of claims by engines, `runs` runs an engine, `machine` has the counts of cargo-mutants, `coverage` the lines that are
//! reached.

mod agree;
mod book;
mod coverage;
mod engines;
mod listed;
mod machine;
#[path = "../mutant/mod.rs"]
mod mutant;
mod runs;
#[path = "../table.rs"]
mod table;

use book::Book;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let end = match arguments[..] {
        ["check"] => check(),
        ["write"] => write(),
        ["models"] => {
            print!("{}", models());
            Ok(())
        }
        ["prove"] => prove(),
        ["coverage", models, properties, tests] => coverage::print([models, properties, tests]),
        _ => Err("one of: check, write, models, prove, coverage".to_owned()),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("{words}");
            ExitCode::FAILURE
        }
    }
}

/// The generated parts, by the names of their markers.
fn parts(book: &Book) -> Result<[(&'static str, String); 2], String> {
    Ok([
        ("claims", engines::declared(book)?),
        ("machine", machine::counts()?),
    ])
}

fn write() -> Result<(), String> {
    let mut book = Book::open()?;
    for (name, part) in parts(&book)? {
        book.put(name, &part)?;
    }
    book.save()
}

fn check() -> Result<(), String> {
    let book = Book::open()?;
    agree::check(&book)?;
    let mut differences = String::new();
    for (name, part) in parts(&book)? {
        differences += &book.differences(name, &part)?;
    }
    if differences.is_empty() {
        println!("PROOFS.md agrees with the source, the models, the tests and the mutants");
        Ok(())
    } else {
        Err(format!(
            "PROOFS.md (-) differs from the checks (+); `just proofs` writes it:\n{differences}"
        ))
    }
}

fn prove() -> Result<(), String> {
    let book = Book::open()?;
    agree::check(&book)?;
    engines::prove(&book)
}

/// The models of the claims. Each asserts its number of executions.
fn models() -> String {
    use listed::bounds::MODELS;
    // The usual designs are of no claim, and some of their models must fail.
    let models = MODELS.iter().filter(|bound| bound.claim != "idiom");
    let rows = models.map(|bound| {
        let preemptions = bound.preemptions.map(|most| most.to_string());
        let explored = if preemptions.is_none() {
            "exhaustive"
        } else {
            "bounded"
        };
        vec![
            bound.claim.to_owned(),
            bound.model.to_owned(),
            // With the main one.
            (bound.threads + 1).to_string(),
            preemptions.unwrap_or_else(|| "any".to_owned()),
            bound.executions.to_string(),
            explored.to_owned(),
        ]
    });
    let mut rows: Vec<table::Row> = rows.collect();
    rows.sort_by_key(|row| (table::rank(&row[0]), row[1].clone()));
    table::table(
        "claim | model | threads | preemptions | executions | explored",
        &rows,
    )
}
