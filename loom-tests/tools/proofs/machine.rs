//! What cargo-mutants counted when `just mutants-by-machine` was last run whole.
//!
//! The recipe writes a line for each part of the source: its mutants, those that do not compile, and those that no test noticed.

use crate::book::{read, root};

const COUNTS: &str = "loom-tests/mutants/machine.txt";
const LISTED: &str = "loom-tests/mutants/equivalent.txt";

/// A list item for each part.
pub(crate) fn counts() -> Result<String, String> {
    let listed = read(&root().join(LISTED))?;
    let listed: Vec<&str> = listed.lines().filter_map(part).collect();
    let mut counts = String::new();
    for line in read(&root().join(COUNTS))?.lines() {
        let mut words = line.split_whitespace();
        let part = words.next().unwrap_or_default();
        let numbers: Result<Vec<usize>, _> = words.map(str::parse).collect();
        let noticed = match numbers.as_deref() {
            Ok(&[made, unviable, missed]) => made.checked_sub(unviable + missed),
            _ => None,
        };
        let (Some(noticed), Ok(&[made, unviable, missed])) = (noticed, numbers.as_deref()) else {
            return Err(format!("{COUNTS}: not a part and three numbers: {line}"));
        };
        let listed = listed.iter().filter(|of| **of == part).count();
        counts += &format!(
            "- {part}: {made} mutants. {unviable} do not compile, {noticed} are noticed, {missed} are missed; {listed} are listed with a reason.\n"
        );
    }
    Ok(counts)
}

/// The part that a line of the list is of.
fn part(line: &str) -> Option<&'static str> {
    match line {
        _ if line.starts_with("src/manager/") => Some("manager"),
        _ if line.starts_with("crates/pi/src/") => Some("pi"),
        _ if line.starts_with("crates/acp/src/") => Some("acp"),
        _ if line.starts_with("crates/process/src/") => Some("process"),
        _ if line.starts_with("src/") => Some("core"),
        _ => None,
    }
}
