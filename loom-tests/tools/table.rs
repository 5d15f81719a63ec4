//! Tables as text.

/// The cells of one line.
pub(crate) type Row = Vec<String>;

/// The names of the columns, and which of them hold numbers.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) names: &'static [&'static str],
    pub(crate) numbers: &'static [usize],
}

/// The cells of `| a | b |`, or of the same without the last bar.
#[allow(dead_code)] // `mutants` reads none.
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

/// Orders claims: the core's, then the manager's, by number; then the canaries.
pub(crate) fn rank(claim: &str) -> (usize, u32) {
    let letter = claim.chars().next();
    let kind = ['C', 'A'].iter().position(|kind| Some(*kind) == letter);
    let number = claim.get(1..).and_then(|number| number.parse().ok());
    match (kind, number) {
        (Some(kind), Some(number)) => (kind, number),
        _ => (2, 0),
    }
}
