//! Claims by engines: the table of every day, and the one that ends `prove`.

use crate::{
    agree::{self, Test},
    book::{Book, Columns, Row, rank, table},
    mutant::Mutant,
    runs::{self, Run, Size},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Each claim is seen by at least so many of: models, histories, fuzz targets, tests.
const ENGINES: usize = 2;

/// What one claim has of rows, and of their numbers.
#[derive(Debug, Default)]
struct Engines {
    exhaustive: Count,
    bounded: Count,
    /// Histories in every schedule.
    searched: Count,
    sampled: Count,
    fuzz: Count,
    targets: BTreeSet<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    rows: usize,
    sum: usize,
}

impl Count {
    fn add(&mut self, number: &str) {
        self.rows += 1;
        // A zero in its place would stand in the table as if it had been counted.
        let number: usize = number
            .parse()
            .unwrap_or_else(|_| panic!("{number:?} is not a number"));
        self.sum += number;
    }
}

/// Rows, and the sum of their numbers: `3 (1204)`.
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.rows {
            0 => f.write_str("-"),
            rows => write!(f, "{rows} ({})", self.sum),
        }
    }
}

fn engines(models: &[Row], histories: &[Row], fuzz: &[Row]) -> BTreeMap<String, Engines> {
    let mut of: BTreeMap<String, Engines> = BTreeMap::new();
    for row in models {
        let engines = of.entry(row[0].clone()).or_default();
        let exhaustive = row[5] == "exhaustive";
        let count = if exhaustive {
            &mut engines.exhaustive
        } else {
            &mut engines.bounded
        };
        count.add(&row[4]);
    }
    for row in histories {
        for claim in row[0].split(' ') {
            let engines = of.entry(claim.to_owned()).or_default();
            let every = row[5] == "exhaustive";
            let count = if every {
                &mut engines.searched
            } else {
                &mut engines.sampled
            };
            count.add(&row[4]);
        }
    }
    for row in fuzz {
        for claim in row[0].split(' ') {
            let engines = of.entry(claim.to_owned()).or_default();
            engines.fuzz.add(&row[2]);
            engines.targets.insert(row[1].clone());
        }
    }
    of
}

/// The table of claims by engines. Fails if a claim has too few.
pub(crate) fn claims(
    models: &[Row],
    histories: &[Row],
    fuzz: &[Row],
    tests: &[Test],
    mutants: &[Mutant],
) -> Result<String, String> {
    const COLUMNS: Columns = Columns {
        names: &[
            "claim",
            "loom: every execution",
            "loom: bounded",
            "shuttle: every schedule",
            "shuttle: sampled",
            "fuzz targets (inputs)",
            "tests",
            "mutants",
        ],
        numbers: &[],
    };
    let mut rows = Vec::new();
    let mut faults = String::new();
    for (claim, engines) in engines(models, histories, fuzz) {
        // The canaries and the usual designs are of no claim.
        if !agree::is_id(&claim) {
            continue;
        }
        let tests: Vec<&str> = tests
            .iter()
            .filter(|test| test.claims.contains(&claim))
            .map(|test| &*test.name)
            .collect();
        let seen_by = [
            engines.exhaustive.rows + engines.bounded.rows > 0,
            engines.searched.rows + engines.sampled.rows > 0,
            engines.fuzz.rows > 0,
            !tests.is_empty(),
        ];
        if seen_by.iter().filter(|seen| **seen).count() < ENGINES {
            faults += &format!("{claim} is seen by fewer than {ENGINES} engines\n");
        }
        let targets: Vec<&str> = engines.targets.iter().map(String::as_str).collect();
        let fuzz = match engines.fuzz.rows {
            0 => "-".to_owned(),
            _ => format!("{} ({})", targets.join(", "), engines.fuzz.sum),
        };
        let mutants = mutants
            .iter()
            .filter(|mutant| mutant.claim == claim)
            .count();
        rows.push(vec![
            claim,
            engines.exhaustive.to_string(),
            engines.bounded.to_string(),
            engines.searched.to_string(),
            engines.sampled.to_string(),
            fuzz,
            if tests.is_empty() {
                "-".to_owned()
            } else {
                tests.join(", ")
            },
            mutants.to_string(),
        ]);
    }
    rows.sort_by_key(|row| rank(&row[0]));
    if faults.is_empty() {
        Ok(table(&COLUMNS, &rows))
    } else {
        Err(faults)
    }
}

/// The end of `prove`.
#[derive(Debug)]
pub(crate) struct Verdict {
    table: String,
    /// The claims that hold, and those that do not or were not seen whole.
    holds: Vec<String>,
    fails: Vec<String>,
}

impl Verdict {
    pub(crate) fn holds(&self) -> bool {
        self.fails.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |claims: &[String]| match claims {
            [] => "nothing".to_owned(),
            _ => claims.join(" "),
        };
        writeln!(f, "{}", self.table)?;
        writeln!(
            f,
            "Holds within these bounds: {}. Does not hold, or was not seen whole: {}. Not looked at: section 1 of PROOFS.md.",
            or_none(&self.holds),
            or_none(&self.fails)
        )
    }
}

/// Runs everything. A run that fails is told, and the others go on.
pub(crate) fn prove(book: &Book) -> Result<Verdict, String> {
    let step = |what: &str, run: Run| {
        match &run.failure {
            None => println!("{what}: {} rows", run.rows.len()),
            Some(words) => println!("{words}\n{what}: FAILED"),
        }
        run
    };
    println!("loom, up to five preemptions");
    let models = step("loom", runs::models(Size::Prove)?);
    println!("shuttle, at its larger number of schedules");
    let histories = step("shuttle", runs::histories(Size::Prove)?);
    println!("the fuzz targets' kept inputs");
    let fuzz = step("fuzz", runs::fuzz()?);
    println!("the mutants");
    let mutants = step("mutants", runs::mutants()?);
    verdict(book, &models, &histories, &fuzz, &mutants)
}

fn verdict(
    book: &Book,
    models: &Run,
    histories: &Run,
    fuzz: &Run,
    mutants: &Run,
) -> Result<Verdict, String> {
    const COLUMNS: Columns = Columns {
        names: &[
            "claim",
            "loom: every execution",
            "loom: bounded",
            "shuttle: every schedule",
            "shuttle: sampled",
            "fuzz inputs",
            "mutants killed",
            "",
        ],
        numbers: &[],
    };
    let missing = missing(book, models, histories, fuzz)?;
    let engines = engines(&models.rows, &histories.rows, &fuzz.rows);
    let none = Engines::default();
    let (mut rows, mut holds, mut fails) = (Vec::new(), Vec::new(), Vec::new());
    let mut claims: Vec<String> = agree::claims(book)?.into_iter().collect();
    claims.sort_by_key(|claim| rank(claim));
    for claim in claims {
        let of = engines.get(&claim).unwrap_or(&none);
        let mutants = mutants.rows.iter().find(|row| row[0] == claim);
        let killed = mutants.map_or("none run".to_owned(), |row| {
            format!("{} / {}", row[1], row[2])
        });
        let good = !missing.contains(&claim) && mutants.is_some_and(|row| row[1] == row[2]);
        if good { &mut holds } else { &mut fails }.push(claim.clone());
        rows.push(vec![
            claim,
            of.exhaustive.to_string(),
            of.bounded.to_string(),
            of.searched.to_string(),
            of.sampled.to_string(),
            of.fuzz.to_string(),
            killed,
            if good { "holds" } else { "DOES NOT HOLD" }.to_owned(),
        ]);
    }
    // A canary that is quiet, or a test of the checking that fails, is of no claim, and all of them rest on it.
    let runs = [models, histories, fuzz, mutants];
    if fails.is_empty() && runs.iter().any(|run| run.failure.is_some()) {
        fails.push("the checking itself".to_owned());
    }
    Ok(Verdict {
        table: table(&COLUMNS, &rows),
        holds,
        fails,
    })
}

/// The claims of which a model, a history or a target that PROOFS.md lists did not come to its end.
fn missing(
    book: &Book,
    models: &Run,
    histories: &Run,
    fuzz: &Run,
) -> Result<BTreeSet<String>, String> {
    let mut missing = BTreeSet::new();
    for (name, run) in [("models", models), ("histories", histories), ("fuzz", fuzz)] {
        for listed in book.rows(name)? {
            if !run.rows.iter().any(|row| row[1] == listed[1]) {
                println!("{}: not seen to its end", listed[1]);
                missing.extend(listed[0].split(' ').map(str::to_owned));
            }
        }
    }
    Ok(missing)
}
