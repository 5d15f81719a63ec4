//! What the fuzzer keeps, replayed on stable: its corpus, and every input that ever failed.
//!
//! `just fuzz` looks for new ones. An input that fails goes into `fuzz/regressions/` under a name that says what it broke.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

// The modules of the property tests call each other by these paths.
use fuzz::{counted, op, oracle};

use std::collections::BTreeSet;
use std::fs;
use std::mem::discriminant;
use std::panic::catch_unwind;
use std::path::Path;

/// The inputs in a folder, by name.
fn inputs(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz")
        .join(folder);
    let files = fs::read_dir(&folder).expect("the folder is committed");
    files
        .map(|file| file.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "md"))
        .map(|path| {
            let bytes = fs::read(&path).expect("the file can be read");
            (path.display().to_string(), bytes)
        })
        .collect()
}

/// Every input is run, so that one failure does not hide the next.
#[test]
fn every_kept_input() {
    let corpus = inputs("corpus/operations");
    let failed: Vec<_> = corpus
        .iter()
        .chain(&inputs("regressions/operations"))
        .filter(|(_, bytes)| catch_unwind(|| fuzz::operations(bytes)).is_err())
        .map(|(name, _)| name.clone())
        .collect();
    assert!(failed.is_empty(), "these inputs fail: {failed:#?}");

    // A corpus that leaves a call out would replay nothing of it.
    let ops = corpus.iter().flat_map(|(_, bytes)| fuzz::decode(bytes).2);
    let called: BTreeSet<_> = ops.map(|op| format!("{:?}", discriminant(&op))).collect();
    assert_eq!(called.len(), op::MIX.len(), "the corpus makes every call");
}
