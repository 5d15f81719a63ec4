//! The history of one execution: who called what, when it returned, with which answer. Plain std, invisible to the
//! scheduler, so that the book-keeping adds no schedules of its own.

use crate::model::{MOST_LOOKS, Model, Point};
use crate::steps::{Id, Key, Step, UNSEEN};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use todc_utils::linearizability::WGLChecker;
use todc_utils::linearizability::history::{Action, History};
use trace::Trace;

/// A call, and its return.
///
/// `chains` says what it does to the model: steps within one chain come in their order, chains in any. Most calls are one
/// step. More are:
///
/// | call | steps |
/// |---|---|
/// | `enter_blocking` | joins; looks |
/// | the drop of an `Enter` | leaves; lets go of the vacancy that it was granted |
/// | the drop of a turn in a panic | vacates; lets go |
/// | `remove` | replaces; lets go of the new vacancy |
/// | `snapshot` | for each key whether it is there; the status of each that is |
/// | `claim_idle`, when it claims none | each key is passed over |
/// | `cleanup_idle` | for each session: claims, vacates, until its closer runs; then lets go. Each other key is passed over |
/// | `close` | the flag; for each key: newcomers are refused, the line is swept, a vacancy that was granted is let go |
#[derive(Clone, Debug)]
pub(crate) struct Record {
    task: usize,
    text: String,
    called: usize,
    /// When, what, and what that means.
    returned: Option<Returned>,
}

#[derive(Clone, Debug)]
struct Returned {
    at: usize,
    answer: String,
    chains: Vec<Vec<Step>>,
}

/// What is written down of one execution.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    /// How many calls and returns there were.
    now: usize,
    names: u32,
    records: Vec<Record>,
}

thread_local! {
    /// All tasks of an execution are one thread of the system; the harness reads it there when they have failed.
    static CURRENT: RefCell<Arc<Recorder>> = RefCell::default();
}

impl Recorder {
    /// A new history, which is the current one of this thread from now on.
    pub(crate) fn begin() -> Arc<Self> {
        let recorder = Arc::new(Self::default());
        CURRENT.set(Arc::clone(&recorder));
        recorder
    }

    /// The history of the execution that this thread ran last.
    pub(crate) fn current() -> Arc<Self> {
        CURRENT.with_borrow(Arc::clone)
    }

    /// The words of a failure: those of its panic.
    pub(crate) fn words(&self, words: String) -> String {
        words
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // What was written before a panic is what the report of it needs.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins.
    pub(crate) fn call(&self, task: usize, text: String) -> usize {
        let mut book = self.book();
        let called = book.tick();
        book.records.push(Record {
            task,
            text,
            called,
            returned: None,
        });
        book.records.len() - 1
    }

    /// And returns.
    pub(crate) fn returned(&self, call: usize, answer: String, chains: Vec<Vec<Step>>) {
        let mut book = self.book();
        let at = book.tick();
        book.records[call].returned = Some(Returned { at, answer, chains });
    }

    /// The name of a ticket that nobody will see.
    pub(crate) fn unseen(&self) -> Id {
        UNSEEN + self.name()
    }

    /// The name of anything else.
    pub(crate) fn name(&self) -> u32 {
        let mut book = self.book();
        book.names += 1;
        book.names
    }

    /// Does it agree with the sequential model in some order that keeps the order of time? C14.
    ///
    /// Every call must have returned: one that waits for ever is a deadlock, and was reported as such.
    pub(crate) fn linearizable(&self) -> bool {
        WGLChecker::<Model>::is_linearizable(History::from_actions(self.actions()))
    }

    /// Each step is a process of its own to the checker, called and returned when its call was.
    fn actions(&self) -> Vec<(usize, Action<Arc<Point>>)> {
        let book = self.book();
        let chains = book.records.iter().flat_map(|record| {
            let Returned { at, chains, .. } =
                record.returned.as_ref().expect("every call returned");
            chains.iter().map(|steps| (record.called, *at, steps))
        });
        let steps = chains.clone().flat_map(|(_, _, steps)| steps);
        let drawn: BTreeSet<(Key, Id)> = steps.filter_map(Step::draws).collect();
        let before = |(key, id)| drawn.range((key, 0)..(key, id)).next_back();

        let is_look = |steps: &[Step]| steps.len() == 1 && steps[0].looks();
        let looks = chains.clone().filter(|(_, _, steps)| is_look(steps));
        let looks: Vec<_> = looks
            .map(|(.., steps)| Arc::new(steps[0].clone()))
            .take(MOST_LOOKS)
            .collect();
        let looks = Arc::new(looks);

        let mut timed = Vec::new();
        let mut process = 0;
        let mut look = 0;
        for (chain, (called, returned, steps)) in chains.enumerate() {
            let earlier = look;
            let own = (is_look(steps) && look < looks.len()).then_some(look);
            look += usize::from(own.is_some());
            for (place, step) in steps.iter().enumerate() {
                let point = Arc::new(Point {
                    chain,
                    place,
                    last: place + 1 == steps.len(),
                    after: step.draws().and_then(before).map(|&(_, id)| id),
                    step: own.map_or_else(|| Arc::new(step.clone()), |own| Arc::clone(&looks[own])),
                    look: own,
                    earlier,
                    looks: Arc::clone(&looks),
                });
                timed.push((called, process, Action::Call(Arc::clone(&point))));
                timed.push((returned, process, Action::Response(point)));
                process += 1;
            }
        }
        timed.sort_by_key(|&(at, process, _)| (at, process));
        let actions = timed.into_iter();
        actions
            .map(|(_, process, action)| (process, action))
            .collect()
    }

    /// What happened, in the order of time: the task and its words. A call that nothing came between is one row with its
    /// answer.
    pub(crate) fn rows(&self) -> Vec<(usize, String)> {
        let book = self.book();
        let mut timed = Vec::new();
        for Record {
            task,
            text,
            called,
            returned,
        } in &book.records
        {
            match returned {
                None => timed.push((*called, *task, format!("{text} ...waits"))),
                Some(Returned { at, answer, .. }) if *at == called + 1 => {
                    timed.push((*called, *task, format!("{text} = {answer}")));
                }
                Some(Returned { at, answer, .. }) => {
                    timed.push((*called, *task, format!("{text} ...")));
                    timed.push((*at, *task, format!("... {text} = {answer}")));
                }
            }
        }
        timed.sort();
        let rows = timed.into_iter();
        rows.map(|(_, task, text)| (task, text)).collect()
    }

    /// The rows, with a column for each task.
    pub(crate) fn trace(&self, title: &str) -> Trace {
        let rows = self.rows();
        let tasks = rows.iter().map(|row| row.0 + 1).max().unwrap_or(0);
        let name = |task| match task {
            0 => "main".to_owned(),
            task => format!("task {task}"),
        };
        Trace::plain(title, (0..tasks).map(name).collect(), rows)
    }
}

impl Book {
    fn tick(&mut self) -> usize {
        self.now += 1;
        self.now
    }
}
