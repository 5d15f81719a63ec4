//! A trace as text.
//!
//! `[map write] Shard::let_go` is a lock that was taken and released with nothing of anybody else in between; where something
//! came between, the lock is a bracket from `┌` to `└` along the rows of the others.

use crate::{
    Trace,
    layout::{Layout, Span, TIE, words, wrap},
};

/// Columns in all.
const WIDTH: usize = 120;
/// The number of the step, as in the picture.
const NUMBER: usize = 4;
/// Between two actors.
const GAP: usize = 2;
/// Narrower is not readable; with more than four actors the table gets wider instead.
const NARROWEST: usize = 27;
const WIDEST: usize = 46;

pub(crate) fn draw(trace: &Trace) -> String {
    let layout = Layout::new(trace);
    let mut table = Table::new(trace, &layout);
    table.head();
    let omitted = layout.omitted();
    let mut row = 0;
    while row < layout.rows.len() {
        if omitted.contains(&row) {
            table.text += &format!("     .. {} steps are left out ..\n", omitted.len());
            row = omitted.end;
            continue;
        }
        table.close(row);
        row = table.row(row);
    }
    table.close(layout.rows.len());
    table.text
}

struct Table<'a> {
    trace: &'a Trace,
    layout: &'a Layout<'a>,
    column: usize,
    text: String,
}

impl<'a> Table<'a> {
    fn new(trace: &'a Trace, layout: &'a Layout<'a>) -> Self {
        let actors = trace.actors.len().max(1);
        let column = (WIDTH - NUMBER) / actors - GAP;
        Self {
            trace,
            layout,
            column: column.clamp(NARROWEST, WIDEST),
            text: String::new(),
        }
    }

    fn head(&mut self) {
        self.text += &format!("{}\n", self.trace.title);
        let failure = self.trace.failure().map(|words| format!("FAILED {words}"));
        let note = Some(self.trace.note.clone()).filter(|note| !note.is_empty());
        for words in note.into_iter().chain(failure) {
            for line in wrap(&words, WIDTH - NUMBER - GAP) {
                self.text += &format!("{:NUMBER$}  {line}\n", "");
            }
        }
        let rule = "─".repeat(self.column);
        let names: Vec<&str> = self.trace.actors.iter().map(String::as_str).collect();
        self.line("", &names);
        self.line("", &vec![rule.as_str(); names.len()]);
    }

    /// Draws what begins in this row; the next row to draw.
    fn row(&mut self, at: usize) -> usize {
        let row = &self.layout.rows[at];
        let actor = row.step.actor;
        if actor >= self.trace.actors.len() {
            let said = words(row, &self.trace.actors);
            for line in wrap(&said, WIDTH - NUMBER - GAP) {
                self.text += &format!("{:NUMBER$}  {line}\n", at + 1);
            }
            return at + 1;
        }
        let span = self.layout.begins(at);
        let whole = span.filter(|span| self.is_whole(span));
        let (said, next) = match (whole, span) {
            (Some(span), _) => (self.section(span), span.rows.end),
            (None, Some(span)) => {
                let section = self.layout.new_section(span);
                (format!("┌ {} {section}", span.lock), at + 1)
            }
            (None, None) => (words(row, &self.trace.actors), at + 1),
        };
        let said = if whole.is_none() && row.publishes {
            format!("{said}; publish")
        } else {
            said
        };
        let bars = self.bars(actor, at);
        let width = self.column - bars.chars().count();
        let hang = if said.starts_with('┌') {
            "│ "
        } else {
            "  "
        };
        for (index, line) in hung(&said, width, hang).iter().enumerate() {
            let number = if index == 0 {
                (at + 1).to_string()
            } else {
                String::new()
            };
            let own = format!("{bars}{line}");
            self.cells(&number, at, actor, &own);
        }
        next
    }

    /// All that happened under a lock, in one cell.
    fn section(&self, span: &Span<'_>) -> String {
        let mut said = String::new();
        for at in span.rows.clone() {
            let row = &self.layout.rows[at];
            if let Some(inner) = self.layout.begins(at) {
                let section = self.layout.new_section(inner);
                said += if at == span.rows.start { "" } else { " " };
                said += &format!("[{}]", inner.lock).replace(' ', &TIE.to_string());
                if !section.is_empty() {
                    said += &format!(" {section}");
                }
            } else {
                said += &format!("; {}", words(row, &self.trace.actors));
            }
            said += if row.publishes { "; publish" } else { "" };
        }
        said
    }

    /// The ends of the locks that are released before this row.
    fn close(&mut self, at: usize) {
        let layout = self.layout;
        let ends = |span: &&Span<'_>| span.released && span.rows.end == at && !self.is_whole(span);
        let mut ending: Vec<&Span<'_>> = layout.spans.iter().filter(ends).collect();
        ending.sort_by_key(|span| std::cmp::Reverse(span.depth));
        for span in ending {
            let own = format!("{}└ {}", "│".repeat(self.depth(span)), span.lock);
            self.cells("", at, span.actor, &own);
        }
    }

    fn is_whole(&self, span: &Span<'_>) -> bool {
        self.layout.is_whole(span)
    }

    /// How many brackets stand around a span.
    fn depth(&self, span: &Span<'_>) -> usize {
        let around = |other: &&Span<'_>| {
            other.actor == span.actor
                && other.depth < span.depth
                && other.rows.start < span.rows.start
                && span.rows.start < other.rows.end
        };
        self.layout.spans.iter().filter(around).count()
    }

    /// The locks that an actor holds in this row, from before it.
    fn bars(&self, actor: usize, at: usize) -> String {
        let held = |span: &&Span<'_>| {
            span.actor == actor
                && span.rows.start < at
                && at < span.rows.end
                && !self.is_whole(span)
        };
        "│".repeat(self.layout.spans.iter().filter(held).count())
    }

    /// A line in which one actor says something and the others go on holding what they hold.
    fn cells(&mut self, number: &str, at: usize, actor: usize, own: &str) {
        let cells: Vec<String> = (0..self.trace.actors.len())
            .map(|other| {
                if other == actor {
                    own.to_owned()
                } else {
                    self.bars(other, at)
                }
            })
            .collect();
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        self.line(number, &cells);
    }

    fn line(&mut self, number: &str, cells: &[&str]) {
        let mut line = format!("{number:>NUMBER$}");
        for cell in cells {
            let column = self.column;
            line += &format!("{:GAP$}{cell:<column$}", "");
        }
        self.text += line.trim_end();
        self.text.push('\n');
    }
}

/// As [`wrap`], each line after the first behind `hang`.
fn hung(text: &str, width: usize, hang: &str) -> Vec<String> {
    let lines = wrap(text, width.saturating_sub(hang.chars().count()).max(8));
    let indent = |(index, line): (usize, String)| {
        if index == 0 {
            line
        } else {
            format!("{hang}{line}")
        }
    };
    lines.into_iter().enumerate().map(indent).collect()
}
