//! Claims by engines: the table of PROOFS.md, and the one that ends `prove`.

use crate::{
    agree,
    book::{Book, root},
    listed::{self, bounds},
    mutant,
    runs::{self, Run},
    table::{Row, rank, table},
};
use std::{collections::BTreeMap, fmt};

/// The least engines of a claim. The engines are loom, shuttle, fuzz targets, and tests.
const LEAST: usize = 2;

/// Models, scenarios or targets, and the sum of their executions, schedules or inputs.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    checks: usize,
    sum: usize,
}

/// `3 (1204)`.
impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { checks: 0, .. } => f.write_str("-"),
            Self { checks, sum: 0 } => write!(f, "{checks}"),
            Self { checks, sum } => write!(f, "{checks} ({sum})"),
        }
    }
}

const EXHAUSTIVE: usize = 0;
const BOUNDED: usize = 1;
const SEARCHED: usize = 2;
const SAMPLED: usize = 3;
const FUZZ: usize = 4;

/// Of each claim, by engine.
#[derive(Debug, Default)]
struct Counts(BTreeMap<String, [Count; 5]>);

impl Counts {
    fn add(&mut self, claims: &str, engine: usize, number: usize) {
        for claim in claims.split(' ') {
            let count = &mut self.0.entry(claim.to_owned()).or_default()[engine];
            count.checks += 1;
            count.sum += number;
        }
    }

    fn of(&self, claim: &str) -> [Count; 5] {
        self.0.get(claim).copied().unwrap_or_default()
    }

    /// As the sources declare them.
    fn declared() -> Result<Self, String> {
        let mut counts = Self::default();
        for bound in bounds::MODELS {
            let engine = [BOUNDED, EXHAUSTIVE][usize::from(bound.preemptions.is_none())];
            counts.add(bound.claim, engine, bound.executions);
        }
        for scenario in listed::scenarios()? {
            let engine = [SAMPLED, SEARCHED][usize::from(scenario.exhaustive)];
            counts.add(&scenario.claims, engine, 0);
        }
        for target in listed::targets()? {
            counts.add(&target.claims, FUZZ, target.inputs);
        }
        Ok(counts)
    }

    /// As the engines ran them.
    fn ran(models: &Run, histories: &Run, fuzz: &Run) -> Result<Self, String> {
        let mut counts = Self::default();
        for (rows, column, engines) in [
            (&models.rows, 4, [BOUNDED, EXHAUSTIVE]),
            (&histories.rows, 4, [SAMPLED, SEARCHED]),
            (&fuzz.rows, 2, [FUZZ, FUZZ]),
        ] {
            for row in rows {
                let number = row[column].parse();
                let number = number.map_err(|_| format!("not a number in {}", row.join(" | ")))?;
                let exhaustive = row.iter().any(|cell| cell == "exhaustive");
                counts.add(&row[0], engines[usize::from(exhaustive)], number);
            }
        }
        Ok(counts)
    }
}

/// The claims by number.
fn claims(book: &Book) -> Result<Vec<String>, String> {
    let mut claims: Vec<String> = agree::claims(book)?.into_iter().collect();
    claims.sort_by_key(|claim| rank(claim));
    Ok(claims)
}

/// The table of claims by engines. Fails if a claim has too few engines.
pub(crate) fn declared(book: &Book) -> Result<String, String> {
    const HEAD: &str = "claim | loom: every execution | loom: bounded | shuttle: every schedule \
        | shuttle: sampled | fuzz targets (inputs) | tests | mutants";
    let (counts, targets, tests) = (Counts::declared()?, listed::targets()?, listed::tests()?);
    let mutants = mutant::mutants(&root())?;
    let joined = |names: Vec<&str>| match &names[..] {
        [] => "-".to_owned(),
        names => names.join(", "),
    };
    let (mut rows, mut faults): (Vec<Row>, _) = (Vec::new(), String::new());
    for claim in claims(book)? {
        let of = counts.of(&claim);
        let targets = targets
            .iter()
            .filter(|target| target.claims.split(' ').any(|of| of == claim));
        let mut targets = joined(targets.map(|target| &*target.name).collect());
        if of[FUZZ].checks > 0 {
            targets += &format!(" ({})", of[FUZZ].sum);
        }
        let tests = tests.iter().filter(|test| test.claims.contains(&claim));
        let tests = joined(tests.map(|test| &*test.name).collect());
        let engines = [
            of[EXHAUSTIVE].checks + of[BOUNDED].checks > 0,
            of[SEARCHED].checks + of[SAMPLED].checks > 0,
            of[FUZZ].checks > 0,
            tests != "-",
        ];
        if engines.iter().filter(|engine| **engine).count() < LEAST {
            faults += &format!("{claim} has fewer than {LEAST} engines\n");
        }
        let mutants = mutants
            .iter()
            .filter(|mutant| mutant.claim == claim && mutant.survives.is_none())
            .count();
        let mut row = vec![claim];
        row.extend(of[..FUZZ].iter().map(Count::to_string));
        row.extend([targets, tests, mutants.to_string()]);
        rows.push(row);
    }
    if faults.is_empty() {
        Ok(table(HEAD, &rows))
    } else {
        Err(faults)
    }
}

/// Runs every engine at its larger bounds, and the mutants, and prints the table. An engine that fails does not stop the others.
pub(crate) fn prove(book: &Book) -> Result<(), String> {
    const HEAD: &str = "claim | loom: every execution | loom: bounded | shuttle: every schedule \
        | shuttle: sampled | fuzz inputs | mutants killed | end";
    let step = |what: &str, run: &dyn Fn() -> Result<Run, String>| {
        println!("{what}");
        let run = run()?;
        match &run.failure {
            None => println!("{} rows", run.rows.len()),
            Some(words) => println!("{words}\n{what}: FAILED"),
        }
        Ok::<_, String>(run)
    };
    let models = step("loom, up to five preemptions", &runs::models)?;
    let histories = step("shuttle, ten times the schedules", &runs::histories)?;
    let fuzz = step("the kept inputs of the fuzz targets", &runs::fuzz)?;
    let mutants = step("the mutants", &runs::mutants)?;

    let (declared, ran) = (
        Counts::declared()?,
        Counts::ran(&models, &histories, &fuzz)?,
    );
    let (mut rows, mut holds, mut fails): (Vec<Row>, _, _) = (Vec::new(), Vec::new(), Vec::new());
    for claim in claims(book)? {
        let of = ran.of(&claim);
        let all_ran = of
            .iter()
            .zip(declared.of(&claim))
            .all(|(ran, declared)| ran.checks == declared.checks);
        let mutants = mutants.rows.iter().find(|row| row[0] == claim);
        let killed = mutants.map_or("none run".to_owned(), |row| {
            format!("{} / {}", row[1], row[2])
        });
        let good = all_ran && mutants.is_some_and(|row| row[1] == row[2]);
        let mut row = vec![claim.clone()];
        row.extend(of.iter().map(Count::to_string));
        row.extend([
            killed,
            if good { "holds" } else { "DOES NOT HOLD" }.to_owned(),
        ]);
        rows.push(row);
        if good { &mut holds } else { &mut fails }.push(claim);
    }
    // A canary that fails is of no claim, and every claim rests on it.
    if fails.is_empty()
        && [models, histories, fuzz, mutants]
            .iter()
            .any(|run| run.failure.is_some())
    {
        fails.push("the checking itself".to_owned());
    }
    println!("\n{}", table(HEAD, &rows));
    println!(
        "Holds within these bounds: {}. PROOFS.md says what is not covered.",
        holds.join(" ")
    );
    if fails.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "does not hold, or did not run whole: {}",
            fails.join(" ")
        ))
    }
}
