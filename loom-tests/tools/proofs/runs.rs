//! Runs an engine in a process of its own at its larger bounds, and reads the rows that it prints.

use crate::{
    book::root,
    table::{Row, row},
};
use std::{
    env,
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    thread,
};

/// How an engine's run ended: its rows, and its output if it failed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) rows: Vec<Row>,
    pub(crate) failure: Option<String>,
}

/// Rows: claim, model, threads, preemptions, executions, explored, seconds.
pub(crate) fn models() -> Result<Run, String> {
    let test = [
        "--package",
        "loom-tests",
        "--features",
        "prove",
        "--test",
        "models",
    ];
    engine(&test, "model-row ", 7)
}

/// The histories of the core and the scenarios of the manager and the cluster: claims, name, tasks, schedulers, schedules, explored, seconds.
pub(crate) fn histories() -> Result<Run, String> {
    let package = [
        "--package",
        "shuttle-tests",
        "--package",
        "turnwise-cluster-shuttle",
        "--features",
        "prove",
        "--no-fail-fast",
    ];
    let programs = [
        "--test",
        "histories",
        "--test",
        "adapters",
        "--test",
        "nodes",
    ];
    engine(&[&package[..], &programs].concat(), "history-row ", 7)
}

/// Rows: claims, target, inputs, seconds.
pub(crate) fn fuzz() -> Result<Run, String> {
    engine(
        &["--package", "fuzz-replay", "--test", "fuzz_replay"],
        "fuzz-row ",
        4,
    )
}

/// Builds and runs each mutant, which takes minutes. Rows: claim, killed, total.
pub(crate) fn mutants() -> Result<Run, String> {
    collect(
        &[
            "run",
            "-q",
            "--profile",
            "test",
            "--package",
            env!("CARGO_PKG_NAME"),
            "--bin",
            "mutants",
        ],
        "mutants-row ",
        3,
        true,
    )
}

fn engine(of: &[&str], mark: &str, columns: usize) -> Result<Run, String> {
    let test = [&["test"], of, &["--", "--nocapture", "--test-threads=2"]].concat();
    collect(&test, mark, columns, false)
}

/// Runs cargo and collects the rows, and prints its output meanwhile if it is `aloud`.
fn collect(arguments: &[&str], mark: &str, columns: usize, aloud: bool) -> Result<Run, String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).current_dir(root());
    cargo.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = cargo.spawn().map_err(|error| format!("cargo: {error}"))?;
    let mut errors = child.stderr.take().expect("it is piped");
    // Canaries fail on purpose and print so. Shown only if something fails that must not.
    let errors = thread::spawn(move || {
        let mut bytes = Vec::new();
        let end = errors.read_to_end(&mut bytes);
        end.map(|_| String::from_utf8_lossy(&bytes).into_owned())
    });
    let mut output = String::new();
    let mut rows = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        let line = line.map_err(|error| format!("the output of {mark}: {error}"))?;
        // The test's name may precede it in the same line.
        if let Some((_, found)) = line.split_once(mark) {
            let found = row(found);
            if found.len() != columns {
                return Err(format!("not {columns} columns: {line}"));
            }
            rows.push(found);
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
    let failure = (!status.success()).then(|| format!("{output}\n{errors}"));
    Ok(Run { rows, failure })
}
