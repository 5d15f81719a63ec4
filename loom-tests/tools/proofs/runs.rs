//! Runs an engine in a process of its own, and reads the rows that it prints.

use crate::book::{Columns, Row, rank, root, row};
use std::{
    env,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    thread,
};

/// loom's.
pub(crate) const MODELS: Columns = Columns {
    names: &[
        "claim",
        "model",
        "threads",
        "preemptions",
        "executions",
        "explored",
        "seconds",
    ],
    numbers: &[2, 4, 6],
};
/// shuttle's.
pub(crate) const HISTORIES: Columns = Columns {
    names: &[
        "claims",
        "history",
        "tasks",
        "schedulers",
        "schedules",
        "explored",
        "seconds",
    ],
    numbers: &[2, 4, 6],
};
/// The replayed inputs.
pub(crate) const FUZZ: Columns = Columns {
    names: &["claims", "target", "inputs", "seconds"],
    numbers: &[2, 3],
};
/// The mutants' totals.
const MUTANTS: Columns = Columns {
    names: &["claim", "killed", "total"],
    numbers: &[1, 2],
};

/// Which bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Everyday,
    Prove,
}

/// How an engine's run ended: its rows, and what failed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) rows: Vec<Row>,
    /// All that was said, if the run failed.
    pub(crate) failure: Option<String>,
}

impl Run {
    /// The rows of a run that must not fail.
    pub(crate) fn whole(self) -> Result<Vec<Row>, String> {
        match self.failure {
            None => Ok(self.rows),
            Some(words) => Err(words),
        }
    }
}

pub(crate) fn models(size: Size) -> Result<Run, String> {
    let test = ["test", "--package", "loom-tests", "--test", "models"];
    let mut run = engine(&test, size, "model-row ", &MODELS)?;
    run.rows.sort_by_key(|row| (rank(&row[0]), row[1].clone()));
    Ok(run)
}

/// Of the core, and the scenarios of the manager.
pub(crate) fn histories(size: Size) -> Result<Run, String> {
    let test = ["test", "--package", "turnwise-shuttle", "--no-fail-fast"];
    let programs = ["--test", "histories", "--test", "adapters"];
    let test = [&test[..], &programs].concat();
    let mut run = engine(&test, size, "history-row ", &HISTORIES)?;
    run.rows.sort_by_key(|row| row[1].clone());
    Ok(run)
}

pub(crate) fn fuzz() -> Result<Run, String> {
    let test = ["test", "--package", "turnwise", "--test", "fuzz_replay"];
    let mut run = engine(&test, Size::Everyday, "fuzz-row ", &FUZZ)?;
    run.rows.sort_by_key(|row| row[1].clone());
    Ok(run)
}

/// Builds and runs each mutant: minutes.
pub(crate) fn mutants() -> Result<Run, String> {
    let run = ["run", "-q", "--package", "loom-tests", "--bin", "mutants"];
    let mut command = cargo();
    command.args(run);
    collect(command, "mutants-row ", &MUTANTS, true)
}

fn engine(test: &[&str], size: Size, mark: &str, columns: &Columns) -> Result<Run, String> {
    let mut command = cargo();
    command.args(test);
    if size == Size::Prove {
        command.arg("--features=prove");
    }
    command.args(["--", "--nocapture", "--test-threads=2"]);
    collect(command, mark, columns, false)
}

fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Runs the command and collects its rows. With `aloud` it is heard meanwhile.
fn collect(
    mut command: Command,
    mark: &str,
    columns: &Columns,
    aloud: bool,
) -> Result<Run, String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cargo: {error}"))?;
    let mut errors = child.stderr.take().expect("it is piped");
    // Canaries fail on purpose and say so: shown only if something fails that must not.
    let errors = thread::spawn(move || {
        let mut bytes = Vec::new();
        let end = errors.read_to_end(&mut bytes);
        end.map(|_| String::from_utf8_lossy(&bytes).into_owned())
    });
    let mut output = String::new();
    let mut rows = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        let line = line.map_err(|error| format!("the output of {mark}: {error}"))?;
        // A test's name may stand before it in the same line.
        if let Some((_, found)) = line.split_once(mark) {
            let found = row(found).filter(|row| row.len() == columns.names.len());
            rows.push(found.ok_or_else(|| format!("a row of other columns: {line}"))?);
        }
        if aloud {
            println!("{line}");
        }
        output += &line;
        output.push('\n');
    }
    let status = child.wait().map_err(|error| format!("cargo: {error}"))?;
    let errors = errors
        .join()
        .map_err(|_| "the errors' reader panicked")?
        .map_err(|error| format!("the errors of {mark}: {error}"))?;
    let failure = (!status.success()).then(|| format!("{output}\n{errors}\n{mark}: failed"));
    Ok(Run { rows, failure })
}
