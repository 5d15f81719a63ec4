//! Breaks the source on purpose, one mutant at a time, and expects the model that the mutant names to fail.
//!
//!     cargo run -p loom-tests --bin mutants             all of loom-tests/mutants and shuttle-tests/mutants
//!     cargo run -p loom-tests --bin mutants -- c06      those with this in their name; `a0`: those of the adapters
//!
//! A mutant is a header and pairs of texts, one to find in the source and one to put there. `mutant/mod.rs` has the format:
//!
//!     === c06_identity_by_key
//!     claim: C6
//!     model: c06_identity::replace_against_cleanup
//!     expect: C6: the replacement
//!     why: a slot is removed by its key and not by its address
//!     --- src/registry/map/shard.rs
//!     .find_entry(slot.hash, |held| Arc::ptr_eq(held, slot));
//!     +++
//!     .find_entry(slot.hash, |held| held.hash == slot.hash);
//!
//! `expect` may stand more than once; the model must print all of it. `expect: timeout` is for a mutant that does not end.
//! The model of a mutant in shuttle-tests is a history; that of a claim of the adapters, A1 to A6, is one of their scenarios. With
//! `test: told` it is a test of that program of the root: for what takes more than a model can do.
//!
//! A mutant is killed if its model, run alone in a process of its own, fails with those words. It survives if the model
//! passes, fails with other words, or does not end in time. A text that does not stand in the source exactly once, a mutant
//! that does not compile, and a model that fails without it, are errors, not kills.
//!
//! `survives: why` is the header of a mutant that no model can tell from the source. It is listed with its reason, does not
//! count, and must survive: a kill proves the reason wrong, and fails the run. Two canaries are of this kind, a change of a
//! comment and one that is noticed with other words: with them each run shows that the tool can say "survives".

mod mutant;
mod tree;

use crate::{
    mutant::{Mutant, mutants},
    tree::{End, Tree, explore},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    path::Path,
    process::ExitCode,
    sync::Mutex,
    thread,
    time::Instant,
};

/// A test program that notices mutants.
#[derive(Debug, PartialEq, Eq)]
struct Suite {
    package: &'static str,
    test: &'static str,
}

const MODELS: Suite = Suite {
    package: "loom-tests",
    test: "models",
};

const HISTORIES: Suite = Suite {
    package: "turnwise-shuttle",
    test: "histories",
};

const ADAPTERS: Suite = Suite {
    package: "turnwise-shuttle",
    test: "adapters",
};

const TOLD: Suite = Suite {
    package: "turnwise",
    test: "told",
};

const MANAGER: Suite = Suite {
    package: "turnwise",
    test: "manager",
};

const SUITES: [&Suite; 5] = [&MODELS, &HISTORIES, &ADAPTERS, &TOLD, &MANAGER];

fn main() -> ExitCode {
    let filter = env::args().nth(1).unwrap_or_default();
    match run(&filter) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(words) => {
            eprintln!("error: {words}");
            ExitCode::FAILURE
        }
    }
}

/// Does every mutant end as its header says?
fn run(filter: &str) -> Result<bool, String> {
    let mutants = chosen(filter)?;
    let tree = Tree::new()?;
    println!("the source as it is");
    for suite in SUITES {
        passes(&tree, suite, &mutants)?;
    }
    let widest = |of: fn(&Mutant) -> &str| {
        let widths = mutants.iter().map(|mutant| of(mutant).len());
        widths.max().unwrap_or_default()
    };
    let (names, claims) = (
        widest(|mutant| &mutant.name),
        widest(|mutant| &mutant.claim),
    );
    let models = widest(|mutant| &mutant.model);
    // By claim: killed, and to be killed.
    let mut counts: BTreeMap<(usize, &str), (usize, usize)> = BTreeMap::new();
    let mut unlike = 0;
    for mutant in &mutants {
        let begin = Instant::now();
        let (is_kill, verdict) = tree.judge(mutant)?;
        let Mutant {
            name, claim, model, ..
        } = mutant;
        let verdict = match &mutant.survives {
            None => verdict,
            Some(why) if is_kill => format!("KILLED, but it survives, they say: {why}"),
            Some(why) => format!("survives: {why}"),
        };
        let seconds = begin.elapsed().as_secs_f64();
        println!("{name:<names$} | {claim:<claims$} | {model:<models$} | {verdict} | {seconds:.1}");
        unlike += usize::from(is_kill != mutant.survives.is_none());
        if mutant.survives.is_none() {
            // By number: C2 before C10.
            let (killed, all) = counts.entry((claim.len(), claim)).or_default();
            *killed += usize::from(is_kill);
            *all += 1;
        }
    }
    for ((_, claim), (killed, all)) in &counts {
        println!("mutants-row | {claim} | {killed} | {all}");
    }
    let killed: usize = counts.values().map(|(killed, _)| killed).sum();
    let all: usize = counts.values().map(|(_, all)| all).sum();
    let rest = mutants.len() - all;
    println!(
        "{killed} of {all} killed, {rest} that survive by their header, {unlike} not as the header says"
    );
    Ok(unlike == 0)
}

/// The models of these mutants pass without them.
fn passes(tree: &Tree, suite: &'static Suite, mutants: &[Mutant]) -> Result<(), String> {
    let mutants = mutants.iter().filter(|mutant| mutant.suite() == suite);
    let models: BTreeSet<&str> = mutants.map(|mutant| &*mutant.model).collect();
    if models.is_empty() {
        return Ok(());
    }
    let executable = tree.build_test(suite.package, suite.test)?;
    let (left, faults) = (Mutex::new(models), Mutex::new(String::new()));
    let next = || left.lock().expect("nobody panics with it").pop_first();
    let fault = |words: &str| *faults.lock().expect("nobody panics with it") += words;
    let work = || {
        while let Some(model) = next() {
            match explore(&executable, model, &[]) {
                Ok((End::Passed, _)) => {}
                Ok((end, output)) => fault(&format!("{model} without a mutant: {end:?}\n{output}")),
                Err(words) => fault(&words),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let faults = faults.into_inner().expect("nobody panics with it");
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults)
    }
}

/// Those with this in their name.
fn chosen(filter: &str) -> Result<Vec<Mutant>, String> {
    let mut mutants = mutants(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?;
    mutants.retain(|mutant| mutant.name.contains(filter));
    if mutants.is_empty() {
        return Err(format!("no mutant has {filter:?} in its name"));
    }
    Ok(mutants)
}

impl Mutant {
    fn suite(&self) -> &'static Suite {
        match (self.test.as_deref(), self.package) {
            (Some("manager"), _) => &MANAGER,
            (Some(_), _) => &TOLD,
            _ if self.is_of_adapters() => &ADAPTERS,
            (None, "shuttle-tests") => &HISTORIES,
            _ => &MODELS,
        }
    }

    /// Is this end a kill? And the words for the table.
    fn verdict(&self, end: End, output: &str) -> (bool, String) {
        let missing = self.expect.iter().find(|words| !output.contains(&**words));
        match end {
            End::TimedOut if self.expect == ["timeout"] => (true, "timeout".to_owned()),
            End::TimedOut => (false, "SURVIVES: it did not end in time".to_owned()),
            End::Passed => (false, "SURVIVES: the model passes".to_owned()),
            End::Failed => match missing {
                None => (true, self.expect.join("; ")),
                Some(words) => (
                    false,
                    format!("SURVIVES: it fails without the words {words:?}\n{output}"),
                ),
            },
        }
    }
}

impl Tree {
    fn judge(&self, mutant: &Mutant) -> Result<(bool, String), String> {
        self.apply(mutant)?;
        let suite = mutant.suite();
        let executable = self
            .build_test(suite.package, suite.test)
            .map_err(|words| format!("{} does not compile: {words}", mutant.name))?;
        let (end, output) = explore(&executable, &mutant.model, &[])?;
        self.restore()?;
        Ok(mutant.verdict(end, &output))
    }
}
