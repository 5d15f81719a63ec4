//! PROOFS.md: prose by hand, and tables between markers: `<!-- name:begin -->` and `<!-- name:end -->`.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The cells of one line of a table.
pub(crate) type Row = Vec<String>;

/// What a table is made of: the names of its columns, and which of them hold numbers. A last column with the name `seconds`
/// is written down and not compared.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) names: &'static [&'static str],
    pub(crate) numbers: &'static [usize],
}

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

    /// What stands between the markers.
    pub(crate) fn between(&self, name: &str) -> Result<&str, String> {
        let (from, upto) = self.markers(name)?;
        Ok(&self.text[from..upto])
    }

    /// The rows of a table, below its head.
    pub(crate) fn rows(&self, name: &str) -> Result<Vec<Row>, String> {
        Ok(self
            .between(name)?
            .lines()
            .filter_map(row)
            .skip(2)
            .collect())
    }

    pub(crate) fn put(&mut self, name: &str, table: &str) -> Result<(), String> {
        let (from, upto) = self.markers(name)?;
        self.text.replace_range(from..upto, &format!("\n{table}"));
        Ok(())
    }

    fn markers(&self, name: &str) -> Result<(usize, usize), String> {
        let begin = format!("<!-- {name}:begin -->");
        let end = format!("<!-- {name}:end -->");
        let missing = || format!("PROOFS.md has no place for a table: {begin} and {end}");
        let from = self.text.find(&begin).ok_or_else(missing)? + begin.len();
        let upto = from + self.text[from..].find(&end).ok_or_else(missing)?;
        Ok((from, upto))
    }

    /// The lines by which the table in the file differs from this one; empty if it does not.
    pub(crate) fn unlike(&self, name: &str, table: &str) -> Result<String, String> {
        let (written, said) = (compared(self.between(name)?), compared(table));
        let mut unlike = String::new();
        for row in written.iter().filter(|row| !said.contains(row)) {
            unlike += &format!("- {name}: {}\n", row.join(" | "));
        }
        for row in said.iter().filter(|row| !written.contains(row)) {
            unlike += &format!("+ {name}: {}\n", row.join(" | "));
        }
        Ok(unlike)
    }
}

/// The rows of a table below its head, without the column of seconds.
fn compared(table: &str) -> Vec<Row> {
    let mut rows = table.lines().filter_map(row);
    let timed = rows
        .next()
        .is_some_and(|head| head.last().is_some_and(|name| name == "seconds"));
    rows.skip(1)
        .map(|mut row| {
            if timed {
                row.pop();
            }
            row
        })
        .collect()
}

/// The cells of `| a | b | .. |`, or of the same without the last bar.
pub(crate) fn row(line: &str) -> Option<Row> {
    let line = line.trim().strip_prefix('|')?;
    let line = line.strip_suffix('|').unwrap_or(line);
    Some(line.split('|').map(|cell| cell.trim().to_owned()).collect())
}

/// The rows as a table, its columns aligned.
pub(crate) fn table(columns: &Columns, rows: &[Row]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.fold(columns.names[column].len(), usize::max)
    };
    let widths: Vec<usize> = (0..columns.names.len()).map(width).collect();
    let line = |cells: &[&str]| {
        let mut line = String::from("|");
        for (column, cell) in cells.iter().enumerate() {
            line += &if columns.numbers.contains(&column) {
                format!(" {cell:>0$} |", widths[column])
            } else {
                format!(" {cell:<0$} |", widths[column])
            };
        }
        line + "\n"
    };
    let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
    let mut table = line(columns.names);
    table += &line(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        table += &line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
    table
}

/// The core's claims, then the adapters', by number; then the canaries.
pub(crate) fn rank(claim: &str) -> (usize, u32) {
    let letter = claim.chars().next();
    let kind = ['C', 'A'].iter().position(|kind| Some(*kind) == letter);
    let number = claim.get(1..).and_then(|number| number.parse().ok());
    match (kind, number) {
        (Some(kind), Some(number)) => (kind, number),
        _ => (2, 0),
    }
}

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}
