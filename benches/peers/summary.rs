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
         | workload | turnwise | with foldhash | to the floor with the same hasher | compared with | the fastest other | its ratio |\n\
         |---|---:|---:|---:|---|---|---:|\n",
        machine()
    );
    for table in tables {
        let ours = |fold: bool| {
            let lines = table.lines.iter().filter(move |line| {
                line.name.starts_with(TURNWISE) && line.name.ends_with(FOLDHASH) == fold
            });
            lines.collect::<Vec<_>>()
        };
        let ratios = |lines: &[&Line]| -> String {
            let lines: Vec<_> = lines.iter().map(|line| shown(line.ratio)).collect();
            lines.join("; ")
        };
        let same: Vec<_> = [ours(false), ours(true)]
            .concat()
            .into_iter()
            .filter_map(|line| Some(shown(table.to_same_hasher(line)?)))
            .collect();
        let others = table.lines.iter().filter(|line| {
            !line.name.starts_with(TURNWISE) && !line.name.starts_with("floor, with")
        });
        let fastest = others.min_by(|one, other| one.ratio.total_cmp(&other.ratio));
        let (peer, ratio) = fastest.map_or(("", f64::NAN), |line| (&line.name, line.ratio));
        writeln!(
            rows,
            "| {} | {} | {} | {} | {} | {peer} | {} |",
            table.name,
            ratios(&ours(false)),
            ratios(&ours(true)),
            same.join("; "),
            table.lines[0].name,
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
