//! What happened, told: the steps of an input in a table, time down, with a column for each who acts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::panic;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use trace::Trace;

use super::Target;

/// The steps so far. Another thread may read it, should the one that makes them hang.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Line>>>);

/// Kept as it comes, and put into words only for a failure: the fuzzer makes millions.
#[derive(Clone, Copy, Debug)]
struct Line {
    column: usize,
    what: &'static str,
    operand: Option<u8>,
    became: Option<&'static str>,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A step of this column begins.
    pub(crate) fn note(&self, column: usize, what: &'static str, operand: Option<u8>) {
        self.lines().push(Line {
            column,
            what,
            operand,
            became: None,
        });
    }

    /// What became of the step that was noted last.
    pub(crate) fn became(&self, what: &'static str) {
        if let Some(line) = self.lines().last_mut() {
            line.became = Some(what);
        }
    }

    /// The kinds of steps that were made.
    #[allow(dead_code)] // The replay asks.
    pub(crate) fn kinds(&self) -> Vec<&'static str> {
        self.lines().iter().map(|line| line.what).collect()
    }

    /// Plain data: the column, and what happened there, one after the other.
    pub(crate) fn rows(&self) -> Vec<(usize, String)> {
        let lines = self.lines();
        lines
            .iter()
            .map(|line| (line.column, line.text()))
            .collect()
    }

    /// The table of the steps, where its picture is, and how to make them again.
    pub(crate) fn story(&self, target: &Target, bytes: &[u8]) -> String {
        let told = self.trace(target).tell(&format!("fuzz.{}", target.name));
        format!("{told}\n{}", command(target, bytes))
    }

    /// A column for each who acts in it.
    fn trace(&self, target: &Target) -> Trace {
        let rows = self.rows();
        let acts: BTreeSet<usize> = rows.iter().map(|(column, _)| *column).collect();
        let place = |column: usize| acts.range(..column).count();
        let rows = rows.into_iter().map(|(column, text)| (place(column), text));
        let names = acts.iter().map(|&column| target.columns[column].to_owned());
        Trace::plain(target.name, names.collect(), rows)
    }

    /// Until the returned guard goes, a panic in this thread tells the story.
    #[allow(dead_code)] // The fuzzer asks.
    pub(crate) fn told_in_panics(&self, target: &Target, bytes: &[u8]) -> Told {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                let story = TOLD.with(RefCell::take);
                if let Some((log, target, bytes)) = story {
                    eprintln!("{}", log.story(&target, &bytes));
                }
                before(info);
            }));
        });
        TOLD.set(Some((self.clone(), *target, bytes.to_vec())));
        Told
    }
}

impl Line {
    fn text(&self) -> String {
        let mut text = self.what.to_owned();
        if let Some(operand) = self.operand {
            let _ = write!(text, " {operand}");
        }
        if let Some(became) = self.became {
            let _ = write!(text, " -> {became}");
        }
        text
    }
}

thread_local! {
    static TOLD: RefCell<Option<(Log, Target, Vec<u8>)>> = const { RefCell::new(None) };
}

#[allow(dead_code)] // The same.
pub(crate) struct Told;

impl Drop for Told {
    fn drop(&mut self) {
        TOLD.take();
    }
}

/// Replays the input on stable.
pub(crate) fn command(target: &Target, bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    format!(
        "replay: TURNWISE_INPUT={hex} cargo test -p fuzz-replay -- --exact {} --nocapture",
        target.name
    )
}
