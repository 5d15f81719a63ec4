//! The mutants: each is a header, and pairs of texts to find in the source and to put in their place.
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
//! - A file begins with comment lines, `# ..`. Each mutant begins with `===` and its name, which begins with the file's name.
//! - The header has one `claim`, one `model`, one `why`, at least one `expect`, and at most one `survives` and one `test`. `test` is
//!   the program in `tests` that has the model, if no checking package has it.
//! - One pair or more follow: `---` and a file, the lines to find, `+++`, the new lines. A file may have several pairs.
//! - The lines to find must occur in the file exactly once, one after the other. White space at their ends does not count. A
//!   blank line or a comment between them counts; blank lines before the first and after the last do not.
//! - All pairs of a mutant are found in the original source. No two may overlap. Two pairs can move lines.
//! - Without new lines, the lines are removed. A pair that changes nothing is refused.

// Each tool uses a part of this module.
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
/// Files beside the mutants that are none.
const OTHERS: [&str; 2] = ["equivalent.txt", "machine.txt"];
const FIELDS: [&str; 6] = ["claim", "model", "test", "expect", "why", "survives"];

/// One mutant.
#[derive(Debug)]
pub(crate) struct Mutant {
    pub(crate) name: String,
    /// The package that it lies in: `loom-tests` or `shuttle-tests`.
    pub(crate) package: &'static str,
    pub(crate) claim: String,
    pub(crate) model: String,
    /// The test program of the root that has the model.
    pub(crate) test: Option<String>,
    pub(crate) why: String,
    /// The model must fail with all of these words.
    pub(crate) expect: Vec<String>,
    /// Why no model can distinguish it from the source, if none can.
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
pub(crate) fn parse(package: &'static str, stem: &str, text: &str) -> Result<Vec<Mutant>, String> {
    let begins = |line: &&str| !line.starts_with("=== ");
    let comment = text.lines().take_while(begins);
    for line in comment.clone() {
        if !line.is_empty() && !line.starts_with('#') {
            return Err(format!("{line:?} precedes the first mutant"));
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
                _ => return Err(format!("{line:?} is not a line of a header")),
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

    /// Whether it is of a claim of the manager, so that its model is a scenario.
    pub(crate) fn is_of_adapters(&self) -> bool {
        self.claim.starts_with('A')
    }

    /// Whether it is of a claim of the cluster.
    pub(crate) fn is_of_cluster(&self) -> bool {
        self.claim.starts_with('B')
    }

    /// The names of the files that it breaks.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|pair| &*pair.file)
    }

    /// The files that it breaks, with their new text.
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
