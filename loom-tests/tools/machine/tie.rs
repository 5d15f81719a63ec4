//! The tie to the source: its tests run, record their transitions, and the records are judged. And it can fail: with each mutant
//! of the slot, a record is not allowed.

use crate::{
    judge::look,
    mutant::{Mutant, mutants},
    table::table,
    tree::{Tree, told},
};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The packages that record, and their tests, in the order in which they are shown a mutant.
const TESTS: [(&str, &str); 3] = [
    ("turnwise-machine", "rest"),
    ("turnwise-machine", "properties"),
    ("turnwise-machine-replay", "fuzz_replay"),
];
/// What a mutant must touch.
const SLOT: &str = "src/registry/slot/";
/// How long a test may run with a mutant, which may hang it. What it has recorded until then counts.
const LIMIT: Duration = Duration::from_secs(90);

/// Applies each mutant of the slot to a copy of the project. True if each is noticed, or listed with a reason why it cannot be.
pub(crate) fn mutated(root: &Path, filter: &str) -> Result<bool, String> {
    let unseen = unseen(root)?;
    let tree = Tree::new("models")?;
    let mut rows = Vec::new();
    let mut unlike = 0;
    let mut all = mutants(root)?;
    all.retain(|mutant| mutant.files().any(|file| file.starts_with(SLOT)));
    all.retain(|mutant| mutant.name.contains(filter) && mutant.survives.is_none());
    for mutant in &all {
        let begin = Instant::now();
        let found = noticed(&tree, mutant)?;
        let reason = unseen.get(&mutant.name);
        let (result, as_listed) = match (found, reason) {
            (Some(bad), None) => (bad, true),
            (Some(bad), Some(_)) => (format!("{bad}: BUT IT IS LISTED AS UNSEEN"), false),
            (None, Some(reason)) => (format!("unseen: {reason}"), true),
            (None, None) => ("NOT NOTICED".to_owned(), false),
        };
        unlike += usize::from(!as_listed);
        println!(
            "{} | {result} | {:.0} s",
            mutant.name,
            begin.elapsed().as_secs_f64()
        );
        rows.push(vec![mutant.claim.clone(), mutant.name.clone(), result]);
    }
    print!(
        "{}",
        table("claim | mutant | the record that is not allowed", &rows)
    );
    println!("{} mutants, {unlike} not as they are listed", rows.len());
    Ok(unlike == 0)
}

/// Those that no record shows, and why.
fn unseen(root: &Path) -> Result<BTreeMap<String, String>, String> {
    let file = root.join("machine/unseen.txt");
    let text = fs::read_to_string(&file).map_err(told(&file))?;
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let pair = |line: &str| {
        let (name, reason) = line
            .split_once(": ")
            .ok_or(format!("{}: {line}", file.display()))?;
        Ok((name.to_owned(), reason.to_owned()))
    };
    lines.map(pair).collect()
}

/// The first record that is not allowed.
fn noticed(tree: &Tree, mutant: &Mutant) -> Result<Option<String>, String> {
    tree.apply(mutant)?;
    let found = TESTS
        .iter()
        .find_map(|test| bad_record(tree, *test).transpose());
    tree.restore()?;
    found
        .transpose()
        .map_err(|words| format!("{}: {words}", mutant.name))
}

fn bad_record(tree: &Tree, (package, test): (&str, &str)) -> Result<Option<String>, String> {
    let executable = tree.build_test(package, test)?;
    let folder = tree.copy.join("../records");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(told(&folder))?;
    }
    record(&executable, &folder)?;
    let verdict = look(&tree.root, &folder)?;
    let first = verdict.bad.first().and_then(|bad| bad.lines().next());
    Ok(first.map(str::to_owned))
}

/// Runs a test program that records, as long as it may.
fn record(executable: &Path, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(told(folder))?;
    let mut child: Child = Command::new(executable)
        .env("TURNWISE_RECORD", folder)
        .env("TURNWISE_SEED", "1")
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(told(executable))?;
    let deadline = Instant::now() + LIMIT;
    while child.try_wait().map_err(told(executable))?.is_none() {
        if Instant::now() > deadline {
            child.kill().map_err(told(executable))?;
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
