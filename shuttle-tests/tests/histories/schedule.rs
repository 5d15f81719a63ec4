//! A schedule as a word that can be printed, and run again.
//!
//! shuttle can print a failing schedule too, but only as the first run of the process was told to, and not twice if it has
//! the same length; so it is written down here.

use shuttle::scheduler::{ReplayScheduler, Schedule, Scheduler, Task, TaskId};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The choices of one execution: the seed of its chance, and who came next at each step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices {
    seed: u64,
    steps: Vec<Choice>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Task(usize),
    /// The task drew a number.
    Chance,
}

/// The seed, and a letter for each step: `a` is the main task, `A` chance. Tasks that have no letter are numbers: `_26_`.
impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.seed)?;
        for choice in &self.steps {
            match *choice {
                Choice::Chance => f.write_str("A")?,
                Choice::Task(task) => match LETTERS.get(task) {
                    Some(letter) => write!(f, "{}", char::from(*letter))?,
                    None => write!(f, "_{task}_")?,
                },
            }
        }
        Ok(())
    }
}

const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";

impl Choices {
    /// What was printed.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let (seed, mut rest) = word.split_once('-')?;
        let mut steps = Vec::new();
        while let Some(letter) = rest.bytes().next() {
            let (choice, length) = match letter {
                b'A' => (Choice::Chance, 1),
                b'a'..=b'z' => (Choice::Task(usize::from(letter - b'a')), 1),
                b'_' => {
                    let (task, _) = rest[1..].split_once('_')?;
                    (Choice::Task(task.parse().ok()?), task.len() + 2)
                }
                _ => return None,
            };
            steps.push(choice);
            rest = &rest[length..];
        }
        Some(Self {
            seed: seed.parse().ok()?,
            steps,
        })
    }

    /// Makes them again.
    pub(crate) fn replay(&self) -> ReplayScheduler {
        let mut schedule = Schedule::new(self.seed);
        for choice in &self.steps {
            match *choice {
                Choice::Chance => schedule.push_random(),
                Choice::Task(task) => schedule.push_task(TaskId::from(task)),
            }
        }
        ReplayScheduler::new_from_schedule(schedule)
    }
}

/// A scheduler whose choices are written down.
#[derive(Debug)]
pub(crate) struct Written<S> {
    scheduler: S,
    /// Of the present execution, or the last.
    choices: Arc<Mutex<Choices>>,
}

impl<S> Written<S> {
    /// And where they are written to.
    pub(crate) fn new(scheduler: S) -> (Self, Arc<Mutex<Choices>>) {
        let choices = Arc::<Mutex<Choices>>::default();
        let written = Self {
            scheduler,
            choices: Arc::clone(&choices),
        };
        (written, choices)
    }

    fn write(&self, choice: Choice) {
        // Nothing panics while this is locked.
        let mut choices = self.choices.lock().unwrap_or_else(PoisonError::into_inner);
        choices.steps.push(choice);
    }
}

impl<S: Scheduler> Scheduler for Written<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        let schedule = self.scheduler.new_execution()?;
        let mut choices = self.choices.lock().unwrap_or_else(PoisonError::into_inner);
        choices.seed = schedule.seed;
        choices.steps.clear();
        drop(choices);
        Some(schedule)
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        yields: bool,
    ) -> Option<TaskId> {
        let task = self.scheduler.next_task(runnable, current, yields)?;
        self.write(Choice::Task(usize::from(task)));
        Some(task)
    }

    fn next_u64(&mut self) -> u64 {
        self.write(Choice::Chance);
        self.scheduler.next_u64()
    }
}
