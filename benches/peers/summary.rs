//! One row for each workload, for docs/speed.md: what the registry costs, and the fastest of the others.

use crate::{measure::Line, page, page::*, workloads::*};
use std::{error::Error, fmt::Write as _, path::Path};

const BEGIN: &str = "<!-- speed: begin, written by `just bench --keep` -->\n";
const END: &str = "<!-- speed: end -->";

/// Puts the rows between the marks.
pub(crate) fn keep(tables: &[Table], file: &Path) -> Result<(), Box<dyn Error>> {
    page::keep(file, BEGIN, END, &rows(tables)?)
}

fn rows(tables: &[Table]) -> Result<String, std::fmt::Error> {
    let mut rows = format!(
        "{}. Ratios of times (of bytes in W7).\n\n\
         | workload | turnwise | compared with | the fastest other | its ratio |\n|---|---:|---|---|---:|\n",
        machine()
    );
    for Table { name, lines, .. } in tables {
        let is_ours = |line: &&Line| line.name.starts_with(TURNWISE);
        let fastest = |lines: &mut dyn Iterator<Item = &Line>| {
            let best = lines.min_by(|one, other| one.ratio.total_cmp(&other.ratio));
            best.map_or((String::new(), f64::NAN), |line| {
                (line.name.clone(), line.ratio)
            })
        };
        let ours: Vec<String> = lines
            .iter()
            .filter(is_ours)
            .map(|line| shown(line.ratio))
            .collect();
        let (peer, ratio) = fastest(&mut lines.iter().filter(|line| !is_ours(line)));
        writeln!(
            rows,
            "| {name} | {} | {} | {peer} | {} |",
            ours.join("; "),
            lines[0].name,
            shown(ratio)
        )?;
    }
    Ok(rows)
}

/// A ratio, with as many digits as it needs.
fn shown(ratio: f64) -> String {
    match ratio {
        ..0.0001 => "< 0.0001".to_owned(),
        ..0.1 => format!("{ratio:.4}"),
        _ => format!("{ratio:.2}"),
    }
}
