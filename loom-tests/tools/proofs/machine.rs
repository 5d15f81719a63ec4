//! What cargo-mutants counted when `just mutants-by-machine` was run whole: a file that the recipe writes, a line for each part of
//! the source with what was made, what does not compile, and what no test noticed.

use crate::book::{Columns, Row, read, root, table as aligned};
use std::collections::BTreeMap;

const COUNTS: &str = "loom-tests/mutants/machine.txt";
const LISTED: &str = "loom-tests/mutants/equivalent.txt";

/// The parts, and what they are of. A file of the source belongs to the last one whose folder it is in.
const PARTS: [(&str, &str); 3] = [
    ("core", "src/"),
    ("manager", "src/manager/"),
    ("protocol", "crates/pi/src/"),
];

/// The counts, and how many of the missed are listed with a reason. A part that was not run whole has no row.
pub(crate) fn table() -> Result<String, String> {
    let columns = Columns {
        names: &[
            "part",
            "mutants",
            "do not compile",
            "noticed",
            "missed",
            "listed with a reason",
        ],
        numbers: &[1, 2, 3, 4, 5],
    };
    let listed = listed(&read(&root().join(LISTED))?);
    let mut rows: Vec<Row> = Vec::new();
    for line in read(&root().join(COUNTS))?.lines() {
        let unreadable =
            || format!("{COUNTS} has a line that is no part and three numbers: {line}");
        let words: Vec<&str> = line.split_whitespace().collect();
        let [part, numbers @ ..] = &words[..] else {
            continue;
        };
        let numbers: Result<Vec<usize>, _> = numbers.iter().map(|word| word.parse()).collect();
        let Ok(&[made, unviable, missed]) = numbers.as_deref() else {
            return Err(unreadable());
        };
        let noticed = made.checked_sub(unviable + missed).ok_or_else(unreadable)?;
        let listed = listed.get(part).copied().unwrap_or_default();
        let counts = [made, unviable, noticed, missed, listed].map(|count| count.to_string());
        rows.push([(*part).to_owned()].into_iter().chain(counts).collect());
    }
    Ok(aligned(&columns, &rows))
}

/// How many lines of the list are of each part.
fn listed(list: &str) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for line in list.lines() {
        let parts = PARTS.iter().rev();
        if let Some((part, _)) = parts
            .into_iter()
            .find(|(_, folder)| line.starts_with(folder))
        {
            *counts.entry(*part).or_default() += 1;
        }
    }
    counts
}
