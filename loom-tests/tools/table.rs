//! Tables as text.

/// The cells of one line.
pub(crate) type Row = Vec<String>;

/// The cells of `| a | b |`, or of the same without the outer bars.
pub(crate) fn row(line: &str) -> Row {
    let line = line.trim().trim_matches('|');
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The rows as a table, its columns aligned. `head` has their names: `claim | model`.
pub(crate) fn table(head: &str, rows: &[Row]) -> String {
    let head = row(head);
    let columns = 0..head.len();
    let cells = |column: usize| rows.iter().map(move |row| &row[column]);
    let widest = |column: usize| cells(column).map(|cell| cell.chars().count()).max();
    let width = |column: usize| widest(column).unwrap_or_default().max(head[column].len());
    let is_number = |cell: &String| cell.bytes().all(|byte| byte.is_ascii_digit());
    let line = |cells_of: &Row| {
        let line = columns.clone().map(|column| {
            let (cell, width) = (&cells_of[column], width(column));
            match cells(column).all(is_number) {
                true => format!("| {cell:>width$} "),
                false => format!("| {cell:<width$} "),
            }
        });
        line.collect::<String>() + "|\n"
    };
    let rule = columns.clone().map(|column| "-".repeat(width(column)));
    let lines = [head.clone(), rule.collect()];
    lines.iter().chain(rows).map(line).collect()
}

// Not each tool has rows of claims.
#[allow(dead_code)]
/// Orders claims: the core's, then the manager's, then the cluster's, by number; then the canaries.
pub(crate) fn rank(claim: &str) -> (usize, u32) {
    let letter = claim.chars().next();
    let kind = ['C', 'A', 'B']
        .iter()
        .position(|kind| Some(*kind) == letter);
    let number = claim.get(1..).and_then(|number| number.parse().ok());
    match (kind, number) {
        (Some(kind), Some(number)) => (kind, number),
        _ => (3, 0),
    }
}
