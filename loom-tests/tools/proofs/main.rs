//! Runs the checks and keeps what PROOFS.md says of them.
//!
//!     cargo run -p loom-tests --bin proofs -- table     runs loom's models and prints their table
//!     cargo run -p loom-tests --bin proofs -- write     runs the everyday checks and writes the tables into PROOFS.md
//!     cargo run -p loom-tests --bin proofs -- write histories mutants claims     those tables alone; what is not run for them
//!                                                       is taken from PROOFS.md as it stands
//!     cargo run -p loom-tests --bin proofs -- check     runs them, and fails where PROOFS.md, the source, the tests or the
//!                                                       mutants disagree
//!     cargo run -p loom-tests --bin proofs -- prove     runs everything at its larger bounds, mutants too, and ends with one
//!                                                       table: claim by engine. `prove --write` keeps it in PROOFS.md
//!     cargo run -p loom-tests --bin proofs -- coverage MODELS PROPERTIES TESTS     three reports in lcov's format: writes
//!                                                       their table into PROOFS.md, which `check` does not compare
//!
//! `runs` runs an engine and reads its rows, `book` is PROOFS.md with its markers, `agree` compares what different files
//! say, `machine` is what cargo-mutants counted, `verdict` is the table of claims by engines, `coverage` that of the lines which are reached.

mod agree;
mod book;
mod coverage;
mod machine;
#[path = "../mutant/mod.rs"]
mod mutant;
mod runs;
mod verdict;

use book::Book;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let end = match arguments[..] {
        ["table"] => runs::models(runs::Size::Everyday)
            .and_then(runs::Run::whole)
            .map(|rows| print!("{}", book::table(&runs::MODELS, &rows))),
        ["write", ref names @ ..] => write(names),
        ["check"] => check(),
        ["prove"] => prove(false),
        ["prove", "--write"] => prove(true),
        ["coverage", models, properties, tests] => coverage([models, properties, tests]),
        _ => Err(
            "one of: table, write, write TABLE .., check, prove, prove --write, coverage"
                .to_owned(),
        ),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("{words}");
            ExitCode::FAILURE
        }
    }
}

/// The everyday tables, by the names of their markers.
const TABLES: [&str; 6] = [
    "models",
    "histories",
    "fuzz",
    "mutants",
    "machine",
    "claims",
];

/// Those of these names. What is not among them is not run: its rows are the book's.
fn tables(book: &Book, names: &[&str]) -> Result<Vec<(&'static str, String)>, String> {
    use runs::{FUZZ, HISTORIES, MODELS, Size};
    if let Some(unknown) = names.iter().find(|name| !TABLES.contains(name)) {
        return Err(format!(
            "no table is named {unknown}: {}",
            TABLES.join(", ")
        ));
    }
    let rows = |name: &str, run: &dyn Fn() -> Result<runs::Run, String>| {
        if names.contains(&name) {
            run()?.whole()
        } else {
            book.rows(name)
        }
    };
    let models = rows("models", &|| runs::models(Size::Everyday))?;
    let histories = rows("histories", &|| runs::histories(Size::Everyday))?;
    let fuzz = rows("fuzz", &runs::fuzz)?;
    let mutants = agree::mutants()?;
    let mut tables = vec![
        ("models", book::table(&MODELS, &models)),
        ("histories", book::table(&HISTORIES, &histories)),
        ("fuzz", book::table(&FUZZ, &fuzz)),
        ("mutants", agree::mutants_table(&mutants)),
        ("machine", machine::table()?),
    ];
    if names.contains(&"claims") {
        let tests = agree::tests()?;
        let claims = verdict::claims(&models, &histories, &fuzz, &tests, &mutants)?;
        tables.push(("claims", claims));
    }
    tables.retain(|(name, _)| names.contains(name));
    Ok(tables)
}

fn write(names: &[&str]) -> Result<(), String> {
    let names = if names.is_empty() { &TABLES } else { names };
    let mut book = Book::open()?;
    for (name, table) in tables(&book, names)? {
        book.put(name, &table)?;
    }
    book.save()
}

fn check() -> Result<(), String> {
    // What needs no run comes first.
    let book = Book::open()?;
    agree::check(&book)?;
    let mut unlike = String::new();
    for (name, table) in tables(&book, &TABLES)? {
        unlike += &book.unlike(name, &table)?;
    }
    if unlike.is_empty() {
        println!(
            "the claims, their models, histories, fuzz targets, tests and mutants are as PROOFS.md says"
        );
        Ok(())
    } else {
        Err(format!(
            "PROOFS.md (-) is not what the checks say (+):\n{unlike}"
        ))
    }
}

fn coverage(reports: [&str; 3]) -> Result<(), String> {
    let (table, unreached) = coverage::tell(reports)?;
    let mut book = Book::open()?;
    book.put("coverage", &table)?;
    book.save()?;
    println!("{table}\n{unreached}");
    Ok(())
}

fn prove(keep: bool) -> Result<(), String> {
    let mut book = Book::open()?;
    agree::check(&book)?;
    let verdict = verdict::prove(&book)?;
    println!("\n{verdict}");
    if keep {
        book.put("prove", &verdict.to_string())?;
        book.save()?;
    }
    if verdict.holds() {
        Ok(())
    } else {
        Err("not everything holds".to_owned())
    }
}
