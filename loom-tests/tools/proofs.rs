//! Runs the models and keeps the table of them in PROOFS.md.
//!
//!     cargo run -p loom-tests --bin proofs -- table     print it
//!     cargo run -p loom-tests --bin proofs -- write     put it into PROOFS.md
//!     cargo run -p loom-tests --bin proofs -- check     fail if PROOFS.md says anything else, seconds aside
//!
//! With `--prove` the larger bounds are explored: minutes instead of seconds, and a table of its own. The tables stand between
//! `<!-- models:begin -->` and `<!-- models:end -->`, or `<!-- models-prove:begin -->` and its end.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Command, ExitCode, Stdio},
    thread,
};

const COLUMNS: [&str; 7] = [
    "claim",
    "model",
    "threads",
    "preemptions",
    "executions",
    "explored",
    "seconds",
];

type Row = [String; COLUMNS.len()];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let prove = arguments.iter().any(|argument| argument == "--prove");
    let commands: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .filter(|argument| *argument != "--prove")
        .collect();
    let proofs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../PROOFS.md");
    let end = match commands[..] {
        ["table"] => rows(prove).map(|rows| print!("{}", table(&rows))),
        ["write"] => write(&proofs, prove),
        ["check"] => check(&proofs, prove),
        _ => Err("one of: table, write, check; and --prove for the larger bounds".to_owned()),
    };
    match end {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("{words}");
            ExitCode::FAILURE
        }
    }
}

fn write(proofs: &Path, prove: bool) -> Result<(), String> {
    let text = read(proofs)?;
    let (before, _, after) = parts(&text, prove)?;
    let new = format!("{before}\n{}{after}", table(&rows(prove)?));
    fs::write(proofs, new).map_err(|error| format!("{}: {error}", proofs.display()))
}

fn check(proofs: &Path, prove: bool) -> Result<(), String> {
    let text = read(proofs)?;
    let (_, written, _) = parts(&text, prove)?;
    let written: Vec<Row> = written.lines().filter_map(row).skip(2).collect();
    let rows = rows(prove)?;
    let mut unlike = String::new();
    let same = |left: &Row, right: &Row| left[..6] == right[..6];
    for row in &written {
        if !rows.iter().any(|other| same(row, other)) {
            unlike += &format!("- {}\n", row[..6].join(" | "));
        }
    }
    for row in &rows {
        if !written.iter().any(|other| same(row, other)) {
            unlike += &format!("+ {}\n", row[..6].join(" | "));
        }
    }
    if unlike.is_empty() {
        println!("{} models, as PROOFS.md says", rows.len());
        Ok(())
    } else {
        Err(format!(
            "PROOFS.md (-) is not what the models say (+):\n{unlike}"
        ))
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// What stands before the table, the table, and what stands after it: the markers are before and after.
fn parts(text: &str, prove: bool) -> Result<(&str, &str, &str), String> {
    let name = if prove { "models-prove" } else { "models" };
    let begin = format!("<!-- {name}:begin -->");
    let end = format!("<!-- {name}:end -->");
    let missing = || format!("PROOFS.md has no place for the table: {begin} and {end}");
    let from = text.find(&begin).ok_or_else(missing)? + begin.len();
    let upto = from + text[from..].find(&end).ok_or_else(missing)?;
    Ok((&text[..from], &text[from..upto], &text[upto..]))
}

/// The rows that the models print, sorted by claim.
fn rows(prove: bool) -> Result<Vec<Row>, String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["test", "--package", "loom-tests", "--test", "models"])
        .args(prove.then_some("--features=prove"))
        .args(["--", "--nocapture", "--test-threads=2"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = cargo.spawn().map_err(|error| format!("cargo: {error}"))?;
    let mut errors = child.stderr.take().expect("it is piped");
    // The canaries fail on purpose and say so: shown only if something fails that must not.
    let errors = thread::spawn(move || {
        let mut bytes = Vec::new();
        let end = errors.read_to_end(&mut bytes);
        end.map(|_| String::from_utf8_lossy(&bytes).into_owned())
    });
    let mut output = String::new();
    let mut rows = Vec::new();
    for line in BufReader::new(child.stdout.take().expect("it is piped")).lines() {
        let line = line.map_err(|error| format!("the models' output: {error}"))?;
        // A test's name may stand before it in the same line.
        if let Some((_, found)) = line.split_once("model-row ") {
            let words = format!("a row of other columns: {line}");
            rows.push(row(found).ok_or(words)?);
        }
        output += &line;
        output.push('\n');
    }
    let status = child.wait().map_err(|error| format!("cargo: {error}"))?;
    let errors = errors
        .join()
        .map_err(|_| "the errors' reader panicked")?
        .map_err(|error| format!("the models' errors: {error}"))?;
    if !status.success() {
        return Err(format!("{output}\n{errors}\nthe models fail"));
    }
    rows.sort_by_key(|row| (rank(&row[0]), row[1].clone()));
    Ok(rows)
}

/// The core's claims, then the adapters', by number; then the canaries.
fn rank(claim: &str) -> (usize, u32) {
    let letter = claim.chars().next();
    let kind = ['C', 'A'].iter().position(|kind| Some(*kind) == letter);
    let number = claim.get(1..).and_then(|number| number.parse().ok());
    (kind.unwrap_or(2), number.unwrap_or(0))
}

/// The cells of `| a | b | .. |`, or of the same without the last bar.
fn row(line: &str) -> Option<Row> {
    let line = line.trim().strip_prefix('|')?;
    let line = line.strip_suffix('|').unwrap_or(line);
    let cells: Vec<String> = line.split('|').map(|cell| cell.trim().to_owned()).collect();
    cells.try_into().ok()
}

fn table(rows: &[Row]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].len());
        cells.fold(COLUMNS[column].len(), usize::max)
    };
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(width);
    let line = |cells: [&str; COLUMNS.len()]| {
        let mut line = String::from("|");
        for (column, cell) in cells.into_iter().enumerate() {
            // Numbers to the right.
            line += &if matches!(column, 2 | 4 | 6) {
                format!(" {cell:>0$} |", widths[column])
            } else {
                format!(" {cell:<0$} |", widths[column])
            };
        }
        line + "\n"
    };
    let rules = widths.map(|width| "-".repeat(width));
    let mut table = line(COLUMNS);
    table += &line(rules.each_ref().map(String::as_str));
    for row in rows {
        table += &line(row.each_ref().map(String::as_str));
    }
    table
}
