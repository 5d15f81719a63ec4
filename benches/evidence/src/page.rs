//! The page with the tables, the machine that they were made on, and the versions in them.

use std::{error::Error, fs, path::Path, process::Command};

/// The version of a package in this workspace.
pub fn version(package: &str) -> &'static str {
    let lock = include_str!("../Cargo.lock");
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

/// Prints a table. With `--keep`, docs/why.md gets it between its marks.
///
/// # Errors
///
/// Those of the file; the page has no such marks.
pub fn publish(name: &str, text: &str, args: &[String]) -> Result<(), Box<dyn Error>> {
    print!("{text}");
    if !args.iter().any(|arg| arg == "--keep") {
        return Ok(());
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/why.md");
    let all = fs::read_to_string(&page)?;
    fs::write(&page, between(&all, name, text)?)?;
    Ok(())
}

fn between(all: &str, name: &str, text: &str) -> Result<String, String> {
    let begin = format!("<!-- evidence:{name} begin -->\n");
    let end = format!("<!-- evidence:{name} end -->");
    let missing = |mark: &str| format!("the page has no mark {}", mark.trim_end());
    let (before, rest) = all.split_once(&begin).ok_or_else(|| missing(&begin))?;
    let (_, after) = rest.split_once(&end).ok_or_else(|| missing(&end))?;
    Ok(format!("{before}{begin}{text}{end}{after}"))
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
    }

    #[test]
    fn versions_are_those_of_the_lock_file() {
        assert!(version("moka").starts_with("0.12."));
    }
}
