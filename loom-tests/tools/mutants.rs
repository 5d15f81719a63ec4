//! Breaks the source on purpose, one patch at a time, and expects the model that the patch names to say so.
//!
//!     cargo run -p loom-tests --bin mutants             all of loom-tests/mutants and shuttle-tests/mutants
//!     cargo run -p loom-tests --bin mutants -- c06      those with this in their name; `a0`: those of the adapters
//!
//! A patch is a unified diff against the root of the project, as `git diff` writes it, under a header of its own:
//!
//!     claim: C6
//!     model: c06_identity::replace_against_cleanup
//!     expect: the replacement survives
//!     why: the slot is found by its key, which the replacement has too
//!
//! `expect` may stand more than once; all of it must be said. `expect: timeout` is for a mutant that does not end. The model
//! of a patch in shuttle-tests is a history; that of a claim of the adapters, A1 to A6, is one of their scenarios. With
//! `test: told` it is a test of that program of the root: for what takes more than a model can do.
//!
//! A mutant is killed if its model, run alone in a process of its own, fails with those words. It survives if the model
//! passes, fails with other words, or does not end in time. A patch that does not apply or compile, and a model that fails
//! without it, are errors, not kills.
//!
//! `survives: why` is the header of a mutant that no model can tell from the source. It is listed with its reason, does not
//! count, and must survive: a kill proves the reason wrong, and fails the run. Two canaries are of this kind, a patch of a
//! comment and one that is noticed with other words: with them each run shows that the tool can say "survives".

mod tree;

use crate::tree::{End, Tree, explore, files, told};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Mutex,
    thread,
    time::Instant,
};

/// A test program that notices mutants.
#[derive(Debug, PartialEq, Eq)]
struct Suite {
    folder: &'static str,
    package: &'static str,
    test: &'static str,
}

const MODELS: Suite = Suite {
    folder: "loom-tests",
    package: "loom-tests",
    test: "models",
};

const HISTORIES: Suite = Suite {
    folder: "shuttle-tests",
    package: "turnwise-shuttle",
    test: "histories",
};

const ADAPTERS: Suite = Suite {
    folder: "shuttle-tests",
    package: "turnwise-shuttle",
    test: "adapters",
};

const TOLD: Suite = Suite {
    folder: "tests",
    package: "turnwise",
    test: "told",
};

const MANAGER: Suite = Suite {
    folder: "tests",
    package: "turnwise",
    test: "manager",
};

const SUITES: [&Suite; 5] = [&MODELS, &HISTORIES, &ADAPTERS, &TOLD, &MANAGER];

/// The folders with patches, and who notices those of a claim of the core.
const FOLDERS: [&Suite; 2] = [&MODELS, &HISTORIES];

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
    let mutants = mutants(filter)?;
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
    let mutants = mutants.iter().filter(|mutant| mutant.suite == suite);
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

/// One patch and its header.
struct Mutant {
    name: String,
    patch: PathBuf,
    claim: String,
    model: String,
    expect: Vec<String>,
    /// Why no model can tell it from the source, if it is so.
    survives: Option<String>,
    suite: &'static Suite,
}

fn mutants(filter: &str) -> Result<Vec<Mutant>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut mutants = Vec::new();
    for suite in FOLDERS {
        let folder = root.join(suite.folder).join("mutants");
        if !folder.exists() {
            continue;
        }
        for file in files(&folder)? {
            let name = file.to_string_lossy();
            let Some(name) = name.strip_suffix(".patch") else {
                continue;
            };
            if name.contains(filter) {
                mutants.push(Mutant::read(name, folder.join(&file), suite)?);
            }
        }
    }
    if mutants.is_empty() {
        return Err(format!("no mutant has {filter:?} in its name"));
    }
    Ok(mutants)
}

impl Mutant {
    fn read(name: &str, patch: PathBuf, suite: &'static Suite) -> Result<Self, String> {
        let text = fs::read_to_string(&patch).map_err(told(&patch))?;
        let header = text
            .lines()
            .take_while(|line| !line.starts_with("diff ") && !line.starts_with("--- "));
        let fields: Vec<(&str, &str)> = header
            .filter_map(|line| line.split_once(':'))
            .map(|(field, value)| (field.trim(), value.trim()))
            .collect();
        let all = |name: &str| -> Vec<String> {
            let values = fields.iter().filter(|(field, _)| *field == name);
            values.map(|(_, value)| (*value).to_owned()).collect()
        };
        let one = |field: &str| match &all(field)[..] {
            [value] if !value.is_empty() => Ok(value.clone()),
            _ => Err(format!("{name}: its header needs one `{field}:`")),
        };
        let expect = all("expect");
        if expect.is_empty() || expect.iter().any(String::is_empty) {
            return Err(format!("{name}: its header needs an `expect:`"));
        }
        one("why")?;
        let survives = all("survives").into_iter().next();
        let claim = one("claim")?;
        let suite = match &all("test")[..] {
            [] if claim.starts_with('A') => &ADAPTERS,
            [] => suite,
            [test] => (SUITES.into_iter())
                .find(|suite| suite.folder == "tests" && suite.test == test)
                .ok_or_else(|| format!("{name}: there is no test program {test} for mutants"))?,
            _ => return Err(format!("{name}: it has more than one `test:`")),
        };
        Ok(Self {
            survives,
            suite,
            claim,
            model: one("model")?,
            name: name.to_owned(),
            patch,
            expect,
        })
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
        self.apply(&mutant.patch)?;
        let executable = self
            .build_test(mutant.suite.package, mutant.suite.test)
            .map_err(|words| format!("{} does not compile: {words}", mutant.name))?;
        let (end, output) = explore(&executable, &mutant.model, &[])?;
        self.restore()?;
        Ok(mutant.verdict(end, &output))
    }
}
