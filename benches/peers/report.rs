//! What is told: a table for people, the same as data, and a plot.

use crate::{
    measure::{Line, at, sorted},
    page::machine,
    workloads::*,
};
use plotters::prelude::*;
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::HashMap,
    error::Error,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

#[derive(Serialize)]
struct Data<'a> {
    machine: String,
    tables: &'a [Table],
}

/// Writes `peers.md`, `peers.json` and `peers.svg` into a folder, and prints the first.
pub(crate) fn write(tables: &[Table], folder: &Path) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(folder)?;
    let machine = machine();
    let text = text(tables, &machine)?;
    print!("{text}");
    fs::write(folder.join("peers.md"), text)?;
    let data = Data { machine, tables };
    fs::write(
        folder.join("peers.json"),
        serde_json::to_string_pretty(&data)? + "\n",
    )?;
    plot(tables, &folder.join("peers.svg"))
}

/// Replaces each ratio by the median over this build and the others, of which these files are.
pub(crate) fn with(
    tables: &mut [Table],
    files: impl Iterator<Item = PathBuf>,
) -> Result<(), Box<dyn Error>> {
    let mut ratios: HashMap<(String, String), Vec<f64>> = HashMap::new();
    for file in files {
        let data: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        for table in list(&data["tables"]) {
            for line in list(&table["lines"]) {
                let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
                let of_line = ratios.entry((name(&table), name(&line))).or_default();
                of_line.extend(line["ratio"].as_f64());
            }
        }
    }
    for table in tables {
        for line in &mut table.lines {
            let key = (table.name.clone(), line.name.clone());
            let mut all = ratios.remove(&key).unwrap_or_default();
            all.push(line.ratio);
            line.ratio = at(&sorted(all), 0.5);
        }
    }
    Ok(())
}

fn text(tables: &[Table], machine: &str) -> Result<String, std::fmt::Error> {
    let mut text = format!(
        "{machine}\n\nRatios to the first line of each workload; medians, with the quartiles where there are many rounds.\n"
    );
    for table in tables {
        let Table { name, unit, .. } = table;
        write!(
            text,
            "\n**{name}**\n\n| | ratio | to reach | to the floor with the same hasher | quartiles | {unit} | p50, p99 | allocations |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|\n"
        )?;
        for line in &table.lines {
            let Line {
                name,
                ratio,
                quartiles,
                nanos,
                ..
            } = line;
            let shown =
                |number: Option<f64>| number.map_or(String::new(), |number| format!("{number:.2}"));
            let (goal, same) = (shown(table.goal(line)), shown(table.to_same_hasher(line)));
            let quartiles = if quartiles.0.is_nan() {
                String::new()
            } else {
                format!("{:.2} to {:.2}", quartiles.0, quartiles.1)
            };
            let name = if name.starts_with(TURNWISE) {
                format!("**{name}**")
            } else {
                name.clone()
            };
            let (times, allocations) = line
                .more
                .map_or_else(Default::default, |[count, p50, p99]| {
                    (format!("{p50:.0}, {p99:.0}"), format!("{count:.2}"))
                });
            writeln!(
                text,
                "| {name} | {ratio:.2} | {goal} | {same} | {quartiles} | {nanos:.1} | {times} | {allocations} |"
            )?;
        }
    }
    Ok(text)
}

/// A row for each workload, a mark for each contender: its ratio, on a logarithmic scale.
fn plot(tables: &[Table], path: &Path) -> Result<(), Box<dyn Error>> {
    let rows = tables.len() as f64;
    let root = SVGBackend::new(path, (1100, 60 + 34 * tables.len() as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(
            "time, as a ratio to the floor (filled: turnwise)",
            ("sans-serif", 16),
        )
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(430)
        .build_cartesian_2d((0.01..100.0).log_scale(), 0.0..rows)?;
    let label = |row: &f64| {
        let index = (rows - row).floor() as usize;
        tables
            .get(index)
            .map_or(String::new(), |table| table.name.clone())
    };
    chart
        .configure_mesh()
        .y_labels(tables.len() + 1)
        .y_label_formatter(&label)
        .x_desc("ratio")
        .draw()?;
    for (index, table) in tables.iter().enumerate() {
        let y = rows - index as f64 - 0.5;
        for line in table.lines.iter().filter(|line| line.ratio.is_finite()) {
            let x = line.ratio.clamp(0.01, 100.0);
            let ours = line.name.starts_with(TURNWISE);
            let style = if ours {
                BLUE.filled()
            } else {
                BLACK.mix(0.45).stroke_width(1)
            };
            chart.draw_series([Circle::new((x, y), if ours { 6 } else { 4 }, style)])?;
        }
    }
    root.present()?;
    Ok(())
}
