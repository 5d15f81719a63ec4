//! Different files must agree about the claims, the models and the mutants.

use crate::{
    book::{Book, read, root, sources},
    listed::{self, bounds, is_id},
    mutant::{self, Mutant},
};
use std::collections::BTreeSet;

/// The least mutants of a claim.
const MUTANTS: usize = 2;

/// Fails with all faults at once.
pub(crate) fn check(book: &Book) -> Result<(), String> {
    let claims = claims(book)?;
    let mut faults = BTreeSet::new();
    let mut names_claims = |what: String, named: &[&str]| {
        for claim in named {
            if is_id(claim) && !claims.contains(*claim) {
                faults.insert(format!(
                    "{what} names {claim}, which PROOFS.md does not claim"
                ));
            }
        }
    };
    for bound in bounds::MODELS {
        names_claims(bound.model.to_owned(), &[bound.claim]);
    }
    for scenario in listed::scenarios()? {
        let named: Vec<&str> = scenario.claims.split(' ').collect();
        names_claims(format!("a scenario of {}", scenario.claims), &named);
    }
    for target in listed::targets()? {
        let named: Vec<&str> = target.claims.split(' ').collect();
        names_claims(format!("the fuzz target {}", target.name), &named);
    }
    for test in listed::tests()? {
        let named: Vec<&str> = test.claims.iter().map(String::as_str).collect();
        names_claims(format!("the test {}", test.name), &named);
    }
    let words = words_of_source()?;
    for (place, word) in &words {
        names_claims(place.clone(), &[word]);
    }
    for (place, word) in &words {
        if is_model(word) && !listed::is_model(word)? {
            faults.insert(format!(
                "{place} names the model {word}, which does not exist"
            ));
        }
    }
    let mut models = BTreeSet::new();
    for bound in bounds::MODELS {
        let model = bound.model;
        if !models.insert(model) || !listed::is_test(listed::MODELS, model)? {
            faults.insert(format!(
                "bounds.rs names {model}, which does not exist or has two bounds"
            ));
        }
    }
    let mutants = mutant::mutants(&root())?;
    faults.extend(faults_of(&mutants, &claims)?);
    faults.extend(unknown_names(book, &mutants)?);
    faults.extend(book.is_short().err());
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.into_iter().collect::<Vec<_>>().join("\n"))
    }
}

/// Each mutant fits the source, is of a claim and has a model. Each claim has enough mutants.
fn faults_of(mutants: &[Mutant], claims: &BTreeSet<String>) -> Result<Vec<String>, String> {
    let mut faults = Vec::new();
    for mutant in mutants {
        let Mutant {
            name, claim, model, ..
        } = mutant;
        faults.extend(mutant.broken(&root()).err());
        if !claims.contains(claim) && claim != "canary" {
            faults.push(format!(
                "mutant {name} is of {claim}, which PROOFS.md does not claim"
            ));
        }
        let is_there = match &mutant.test {
            Some(test) => listed::is_test(&format!("tests/{test}"), model)?,
            None => listed::is_model(model)?,
        };
        if !is_there {
            faults.push(format!(
                "mutant {name} names the model {model}, which does not exist"
            ));
        }
    }
    for claim in claims {
        let count = mutants
            .iter()
            .filter(|mutant| mutant.claim == *claim && mutant.survives.is_none())
            .count();
        if count < MUTANTS {
            faults.push(format!("{claim} has {count} mutants, fewer than {MUTANTS}"));
        }
    }
    Ok(faults)
}

/// The ids of the claims, from the tables that are written by hand.
pub(crate) fn claims(book: &Book) -> Result<BTreeSet<String>, String> {
    let by_hand = book.text.split("<!-- claims:begin -->").next();
    let rows = by_hand.unwrap_or_default().lines();
    let ids = rows.filter_map(|line| line.strip_prefix("| ")?.split(' ').next());
    let ids: BTreeSet<String> = ids.filter(|id| is_id(id)).map(str::to_owned).collect();
    if ids.is_empty() {
        return Err("PROOFS.md has no table of claims".to_owned());
    }
    Ok(ids)
}

/// Files, tests and mutants that PROOFS.md names in backticks and that do not exist.
fn unknown_names(book: &Book, mutants: &[Mutant]) -> Result<Vec<String>, String> {
    let files = sources(&root())?;
    let mut texts: String = mutants.iter().map(|mutant| &*mutant.name).collect();
    for file in &files {
        texts += &read(file)?;
    }
    let is_name = |word: &&str| {
        let mut letters = word.bytes();
        letters
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_:".contains(&byte))
            && word.contains('_')
    };
    let spans = book
        .text
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let mut unknown = Vec::new();
    for span in spans {
        let is_known = match span {
            file if file.ends_with(".rs") && !file.contains(' ') => {
                files.iter().any(|path| path.ends_with(file))
            }
            name if is_name(&name) => name
                .rsplit("::")
                .next()
                .is_some_and(|name| texts.contains(name)),
            _ => true,
        };
        if !is_known {
            unknown.push(format!("PROOFS.md names {span}, which does not exist"));
        }
    }
    Ok(unknown)
}

/// `c06_identity`, `c06_identity::replace_twice`, `a6_abort`.
fn is_model(word: &str) -> bool {
    let bytes = word.as_bytes();
    match bytes {
        [b'c' | b'b', tens, ones, b'_', _, ..] => tens.is_ascii_digit() && ones.is_ascii_digit(),
        [b'a' | b'b', one, b'_', _, ..] => one.is_ascii_digit(),
        _ => false,
    }
}

/// Every word of the source, code and comments, and its place.
fn words_of_source() -> Result<Vec<(String, String)>, String> {
    let mut words = Vec::new();
    for file in sources(&root().join("src"))? {
        let text = read(&file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for (index, line) in text.lines().enumerate() {
            let parts =
                line.split(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter)));
            let parts = parts
                .map(|word| word.trim_matches(':'))
                .filter(|word| !word.is_empty());
            words.extend(parts.map(|word| (format!("{name}:{}", index + 1), word.to_owned())));
        }
    }
    Ok(words)
}
