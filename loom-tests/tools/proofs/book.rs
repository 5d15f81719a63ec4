//! PROOFS.md: prose by hand, and two generated parts between markers, `<!-- name:begin -->` and `<!-- name:end -->`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The most lines of PROOFS.md. It is for people: what is longer belongs to a recipe's output.
const MOST_LINES: usize = 365;

/// The file.
#[derive(Debug)]
pub(crate) struct Book {
    path: PathBuf,
    pub(crate) text: String,
}

impl Book {
    pub(crate) fn open() -> Result<Self, String> {
        let path = root().join("PROOFS.md");
        let text = read(&path)?;
        Ok(Self { path, text })
    }

    pub(crate) fn save(&self) -> Result<(), String> {
        fs::write(&self.path, &self.text)
            .map_err(|error| format!("{}: {error}", self.path.display()))
    }

    /// Replaces what stands between the markers.
    pub(crate) fn put(&mut self, name: &str, part: &str) -> Result<(), String> {
        let (from, upto) = self.markers(name)?;
        self.text.replace_range(from..upto, &format!("\n{part}"));
        Ok(())
    }

    fn markers(&self, name: &str) -> Result<(usize, usize), String> {
        let begin = format!("<!-- {name}:begin -->");
        let end = format!("<!-- {name}:end -->");
        let missing = || format!("PROOFS.md has no markers {begin} and {end}");
        let from = self.text.find(&begin).ok_or_else(missing)? + begin.len();
        let upto = from + self.text[from..].find(&end).ok_or_else(missing)?;
        Ok((from, upto))
    }

    /// The lines by which the part in the file differs from this one. White space does not count.
    pub(crate) fn differences(&self, name: &str, part: &str) -> Result<String, String> {
        let (from, upto) = self.markers(name)?;
        let (written, is) = (compared(&self.text[from..upto]), compared(part));
        let removed = written.iter().filter(|line| !is.contains(line));
        let added = is.iter().filter(|line| !written.contains(line));
        let removed = removed.map(|line| format!("- {name}: {line}\n"));
        Ok(removed
            .chain(added.map(|line| format!("+ {name}: {line}\n")))
            .collect())
    }

    pub(crate) fn is_short(&self) -> Result<(), String> {
        match self.text.lines().count() {
            lines if lines > MOST_LINES => Err(format!(
                "PROOFS.md has {lines} lines, more than {MOST_LINES}"
            )),
            _ => Ok(()),
        }
    }
}

fn compared(part: &str) -> Vec<String> {
    let lines = part.lines().filter(|line| !line.contains("---"));
    let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect()
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// The Rust files below a folder.
pub(crate) fn sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let failed = |error| format!("{}: {error}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
