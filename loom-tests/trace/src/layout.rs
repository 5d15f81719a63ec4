//! What stands in which row, and which lock is held from which row to which.

use crate::{Action, Lock, Step, Trace};
use std::ops::Range;

/// What both drawings show.
pub(crate) struct Layout<'a> {
    pub(crate) rows: Vec<Row<'a>>,
    pub(crate) spans: Vec<Span<'a>>,
}

/// One step. The end of a lock has no row of its own: it is where its span ends.
pub(crate) struct Row<'a> {
    pub(crate) step: &'a Step,
    /// How many locks its actor holds before it.
    pub(crate) depth: usize,
    /// How often it happened, with nothing of anybody in between.
    pub(crate) times: usize,
    /// It published right after, still under the lock.
    pub(crate) publishes: bool,
}

impl Row<'_> {
    /// How many locks its actor holds after it.
    pub(crate) fn held(&self) -> usize {
        self.depth + usize::from(matches!(self.step.action, Action::Lock(_)))
    }
}

/// A lock that is held.
pub(crate) struct Span<'a> {
    pub(crate) actor: usize,
    pub(crate) lock: &'a Lock,
    pub(crate) section: &'a str,
    pub(crate) rows: Range<usize>,
    pub(crate) depth: usize,
    /// It was released; else it was held to the end.
    pub(crate) released: bool,
}

/// A longer trace loses its middle: how it began and how it ended is what says most.
const FIRST: usize = 30;
const LAST: usize = 90;

impl<'a> Layout<'a> {
    pub(crate) fn new(trace: &'a Trace) -> Self {
        let mut rows: Vec<Row<'_>> = Vec::new();
        let mut spans: Vec<Span<'_>> = Vec::new();
        // Places in `spans`, per actor; one more for a failure that is nobody's.
        let mut held: Vec<Vec<usize>> = vec![Vec::new(); trace.actors.len() + 1];
        for step in &trace.steps {
            let held = &mut held[step.actor];
            match &step.action {
                Action::Unlock(lock) => {
                    let open = held.iter().rposition(|span| spans[*span].lock == lock);
                    if let Some(open) = open {
                        let span = &mut spans[held.remove(open)];
                        span.rows.end = rows.len();
                        span.released = true;
                    }
                    continue;
                }
                // Nobody did anything in between, or there would be a row.
                Action::Publish | Action::Say(_) => {
                    let under = |row: &&mut Row<'_>| {
                        row.step.actor == step.actor && row.held() == held.len()
                    };
                    if let Some(last) = rows.last_mut().filter(under) {
                        if last.step == step && !last.publishes {
                            last.times += 1;
                            continue;
                        }
                        if step.action == Action::Publish && step.section.is_empty() {
                            last.publishes = true;
                            continue;
                        }
                    }
                }
                _ => {}
            }
            let depth = held.len();
            rows.push(Row {
                step,
                depth,
                times: 1,
                publishes: false,
            });
            if let Action::Lock(lock) = &step.action {
                held.push(spans.len());
                spans.push(Span {
                    actor: step.actor,
                    lock,
                    section: &step.section,
                    // To the end, unless it is released.
                    rows: rows.len() - 1..usize::MAX,
                    depth,
                    released: false,
                });
            }
        }
        for span in &mut spans {
            span.rows.end = span.rows.end.min(rows.len());
        }
        Self { rows, spans }
    }

    /// The rows that are left out.
    pub(crate) fn omitted(&self) -> Range<usize> {
        if self.rows.len() <= FIRST + LAST + 1 {
            return 0..0;
        }
        FIRST..self.rows.len() - LAST
    }

    /// The span that begins in this row.
    pub(crate) fn begins(&self, row: usize) -> Option<&Span<'a>> {
        self.spans.iter().find(|span| span.rows.start == row)
    }

    /// Nobody else did anything while the lock was held, and it was released.
    pub(crate) fn is_whole(&self, span: &Span<'_>) -> bool {
        let own = |row: &Row<'_>| row.step.actor == span.actor;
        span.released && self.rows[span.rows.clone()].iter().all(own)
    }

    /// The section of a span, unless that of the lock around it says it already.
    pub(crate) fn new_section(&self, span: &Span<'a>) -> &'a str {
        let around = self.spans.iter().rfind(|other| {
            other.actor == span.actor
                && other.depth + 1 == span.depth
                && other.rows.start < span.rows.start
        });
        match around {
            Some(around) if around.section == span.section => "",
            _ => span.section,
        }
    }
}

/// What a row says, without its lock.
pub(crate) fn words(row: &Row<'_>, actors: &[String]) -> String {
    let name = |actor: usize| actors.get(actor).map_or("?", String::as_str);
    let mut words = match &row.step.action {
        Action::Spawn(actor) => format!("spawn {}", name(*actor)),
        Action::End => "end".to_owned(),
        Action::Lock(lock) => lock.to_string(),
        Action::Unlock(_) => String::new(),
        Action::Wait => "wait".to_owned(),
        Action::Woken => "go on".to_owned(),
        Action::Wake(actor) if *actor == row.step.actor => "wake itself".to_owned(),
        Action::Wake(actor) => format!("wake {}", name(*actor)),
        Action::Grant(what) => format!("granted: {what}"),
        Action::Publish if row.step.section.is_empty() => "publish".to_owned(),
        Action::Publish => format!("publish: {}", row.step.section),
        Action::Say(text) | Action::Of(text, _) => text.clone(),
        Action::Fail(text) => format!("FAILED {text}"),
    };
    if row.times > 1 && !matches!(row.step.action, Action::Publish) {
        words += &format!(" x{}", row.times);
    }
    words
}

/// Keeps two words together.
pub(crate) const TIE: char = '\u{a0}';

/// Lines of at most `width` letters, broken between words where there are any. A [`TIE`] is a space that does not break.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split([' ', '\t']).filter(|word| !word.is_empty()) {
            let mut word: Vec<char> = word.chars().collect();
            let used = line.chars().count();
            if used > 0 && used + 1 + word.len() > width {
                lines.push(std::mem::take(&mut line));
            }
            while word.len() > width {
                let rest = word.split_off(width);
                lines.push(word.into_iter().collect());
                word = rest;
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(word);
        }
        lines.push(line);
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines.iter().map(|line| line.replace(TIE, " ")).collect()
}
