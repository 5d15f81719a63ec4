//! The mutants: what each breaks, as texts to find in the source and texts to put there instead.
//!
//! `loom-tests/mutants` and `shuttle-tests/mutants` hold one file for each claim, `c06.txt`, and `canary.txt` for the canaries.
//! (`equivalent.txt` and `machine.txt` are of `just mutants-by-machine`.) A mutant looks like this:
//!
//! ```text
//! === c06_identity_by_key
//! claim: C6
//! model: c06_identity::replace_against_cleanup
//! expect: C6: the replacement
//! why: a slot is removed by its key and not by its address
//! --- src/registry/map/shard.rs
//! .find_entry(slot.hash, |held| Arc::ptr_eq(held, slot));
//! +++
//! .find_entry(slot.hash, |held| held.hash == slot.hash);
//! ```
//!
//! - A file begins with comment lines, `# ..`. Each mutant begins with `===` and its name, which begins with the file's.
//! - The header has one `claim`, one `model`, one `why`, at least one `expect`, at most one `survives`, and at most one `test`: the
//!   test program in `tests` that the model is a test of, if it is none of the checking packages'.
//! - Pairs follow, at least one: `---` and a file, the lines to find, `+++`, the lines to put there. A file may have several.
//! - The lines to find stand one after the other in the file, exactly once. Lines are compared without the white space at
//!   their ends. A blank line or a comment between them counts as a line. Blank lines before the first and after the last
//!   of a text do not count.
//! - All pairs of a mutant are found in the source as it is, and no two may overlap: so lines can be moved.
//! - Nothing to put there: the lines are taken out. A pair that changes nothing is refused.

// Each tool reads a part of it.
#![allow(dead_code)]

mod pair;

use pair::{Pair, replaced};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The packages with mutants.
const PACKAGES: [&str; 2] = ["loom-tests", "shuttle-tests"];
/// They lie beside the mutants.
const OTHERS: [&str; 2] = ["equivalent.txt", "machine.txt"];
const FIELDS: [&str; 6] = ["claim", "model", "test", "expect", "why", "survives"];

/// One mutant.
#[derive(Debug)]
pub(crate) struct Mutant {
    pub(crate) name: String,
    /// Whose folder it lies in: `loom-tests` or `shuttle-tests`.
    pub(crate) package: &'static str,
    pub(crate) claim: String,
    pub(crate) model: String,
    /// The test program of the root that the model is a test of.
    pub(crate) test: Option<String>,
    pub(crate) why: String,
    /// The model must fail with all of these words.
    pub(crate) expect: Vec<String>,
    /// Why no model can tell it from the source, if it is so.
    pub(crate) survives: Option<String>,
    pairs: Vec<Pair>,
}

/// All mutants of the project, by name.
pub(crate) fn mutants(root: &Path) -> Result<Vec<Mutant>, String> {
    let mut mutants = Vec::new();
    for package in PACKAGES {
        let folder = root.join(package).join("mutants");
        let told = |error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(told)? {
            let file = entry.map_err(told)?.path();
            if OTHERS.iter().any(|other| file.ends_with(other)) {
                continue;
            }
            let told = |words| format!("{}: {words}", file.display());
            if file.extension().is_none_or(|extension| extension != "txt") {
                return Err(told("a file of mutants is a .txt".to_owned()));
            }
            let stem = file.file_stem().unwrap_or_default().to_string_lossy();
            let text = fs::read_to_string(&file).map_err(|error| told(error.to_string()))?;
            mutants.extend(parse(package, &stem, &text).map_err(told)?);
        }
    }
    mutants.sort_by(|left, right| left.name.cmp(&right.name));
    let mut names = BTreeSet::new();
    match mutants.iter().find(|mutant| !names.insert(&mutant.name)) {
        Some(twice) => Err(format!("two mutants are named {}", twice.name)),
        None => Ok(mutants),
    }
}

/// The mutants of one file.
fn parse(package: &'static str, stem: &str, text: &str) -> Result<Vec<Mutant>, String> {
    let begins = |line: &&str| !line.starts_with("=== ");
    let comment = text.lines().take_while(begins);
    for line in comment.clone() {
        if !line.is_empty() && !line.starts_with('#') {
            return Err(format!("{line:?} stands before the first mutant"));
        }
    }
    let mut lines = text.lines().skip(comment.count()).peekable();
    let mut mutants = Vec::new();
    while let Some(first) = lines.next() {
        let name = first.trim_start_matches("=== ").trim();
        let mut of = Vec::new();
        while let Some(line) = lines.next_if(begins) {
            of.push(line);
        }
        let is_of_file = name
            .strip_prefix(stem)
            .is_some_and(|rest| rest.starts_with('_'));
        if !is_of_file {
            return Err(format!("the name {name:?} does not begin with {stem}_"));
        }
        mutants
            .push(Mutant::parse(package, name, &of).map_err(|words| format!("{name}: {words}"))?);
    }
    Ok(mutants)
}

impl Mutant {
    fn parse(package: &'static str, name: &str, lines: &[&str]) -> Result<Self, String> {
        let is_header = |line: &&&str| !line.starts_with("--- ");
        let header = lines.iter().take_while(is_header).count();
        let (header, body) = lines.split_at(header);
        let mut fields: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for line in header.iter().filter(|line| !line.trim().is_empty()) {
            let field = line
                .split_once(':')
                .map(|(field, value)| (field, value.trim()));
            match field {
                Some((field, value)) if FIELDS.contains(&field) && !value.is_empty() => {
                    fields.entry(field).or_default().push(value.to_owned());
                }
                _ => return Err(format!("{line:?} is no line of a header")),
            }
        }
        let mut all = |field: &str| fields.remove(field).unwrap_or_default();
        let mut one = |field: &str| match &mut all(field)[..] {
            [value] => Ok(std::mem::take(value)),
            values => Err(format!(
                "its header has {} `{field}:`, not one",
                values.len()
            )),
        };
        let (claim, model, why) = (one("claim")?, one("model")?, one("why")?);
        let expect = all("expect");
        if expect.is_empty() {
            return Err("its header needs an `expect:`".to_owned());
        }
        let mut at_most_one = |field: &str| match &mut all(field)[..] {
            [] => Ok(None),
            [value] => Ok(Some(std::mem::take(value))),
            _ => Err(format!("its header has more than one `{field}:`")),
        };
        let (test, survives) = (at_most_one("test")?, at_most_one("survives")?);
        let mut pairs = Vec::new();
        for lines in body.chunk_by(|_, next| !next.starts_with("--- ")) {
            pairs.push(Pair::parse(lines)?);
        }
        if pairs.is_empty() {
            return Err("it has no pair: `--- file`, lines, `+++`, lines".to_owned());
        }
        Ok(Self {
            name: name.to_owned(),
            package,
            claim,
            model,
            test,
            why,
            expect,
            survives,
            pairs,
        })
    }

    /// Is it of a claim of the manager? Then one of the scenarios is its model.
    pub(crate) fn is_of_adapters(&self) -> bool {
        self.claim.starts_with('A')
    }

    /// The files that it breaks, and what they are then.
    pub(crate) fn broken(&self, root: &Path) -> Result<Vec<(PathBuf, String)>, String> {
        let mut of_file: BTreeMap<&str, Vec<&Pair>> = BTreeMap::new();
        for pair in &self.pairs {
            of_file.entry(&pair.file).or_default().push(pair);
        }
        let mut broken = Vec::new();
        for (name, pairs) in of_file {
            let told = |words: String| format!("{}: {name}: {words}", self.name);
            let file = root.join(name);
            let source = fs::read_to_string(&file).map_err(|error| told(error.to_string()))?;
            let text = replaced(&source, &pairs).map_err(told)?;
            broken.push((file, text));
        }
        Ok(broken)
    }
}

#[cfg(test)]
mod tests;
