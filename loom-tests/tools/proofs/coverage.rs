//! Which lines and branches of the source are reached, and by what, from the reports of `just coverage` in lcov's format.
//!
//! The models compile the same source as the tests from other paths, so a line is known by its file and number alone.

use crate::{
    book::{read, root},
    table::{Row, table},
};
use std::{collections::BTreeMap, fmt::Write, path::Path};

const HEAD: &str = "file | lines | by models | by properties | by any | branches | by models | by properties | by any";

/// Each line, and each way out of a branch, by its place: is it reached?
type Reached = BTreeMap<String, bool>;

/// One file of the source in one report.
#[derive(Clone, Debug, Default)]
struct Seen {
    lines: Reached,
    branches: Reached,
}

type Report = BTreeMap<String, Seen>;

/// Prints the table, and the lines that no model reaches or nothing at all. The reports are of the models, of the property
/// tests, and of all tests of the root.
pub(crate) fn print(reports: [&str; 3]) -> Result<(), String> {
    let [models, properties, tests] = reports.map(|file| report(Path::new(file)));
    let (models, properties, tests) = (models?, properties?, tests?);
    let mut files: Vec<&String> = models.keys().chain(tests.keys()).collect();
    files.sort();
    files.dedup();
    let mut rows: Vec<Row> = Vec::new();
    let mut sums = [0; 8];
    let mut unreached = String::new();
    for file in files {
        let of = |report: &Report| report.get(file).cloned().unwrap_or_default();
        let (models, properties, tests) = (of(&models), of(&properties), of(&tests));
        let mut row = vec![file.clone()];
        let parts: [fn(&Seen) -> &Reached; 2] = [|seen| &seen.lines, |seen| &seen.branches];
        for (index, part) in parts.into_iter().enumerate() {
            let counts = counts(part(&models), part(&properties), part(&tests));
            for (sum, count) in sums[4 * index..].iter_mut().zip(counts) {
                *sum += count;
            }
            row.extend(counts.map(|count| count.to_string()));
        }
        rows.push(row);
        let every = union(&models.lines, &tests.lines);
        for (who, missed) in [
            ("no model", ranges(&models.lines)),
            ("nothing", ranges(&every)),
        ] {
            if !missed.is_empty() {
                let _infallible = writeln!(unreached, "{who} reaches src/{file}: {missed}");
            }
        }
    }
    let sums = sums.map(|sum| sum.to_string());
    rows.push([vec!["all".to_owned()], sums.to_vec()].concat());
    println!("{}\n{unreached}", table(HEAD, &rows));
    Ok(())
}

/// How many there are, and how many are reached by models, by properties, by any.
fn counts(models: &Reached, properties: &Reached, tests: &Reached) -> [usize; 4] {
    let any = union(models, tests);
    let reached = |of: &Reached| of.values().filter(|reached| **reached).count();
    [
        any.len(),
        reached(models),
        reached(properties),
        reached(&any),
    ]
}

fn union(models: &Reached, tests: &Reached) -> Reached {
    let mut any = models.clone();
    for (place, reached) in tests {
        *any.entry(place.clone()).or_default() |= reached;
    }
    any
}

/// `SF:` begins a file, `DA:line,times` is a line of it, `BRDA:line,block,branch,times` a branch.
fn report(file: &Path) -> Result<Report, String> {
    let source = root().join("src");
    let source = source
        .canonicalize()
        .map_err(|error| format!("src: {error}"))?;
    let mut report = Report::new();
    let mut name = None;
    for line in read(file)?.lines() {
        let Some((kind, value)) = line.split_once(':') else {
            continue;
        };
        if kind == "SF" {
            let path = Path::new(value).canonicalize().unwrap_or_default();
            let below = path.strip_prefix(&source).ok();
            name = below.map(|below| below.to_string_lossy().into_owned());
        }
        let Some(name) = &name else { continue };
        let Some((place, times)) = value.rsplit_once(',') else {
            continue;
        };
        let seen = report.entry(name.clone()).or_default();
        let part = match kind {
            "DA" => &mut seen.lines,
            "BRDA" => &mut seen.branches,
            _ => continue,
        };
        *part.entry(place.to_owned()).or_default() |= !matches!(times, "0" | "-");
    }
    if report.is_empty() {
        return Err(format!("{} has no file of src", file.display()));
    }
    Ok(report)
}

/// The lines that are not reached: `12, 40-44`.
fn ranges(lines: &Reached) -> String {
    let missed = lines.iter().filter(|(_, reached)| !**reached);
    let mut missed: Vec<usize> = missed.filter_map(|(line, _)| line.parse().ok()).collect();
    missed.sort_unstable();
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for line in missed {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == line => *last = line,
            _ => ranges.push((line, line)),
        }
    }
    let ranges = ranges.iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    ranges.collect::<Vec<_>>().join(", ")
}
