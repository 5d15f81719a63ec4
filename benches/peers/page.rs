//! Pages with a generated part, and the machine that it was generated on.

use std::{error::Error, fs, path::Path};

pub(crate) fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let rustc = std::process::Command::new("rustc")
        .arg("--version")
        .output();
    let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    format!(
        "{}, {cores} cores; {}",
        model.unwrap_or("a processor without a name"),
        rustc.unwrap_or_default()
    )
}

/// Puts `text` between two marks of a page; each is a line.
pub(crate) fn keep(page: &Path, begin: &str, end: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let all = fs::read_to_string(page)?;
    let missing = || format!("{} has no mark {begin}", page.display());
    let (before, rest) = all.split_once(begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(end).ok_or_else(missing)?;
    fs::write(page, format!("{before}{begin}{text}{end}{after}"))?;
    Ok(())
}
