//! The pages with the tables, the machine that they were made on, and the versions in them.

use std::{error::Error, fs, path::Path, process::Command};

/// The results of one program.
pub struct Evidence {
    /// The program's name, by which docs/why.md marks its table.
    pub name: &'static str,
    /// The first word of its rows in README.md.
    pub subject: &'static str,
    /// The table, and the paragraph before it.
    pub table: String,
    /// Its rows in README.md.
    pub rows: Vec<Row>,
}

/// A row in README.md.
pub struct Row {
    /// What happens.
    pub what: String,
    /// How often, and without turnwise with what.
    pub with: String,
    /// How often it happens with turnwise.
    pub turnwise: String,
}

/// The version of a package in this workspace.
pub fn version(package: &str) -> &'static str {
    let lock = include_str!("../../../crates/rmcp/Cargo.lock");
    let named = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != named).skip(1);
    let quoted = lines
        .next()
        .and_then(|line| line.strip_prefix("version = \""));
    let version = quoted.and_then(|line| line.strip_suffix('"'));
    version.expect("the package is in the lock file")
}

/// The processor, its cores and the compiler.
pub fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let model = model.unwrap_or("a processor without a name");
    format!("{model}, {cores} cores; {}", rustc.unwrap_or_default())
}

/// Prints a table. With `--keep`, docs/why.md gets it between its marks, and README.md gets its rows.
///
/// # Errors
///
/// Those of the files; a page has no such marks, or README.md has no row of this program.
pub fn publish(evidence: &Evidence, args: &[String]) -> Result<(), Box<dyn Error>> {
    print!("{}", evidence.table);
    if !args.iter().any(|arg| arg == "--keep") {
        return Ok(());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (why, readme) = (root.join("docs/why.md"), root.join("README.md"));
    let table = between(&fs::read_to_string(&why)?, evidence.name, &evidence.table)?;
    let rows = summarized(&fs::read_to_string(&readme)?, evidence)?;
    fs::write(&why, table)?;
    fs::write(&readme, rows)?;
    Ok(())
}

fn between(all: &str, name: &str, text: &str) -> Result<String, String> {
    let [before, _, after] = marked(all, &format!("evidence:{name}"))?;
    Ok(format!("{before}{text}{after}"))
}

/// The text up to the end of the first mark, the text between the marks, and the rest.
fn marked<'a>(all: &'a str, name: &str) -> Result<[&'a str; 3], String> {
    let place = |mark: &str| {
        all.find(mark)
            .ok_or(format!("the page has no mark {}", mark.trim_end()))
    };
    let begin = format!("<!-- {name} begin -->\n");
    let begin = place(&begin)? + begin.len();
    let end = place(&format!("<!-- {name} end -->"))?;
    let between = all
        .get(begin..end)
        .ok_or("the marks are in the wrong order")?;
    Ok([&all[..begin], between, &all[end..]])
}

/// Replaces the rows of one program: those that begin with its subject.
fn summarized(all: &str, evidence: &Evidence) -> Result<String, String> {
    let [before, table, after] = marked(all, "evidence")?;
    let subject = format!("| {}: ", evidence.subject);
    let mut new = String::new();
    let mut is_there = false;
    for line in table.split_inclusive('\n') {
        if !line.starts_with(&subject) {
            new += line;
        } else if !is_there {
            is_there = true;
            for row in &evidence.rows {
                let (what, with, turnwise) = (&row.what, &row.with, &row.turnwise);
                new += &format!("{subject}{what} | {with} | {turnwise} |\n");
            }
        }
    }
    if !is_there {
        return Err(format!("README.md has no row that begins with {subject:?}"));
    }
    Ok(format!("{before}{new}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = "a\n<!-- evidence:x begin -->\nold\n<!-- evidence:x end -->\nz\n";
        let new = between(page, "x", "new\n").expect("it has the marks");
        assert_eq!(new, page.replace("old", "new"));
        assert!(between(page, "y", "new\n").is_err());
        let turned = "<!-- evidence:x end -->\n<!-- evidence:x begin -->\n";
        assert!(between(turned, "x", "new\n").is_err());
    }

    fn evidence(subject: &'static str) -> Evidence {
        let row = |what: &str| Row {
            what: what.to_owned(),
            with: "all".to_owned(),
            turnwise: "0".to_owned(),
        };
        Evidence {
            name: "x",
            subject,
            table: String::new(),
            rows: vec![row("one"), row("two")],
        }
    }

    #[test]
    fn only_the_rows_of_the_program_are_replaced() {
        let page = "| X: text | | |\n<!-- evidence begin -->\n| what | with | turnwise |\n|---|---|---|\n\
            | Y: a | 1 | 0 |\n| X: old | 2 | 0 |\n| X: older | 3 | 0 |\n| X server: b | 4 | 0 |\n<!-- evidence end -->\nz\n";
        let new = summarized(page, &evidence("X")).expect("it has rows of X");
        let old = "| X: old | 2 | 0 |\n| X: older | 3 | 0 |\n";
        let expected = page.replace(old, "| X: one | all | 0 |\n| X: two | all | 0 |\n");
        assert_eq!(new, expected);
        assert!(summarized(page, &evidence("Z")).is_err());
        assert!(summarized("| X: old | 2 | 0 |\n", &evidence("X")).is_err());
    }

    #[test]
    fn the_readme_has_rows_of_each_program() {
        let readme = include_str!("../../../README.md");
        let [_, table, _] = marked(readme, "evidence").expect("it has the marks");
        let begins = |line: &&str, subject: &str| line.starts_with(&format!("| {subject}: "));
        let of = |subject| table.lines().filter(|line| begins(line, subject)).count();
        let counts = [
            crate::mcp::table::SUBJECT,
            crate::sqlite::table::SUBJECT,
            crate::repl::table::SUBJECT,
        ]
        .map(of);
        assert_eq!(counts, [2, 2, 2]);
        assert_eq!(table.lines().count(), 2 + 6, "{table}");
    }

    #[test]
    fn versions_are_those_of_the_lock_file() {
        assert!(version("moka").starts_with("0.12."));
    }
}
