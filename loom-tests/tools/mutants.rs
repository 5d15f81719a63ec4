//! Breaks the source on purpose, one mutant at a time, and expects the mutant's model to fail.
//!
//!     cargo run -p tools --bin mutants             all of loom-tests/mutants and shuttle-tests/mutants
//!     cargo run -p tools --bin mutants -- c06      those with this in their name; `a0`: those of the manager
//!     cargo run -p tools --bin mutants -- --list   prints the table of all mutants, and runs none
//!
//! `mutant/mod.rs` has the format of a mutant. Its model must print every `expect`; `expect: timeout` is for a mutant that does
//! not end. The model of a mutant in shuttle-tests is a history, and that of a manager's claim, A1 to A16, is a scenario. With
//! `test: told` it is a test of that program of the root. Claims of the cluster, B1 to B12, have those of `crates/cluster`, or in
//! shuttle-tests the scenarios of `shuttle-tests/cluster`.
//!
//! A mutant is killed if its model, run in a process of its own, fails with the expected words. It survives if the model
//! passes, fails with other words, or does not end in time, and if the mutant does not compile. The run stops with an error if a
//! text does not occur in the source exactly once, or a model fails without its mutant.
//!
//! `survives: why` marks a mutant that no model can distinguish from the source. It does not count, and must survive: a kill
//! disproves its reason and fails the run. Canaries are of this kind, one for each test program: each run shows that the tool can
//! report a survivor, and that what it judges passes without a fault.

mod mutant;
mod narrow;
mod table;
mod tree;

use crate::{
    mutant::{Mutant, mutants},
    table::{rank, table},
    tree::{End, Tree, explore},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    env,
    path::Path,
    process::ExitCode,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

/// A test program with the models of mutants.
#[derive(Debug, PartialEq, Eq)]
struct Suite {
    package: &'static str,
    test: &'static str,
    /// Names its modules.
    main: &'static str,
}

const MODELS: Suite = Suite {
    package: "loom-tests",
    test: "models",
    main: "loom-tests/tests/models/main.rs",
};

const HISTORIES: Suite = Suite {
    package: "shuttle-tests",
    test: "histories",
    main: "shuttle-tests/tests/histories/main.rs",
};

const ADAPTERS: Suite = Suite {
    package: "shuttle-tests",
    test: "adapters",
    main: "shuttle-tests/tests/adapters/main.rs",
};

const TOLD: Suite = Suite {
    package: "turnwise",
    test: "told",
    main: "tests/told.rs",
};

const MANAGER: Suite = Suite {
    package: "turnwise",
    test: "manager",
    main: "tests/manager/main.rs",
};

const CLUSTER: Suite = Suite {
    package: "turnwise-cluster",
    test: "cluster",
    main: "crates/cluster/tests/cluster/main.rs",
};

const NODES: Suite = Suite {
    package: "turnwise-cluster-shuttle",
    test: "nodes",
    main: "shuttle-tests/cluster/tests/nodes/main.rs",
};

/// Two lanes judge side by side: rustc builds a mutant on one core, mostly. Each begins at its end of the mutants, in this order,
/// and they meet where they have done the same work.
const LANES: [Lane; 2] = [
    Lane {
        name: "models",
        suites: &[&MODELS, &TOLD, &MANAGER, &CLUSTER],
        next: |left| left.pop_front(),
    },
    Lane {
        name: "schedules",
        suites: &[&NODES, &HISTORIES, &ADAPTERS],
        next: |left| left.pop_back(),
    },
];

struct Lane {
    name: &'static str,
    /// What it shows to pass before it begins.
    suites: &'static [&'static Suite],
    next: for<'a> fn(&mut VecDeque<&'a Mutant>) -> Option<&'a Mutant>,
}

fn main() -> ExitCode {
    let filter = env::args().nth(1).unwrap_or_default();
    let end = match &*filter {
        "--list" => list().map(|()| true),
        filter => run(filter),
    };
    match end {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(words) => {
            eprintln!("error: {words}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what each mutant breaks, and what must notice it.
fn list() -> Result<(), String> {
    const HEAD: &str = "claim | mutant | what it breaks | noticed by | with the words";
    let mut mutants = chosen("")?;
    mutants.sort_by_key(|mutant| (rank(&mutant.claim), mutant.name.clone()));
    let rows = mutants.iter().map(|mutant| {
        let by = match (&mutant.survives, &mutant.test) {
            (Some(reason), _) => format!("survives: {reason}"),
            (None, Some(test)) => format!("{} of tests/{test}", mutant.model),
            (None, None) => mutant.model.clone(),
        };
        // A bar would end the cell.
        let cell = |text: &str| text.replace('|', "/");
        let (why, words) = (cell(&mutant.why), cell(&mutant.expect.join("; ")));
        vec![mutant.claim.clone(), mutant.name.clone(), why, by, words]
    });
    print!("{}", table(HEAD, &rows.collect::<Vec<_>>()));
    Ok(())
}

/// Runs the mutants. True if each ends as its header says.
fn run(filter: &str) -> Result<bool, String> {
    let order: Vec<_> = LANES.iter().flat_map(|lane| lane.suites).copied().collect();
    let mut mutants = chosen(filter)?;
    // Those of one model follow each other, since they build the same modules.
    mutants.sort_by_key(|mutant| {
        let suite = order.iter().position(|suite| *suite == mutant.suite());
        (suite, mutant.model.clone())
    });
    let work = Work {
        is_whole: filter.is_empty(),
        mutants: &mutants,
        left: Mutex::new(mutants.iter().collect()),
        report: Report::new(&mutants),
    };
    let [first, second] = &LANES;
    if work.is_whole {
        thread::scope(|scope| {
            let second = scope.spawn(|| work.lane(second, second.suites));
            work.lane(first, first.suites)
                .and(second.join().expect("a lane does not panic"))
        })?;
    } else {
        // The libraries of a second lane would be built longer than a few mutants.
        work.lane(first, &order)?;
    }
    Ok(work.report.end())
}

struct Work<'a> {
    /// None of the mutants is left out.
    is_whole: bool,
    mutants: &'a [Mutant],
    /// Whoever fails takes them all.
    left: Mutex<VecDeque<&'a Mutant>>,
    report: Report,
}

impl Work<'_> {
    /// Judges mutants, one after the other, in a copy of the project that no other lane uses.
    fn lane(&self, lane: &Lane, suites: &[&Suite]) -> Result<(), String> {
        let end = self.judge(lane, suites);
        if end.is_err() {
            self.left.lock().expect("nobody panics with it").clear();
        }
        end
    }

    fn judge(&self, lane: &Lane, suites: &[&Suite]) -> Result<(), String> {
        let tree = Tree::new(lane.name)?;
        for suite in suites {
            self.passes(&tree, suite)?;
        }
        println!("the source as it is passes: {}", lane.name);
        loop {
            let next = (lane.next)(&mut self.left.lock().expect("nobody panics with it"));
            let Some(mutant) = next else { return Ok(()) };
            let begin = Instant::now();
            let (is_kill, words) = tree.judge(mutant)?;
            self.report.line(mutant, is_kill, &words, begin.elapsed());
        }
    }

    /// Checks that the models of these mutants pass without them.
    fn passes(&self, tree: &Tree, suite: &Suite) -> Result<(), String> {
        let mutants = self.mutants.iter().filter(|mutant| mutant.suite() == suite);
        let models: BTreeSet<&str> = mutants.map(|mutant| &*mutant.model).collect();
        if models.is_empty() {
            return Ok(());
        }
        let executable = match self.is_whole {
            true => tree.build_workspace(suite.main)?,
            false => tree.build_test(suite.package, suite.test)?,
        };
        for model in models {
            let (end, output) = explore(&executable, model, &[])?;
            if !matches!(end, End::Passed) {
                return Err(format!("{model} without a mutant: {end:?}\n{output}"));
            }
        }
        Ok(())
    }
}

/// The lines of the mutants, and what they come to.
struct Report {
    /// The widths of names, claims and models.
    widths: [usize; 3],
    tally: Mutex<Tally>,
}

#[derive(Default)]
struct Tally {
    /// By claim: killed, and to be killed.
    counts: BTreeMap<(usize, String), (usize, usize)>,
    /// Expected to survive.
    rest: usize,
    unlike: usize,
}

impl Report {
    fn new(mutants: &[Mutant]) -> Self {
        let widest = |of: fn(&Mutant) -> &str| mutants.iter().map(|mutant| of(mutant).len()).max();
        let widths = [
            widest(|mutant| &mutant.name),
            widest(|mutant| &mutant.claim),
            widest(|mutant| &mutant.model),
        ];
        Self {
            widths: widths.map(Option::unwrap_or_default),
            tally: Mutex::default(),
        }
    }

    fn line(&self, mutant: &Mutant, is_kill: bool, words: &str, took: Duration) {
        let Mutant {
            name, claim, model, ..
        } = mutant;
        let verdict = match &mutant.survives {
            None => words.to_owned(),
            Some(why) if is_kill => {
                format!("KILLED, though its header says that it survives: {why}")
            }
            Some(why) => format!("survives: {why}"),
        };
        let ([names, claims, models], seconds) = (self.widths, took.as_secs_f64());
        println!("{name:<names$} | {claim:<claims$} | {model:<models$} | {verdict} | {seconds:.1}");
        let mut tally = self.tally.lock().expect("nobody panics with it");
        tally.unlike += usize::from(is_kill != mutant.survives.is_none());
        if mutant.survives.is_none() {
            // By number: C2 before C10.
            let claim = (claim.len(), claim.clone());
            let (killed, all) = tally.counts.entry(claim).or_default();
            *killed += usize::from(is_kill);
            *all += 1;
        } else {
            tally.rest += 1;
        }
    }

    /// True if each mutant ended as its header says.
    fn end(self) -> bool {
        let tally = self.tally.into_inner().expect("nobody panics with it");
        for ((_, claim), (killed, all)) in &tally.counts {
            println!("mutants-row | {claim} | {killed} | {all}");
        }
        let killed: usize = tally.counts.values().map(|(killed, _)| killed).sum();
        let all: usize = tally.counts.values().map(|(_, all)| all).sum();
        let Tally { rest, unlike, .. } = tally;
        println!(
            "{killed} of {all} killed, {rest} expected to survive, {unlike} not as their header says"
        );
        unlike == 0
    }
}

/// The mutants with this in their name.
fn chosen(filter: &str) -> Result<Vec<Mutant>, String> {
    let mut mutants = mutants(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))?;
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
            (None, "shuttle-tests") if self.is_of_cluster() => &NODES,
            _ if self.is_of_cluster() => &CLUSTER,
            (None, "shuttle-tests") => &HISTORIES,
            _ => &MODELS,
        }
    }

    /// Whether this end is a kill, and the words for the table.
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
                    format!("SURVIVES: the model fails without the words {words:?}\n{output}"),
                ),
            },
        }
    }
}

impl Tree {
    fn judge(&self, mutant: &Mutant) -> Result<(bool, String), String> {
        let suite = mutant.suite();
        self.apply(mutant)?;
        self.narrow(suite.main, &mutant.model)?;
        let built = self.build_test(suite.package, suite.test);
        self.restore()?;
        match built {
            Ok(executable) => {
                let (end, output) = explore(&executable, &mutant.model, &[])?;
                Ok(mutant.verdict(end, &output))
            }
            Err(words) if mutant.survives.is_none() => {
                Ok((false, format!("DOES NOT COMPILE:\n{words}")))
            }
            Err(words) => Err(format!("{} does not compile: {words}", mutant.name)),
        }
    }
}
