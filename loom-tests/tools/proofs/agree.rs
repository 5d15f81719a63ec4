//! What different files say of the same thing must be the same: the claims of PROOFS.md, the claims and models that the
//! source's comments name, the claims of the tests, and the mutants.

use crate::{
    book::{Book, Columns, Row, rank, read, root, row, table},
    mutant::{self, Mutant},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Each claim has at least so many.
const MUTANTS_OF_A_CLAIM: usize = 2;

/// A test program of the root, and the claims that its first lines name.
#[derive(Debug)]
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) claims: Vec<String>,
}

/// Fails with all faults at once.
pub(crate) fn check(book: &Book) -> Result<(), String> {
    let claims = claims(book)?;
    let models = column(book, "models", 1)?;
    let histories = column(book, "histories", 1)?;
    let mut faults = Vec::new();

    let is_claim = |claim: &str| claims.contains(claim);
    for (place, word) in words_of_source()? {
        if is_id(&word) && !is_claim(&word) {
            faults.push(format!(
                "{place} names {word}, which PROOFS.md does not claim"
            ));
        }
        let known = |model: &String| *model == word || model.split("::").next() == Some(&*word);
        if is_model(&word) && !models.iter().chain(&histories).any(known) {
            faults.push(format!(
                "{place} names the model {word}, which there is not"
            ));
        }
    }
    let mut of_claim: BTreeMap<&str, usize> = BTreeMap::new();
    let mutants = mutants()?;
    for mutant in &mutants {
        let Mutant {
            name,
            claim,
            model,
            test,
            ..
        } = mutant;
        *of_claim.entry(claim).or_default() += 1;
        faults.extend(mutant.broken(&root()).err());
        if !is_claim(claim) && claim != "canary" {
            faults.push(format!(
                "mutant {name} is of {claim}, which PROOFS.md does not claim"
            ));
        }
        let is_there = match test {
            Some(test) => is_test(test, model)?,
            None => models.contains(model) || histories.contains(model) || claim == "canary",
        };
        if !is_there {
            faults.push(format!(
                "mutant {name} names the model {model}, which there is not"
            ));
        }
    }
    for claim in &claims {
        let count = of_claim.get(&**claim).copied().unwrap_or_default();
        if count < MUTANTS_OF_A_CLAIM {
            faults.push(format!(
                "{claim} has {count} mutants, fewer than {MUTANTS_OF_A_CLAIM}"
            ));
        }
    }
    for test in tests()? {
        for claim in test.claims.iter().filter(|claim| !is_claim(claim)) {
            faults.push(format!(
                "the test {} names {claim}, which PROOFS.md does not claim",
                test.name
            ));
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        faults.sort();
        Err(faults.join("\n"))
    }
}

/// The ids of the claims, from the table that is written by hand.
pub(crate) fn claims(book: &Book) -> Result<BTreeSet<String>, String> {
    let (_, section) = book
        .text
        .split_once("\n## 3. ")
        .ok_or("PROOFS.md has no section 3")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let section = section.split("<!--").next().unwrap_or_default();
    let ids = section.lines().filter_map(row);
    let ids = ids.filter_map(|row| row[0].split(' ').next().map(str::to_owned));
    Ok(ids.filter(|id| is_id(id)).collect())
}

/// One column of a generated table.
fn column(book: &Book, name: &str, column: usize) -> Result<BTreeSet<String>, String> {
    let rows = book.rows(name)?.into_iter();
    Ok(rows.filter_map(|row| row.get(column).cloned()).collect())
}

/// `C6`, `A1`.
pub(crate) fn is_id(word: &str) -> bool {
    let number = word.strip_prefix(['C', 'A']);
    number.is_some_and(|number| {
        (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// `c06_identity`, `c06_identity::replace_twice`, `a6_abort`.
fn is_model(word: &str) -> bool {
    let bytes = word.as_bytes();
    match bytes {
        [b'c', tens, ones, b'_', _, ..] => tens.is_ascii_digit() && ones.is_ascii_digit(),
        [b'a', one, b'_', _, ..] => one.is_ascii_digit(),
        _ => false,
    }
}

/// Has this program of the root a test of this name?
fn is_test(program: &str, test: &str) -> Result<bool, String> {
    let path = root().join("tests").join(program);
    let (module, name) = test.rsplit_once("::").unwrap_or(("", test));
    let file = match module {
        "" if path.is_dir() => path.join("main.rs"),
        "" => path.with_extension("rs"),
        module => path.join(module.replace("::", "/")).with_extension("rs"),
    };
    Ok(file.exists() && read(&file)?.contains(&format!("fn {name}(")))
}

/// Every word of the source, code and comments, and where it stands.
fn words_of_source() -> Result<Vec<(String, String)>, String> {
    let mut words = Vec::new();
    for file in files(&root().join("src"), "rs")? {
        let text = read(&file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        for (index, line) in text.lines().enumerate() {
            let parts =
                line.split(|letter: char| !(letter.is_alphanumeric() || "_:".contains(letter)));
            let parts = parts
                .map(|word| word.trim_matches(':'))
                .filter(|word| !word.is_empty());
            words.extend(parts.map(|word| (format!("src/{name}:{}", index + 1), word.to_owned())));
        }
    }
    Ok(words)
}

/// All mutants, claim by claim.
pub(crate) fn mutants() -> Result<Vec<Mutant>, String> {
    let mut mutants = mutant::mutants(&root())?;
    mutants.sort_by_key(|mutant| (rank(&mutant.claim), mutant.name.clone()));
    Ok(mutants)
}

/// What each breaks, and who must notice.
pub(crate) fn mutants_table(mutants: &[Mutant]) -> String {
    let columns = Columns {
        names: &[
            "claim",
            "mutant",
            "what it breaks",
            "noticed by",
            "with the words",
        ],
        numbers: &[],
    };
    let rows = mutants.iter().map(|mutant| {
        let by = match &mutant.survives {
            None => match &mutant.test {
                Some(test) => format!("`{}` of `tests/{test}`", mutant.model),
                None => format!("`{}`", mutant.model),
            },
            Some(reason) => format!("survives: {reason}"),
        };
        // A bar would end the cell.
        let cell = |text: &str| text.replace('|', "/");
        let (why, words) = (cell(&mutant.why), cell(&mutant.expect.join("; ")));
        vec![mutant.claim.clone(), mutant.name.clone(), why, by, words]
    });
    table(&columns, &rows.collect::<Vec<Row>>())
}

/// The root's test programs. The first comment of each ends with the claims that it tests: `//! Claims: C1, C2.`
pub(crate) fn tests() -> Result<Vec<Test>, String> {
    let folder = root().join("tests");
    let mut tests = Vec::new();
    let entries = fs::read_dir(&folder).map_err(|error| format!("tests: {error}"))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("tests: {error}"))?.path();
        let file = if path.is_dir() {
            path.join("main.rs")
        } else {
            path.clone()
        };
        if !file.exists() {
            continue;
        }
        let text = read(&file)?;
        let claims = text
            .lines()
            .find_map(|line| line.strip_prefix("//! Claims: "));
        let claims = claims
            .into_iter()
            .flat_map(|claims| claims.trim_end_matches('.').split(", "));
        tests.push(Test {
            name: path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            claims: claims.map(str::to_owned).collect(),
        });
    }
    tests.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(tests)
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, String> {
    let told = |error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        let path = entry.map_err(told)?.path();
        if path.is_dir() {
            files.extend(self::files(&path, extension)?);
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
