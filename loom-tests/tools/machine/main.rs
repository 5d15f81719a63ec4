//! Proves what the machine of one slot promises, for queues of any length, and that the source is this machine.
//!
//!     cargo run -p tools --bin machine -- prove           each transition keeps the invariant; the claims follow from it
//!     cargo run -p tools --bin machine -- weaken          weakens a guard at a time, and expects a counterexample
//!     cargo run -p tools --bin machine -- judge FOLDER    judges what the source has recorded there
//!     cargo run -p tools --bin machine -- mutants          breaks the slot's source, and expects a record that is not allowed
//!
//! The machine is in `machine/smt`. z3 answers.

mod judge;
#[path = "../mutant/mod.rs"]
mod mutant;
mod prove;
mod sexp;
#[path = "../table.rs"]
mod table;
mod theory;
mod tie;
#[path = "../tree.rs"]
mod tree;
mod weaken;
mod z3;

use std::{env, path::Path, process::ExitCode};
use theory::Theory;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(words) => {
            eprintln!("error: {words}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<bool, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match arguments {
        ["prove"] => prove::prove(&Theory::read(&root, &[])?),
        ["weaken"] => weaken::weaken(&root, None),
        ["weaken", filter] => weaken::weaken(&root, Some(filter)),
        ["judge", folder] => judge::judge(&root, Path::new(folder)),
        ["mutants"] => tie::mutated(&root, ""),
        ["mutants", filter] => tie::mutated(&root, filter),
        _ => Err("one of: prove, weaken, judge, mutants".to_owned()),
    }
}
