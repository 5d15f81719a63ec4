//! What is told: tables for people, the same as data, and plots.

use plotters::{coord::Shift, prelude::*, style::text_anchor::*};
use serde::Serialize;
use std::{error::Error, fmt::Write as _, fs, path::Path};

/// A table of numbers. Its name is also that of its marks in the page.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// A number that is none is shown as nothing.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
}

/// A picture of lines, both of its axes logarithmic.
#[derive(Debug, Serialize)]
pub(crate) struct Plot {
    pub(crate) name: &'static str,
    pub(crate) caption: &'static str,
    pub(crate) x: &'static str,
    pub(crate) y: &'static str,
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Line {
    /// Without a name it is not in the legend.
    pub(crate) name: String,
    /// Points alone: measured, beside a model's line.
    marks: bool,
    /// That of the place where it stands, if none is chosen.
    colour: Option<usize>,
    pub(crate) points: Vec<(f64, f64)>,
}

/// What a part of the run has found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Found {
    pub(crate) tables: Vec<Table>,
    pub(crate) plots: Vec<Plot>,
}

impl Table {
    pub(crate) fn new(name: &'static str, head: &[&str]) -> Self {
        let head = head.iter().map(|&head| head.to_owned()).collect();
        Self {
            name,
            head,
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, name: impl Into<String>, values: &[f64]) {
        let (name, values) = (name.into(), values.to_vec());
        self.rows.push(Row { name, values });
    }

    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let rule = "---:|".repeat(self.head.len() - 1);
        let mut text = format!("| {} |\n|---|{rule}\n", self.head.join(" | "));
        for Row { name, values } in &self.rows {
            let values: Vec<String> = values.iter().copied().map(shown).collect();
            writeln!(text, "| {name} | {} |", values.join(" | "))?;
        }
        Ok(text)
    }
}

impl Line {
    pub(crate) fn new(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.into(),
            marks: false,
            colour: None,
            points,
        }
    }

    pub(crate) fn marks(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self {
            marks: true,
            ..Self::new(name, points)
        }
    }

    pub(crate) fn coloured(self, colour: usize) -> Self {
        Self {
            colour: Some(colour),
            ..self
        }
    }

    fn colour(&self, index: usize) -> RGBColor {
        COLOURS[self.colour.unwrap_or(index) % COLOURS.len()]
    }
}

/// A number with about three digits that say something, and its thousands apart.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        _ if !value.is_finite() => String::new(),
        0.0 => "0".to_owned(),
        ..0.1 => format!("{value:.4}"),
        ..10.0 => format!("{value:.2}"),
        ..100.0 if value.fract() == 0.0 => format!("{value}"),
        ..100.0 => format!("{value:.1}"),
        _ => {
            let digits = format!("{:.0}", value.abs());
            let lead = digits.len() % 3;
            let (head, tail) = digits.split_at(lead);
            let mut groups: Vec<&str> = (!head.is_empty()).then_some(head).into_iter().collect();
            groups.extend((0..tail.len() / 3).map(|group| &tail[3 * group..3 * group + 3]));
            let sign = if value < 0.0 { "-" } else { "" };
            format!("{sign}{}", groups.join(","))
        }
    }
}

/// A data file and a picture for each plot.
pub(crate) fn write(found: &Found, machine: &str, folder: &Path) -> Result<(), Box<dyn Error>> {
    #[derive(Serialize)]
    struct Data<'a> {
        machine: &'a str,
        #[serde(flatten)]
        found: &'a Found,
    }
    fs::create_dir_all(folder)?;
    let data = serde_json::to_string_pretty(&Data { machine, found })? + "\n";
    fs::write(folder.join("scaling.json"), data)?;
    for plot in &found.plots {
        draw(plot, &folder.join(format!("scaling-{}.svg", plot.name)))?;
    }
    Ok(())
}

/// Colours that also differ in brightness.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 90, 181),
    RGBColor(220, 50, 32),
    RGBColor(0, 130, 70),
    RGBColor(230, 140, 0),
    RGBColor(120, 60, 160),
    RGBColor(90, 90, 90),
    RGBColor(60, 180, 200),
];

const SIZE: (u32, u32) = (1000, 430);
/// To the right of the plot, where the legend hides nothing.
const LEGEND: u32 = 300;

fn draw(plot: &Plot, path: &Path) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(SIZE.0 - LEGEND);
    let all = plot.lines.iter().flat_map(|line| &line.points);
    let all = || all.clone().filter(|(_, y)| y.is_finite() && *y > 0.0);
    let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let xs = least(&mut all().map(|(x, _)| *x))..most(&mut all().map(|(x, _)| *x)) * 1.02;
    let ys = least(&mut all().map(|(_, y)| *y)) / 1.3..most(&mut all().map(|(_, y)| *y)) * 1.3;
    let mut chart = ChartBuilder::on(&left)
        .caption(plot.caption, ("sans-serif", 17))
        .margin(10)
        .x_label_area_size(48)
        .y_label_area_size(75)
        .build_cartesian_2d(xs.log_scale(), ys.log_scale())?;
    chart
        .configure_mesh()
        .x_desc(plot.x)
        .y_desc(plot.y)
        .y_labels(8)
        .axis_desc_style(("sans-serif", 15))
        .label_style(("sans-serif", 13))
        .x_label_formatter(&|value| tick(*value))
        .y_label_formatter(&|value| tick(*value))
        .light_line_style(BLACK.mix(0.04))
        .bold_line_style(BLACK.mix(0.15))
        .draw()?;
    for (index, line) in plot.lines.iter().enumerate() {
        let colour = line.colour(index);
        let points = line.points.iter().copied();
        let points = points.filter(|(_, y)| y.is_finite() && *y > 0.0);
        if line.marks {
            chart.draw_series(points.map(|point| Cross::new(point, 6, colour.stroke_width(3))))?;
        } else {
            let ends = points.clone();
            let path = PathElement::new(points.collect::<Vec<_>>(), colour.stroke_width(2));
            chart.draw_series([path])?;
            chart.draw_series(ends.map(|point| Circle::new(point, 3, colour.filled())))?;
        }
    }
    legend(&right, plot)?;
    root.present()?;
    Ok(())
}

fn legend(area: &DrawingArea<SVGBackend<'_>, Shift>, plot: &Plot) -> Result<(), Box<dyn Error>> {
    let style = TextStyle::from(("sans-serif", 14)).pos(Pos::new(HPos::Left, VPos::Center));
    let named = plot.lines.iter().enumerate();
    let named = named.filter(|(_, line)| !line.name.is_empty());
    for (place, (index, line)) in named.enumerate() {
        let colour = line.colour(index);
        let y = 55 + 28 * place as i32;
        if line.marks {
            area.draw(&Cross::new((20, y), 6, colour.stroke_width(3)))?;
        } else {
            let sample = vec![(8, y), (32, y)];
            area.draw(&PathElement::new(sample, colour.stroke_width(2)))?;
            area.draw(&Circle::new((20, y), 3, colour.filled()))?;
        }
        area.draw(&Text::new(line.name.clone(), (42, y), style.clone()))?;
    }
    Ok(())
}

/// Whole powers of ten are far apart: a tick shows what it stands at, as short as it can.
fn tick(value: f64) -> String {
    match value.abs() {
        ..0.001 => format!("{value:e}"),
        ..1.0 => format!("{value}"),
        ..1e3 => format!("{}", (value * 10.0).round() / 10.0),
        ..1e6 => format!("{}k", (value / 1e2).round() / 10.0),
        ..1e9 => format!("{}M", (value / 1e5).round() / 10.0),
        _ => format!("{}G", (value / 1e8).round() / 10.0),
    }
}
