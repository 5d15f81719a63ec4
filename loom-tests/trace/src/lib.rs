//! An interleaving as a table and as a picture: a column per thread, time down.
//!
//! Plain data: who records it is not known here. loom's models give locks, wake-ups and grants, each with the function that
//! did it; histories of shuttle and cases of the fuzzer give rows of text, by [`Trace::plain`].
//!
//! `layout` decides what stands in which row and which lock is held from where to where; `table` and `picture` draw that.

mod layout;
mod pen;
mod picture;
mod table;

use std::{fmt, fs, path::Path};

/// What happened, in the order in which it happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Of what: a model, a history, a case.
    pub title: String,
    /// Below the title: why it is shown, how it ended. May be empty.
    pub note: String,
    /// The names of the threads or tasks.
    pub actors: Vec<String>,
    /// What they did, first to last.
    pub steps: Vec<Step>,
}

/// One thing that one actor did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Who, by its place in [`Trace::actors`].
    pub actor: usize,
    /// What.
    pub action: Action,
    /// The function that did it; empty if that says nothing.
    pub section: String,
}

/// What an actor can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Another actor begins.
    Spawn(usize),
    /// This one is done.
    End,
    /// A lock is held from here to its [`Action::Unlock`], or to the end.
    Lock(Lock),
    /// The lock is free again.
    Unlock(Lock),
    /// Falls asleep, or would, if nobody had woken it yet.
    Wait,
    /// Goes on after a wait.
    Woken,
    /// Wakes another actor.
    Wake(usize),
    /// Gets what it asked for.
    Grant(String),
    /// What others read without a lock is written.
    Publish,
    /// Anything else, in words.
    Say(String),
    /// Anything about what a lock guards, done without it.
    Of(String, Lock),
    /// The step that must not be, in the words of the failure.
    Fail(String),
}

/// A lock, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// What the picture's shade tells.
    pub kind: Kind,
    /// Which: "map", "slot 2".
    pub name: String,
}

/// The locks that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The map lock, shared.
    Read,
    /// The map lock, alone.
    Write,
    /// A slot lock.
    Slot,
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.kind {
            Kind::Read => " read",
            Kind::Write => " write",
            Kind::Slot => "",
        };
        write!(f, "{}{mode}", self.name)
    }
}

impl Trace {
    /// Rows of text, for what knows no locks: histories and fuzz cases. A row is an actor and what it did.
    ///
    /// # Panics
    ///
    /// If a row names an actor that is not there.
    #[must_use]
    pub fn plain(
        title: impl Into<String>,
        actors: Vec<String>,
        rows: impl IntoIterator<Item = (usize, String)>,
    ) -> Self {
        let known = actors.len();
        let step = |(actor, text)| {
            assert!(actor < known, "a row of actor {actor}, of {known}");
            Step {
                actor,
                action: Action::Say(text),
                section: String::new(),
            }
        };
        Self {
            title: title.into(),
            note: String::new(),
            steps: rows.into_iter().map(step).collect(),
            actors,
        }
    }

    /// The same, and how it failed: in red, as the last step and below the title. `actor` is who failed; `None` if nobody
    /// did alone, as in a deadlock.
    #[must_use]
    pub fn failed(mut self, actor: Option<usize>, words: &str) -> Self {
        self.steps.push(Step {
            actor: actor.unwrap_or(self.actors.len()),
            action: Action::Fail(words.to_owned()),
            section: String::new(),
        });
        self
    }

    /// The failure's words, if it failed.
    fn failure(&self) -> Option<&str> {
        self.steps.iter().find_map(|step| match &step.action {
            Action::Fail(words) => Some(words.as_str()),
            _ => None,
        })
    }

    /// As text of at most 120 columns for up to four actors.
    #[must_use]
    pub fn table(&self) -> String {
        table::draw(self)
    }

    /// As a picture.
    #[must_use]
    pub fn svg(&self) -> String {
        picture::draw(self)
    }

    /// The table, and below it where the picture has been written: `target/explain/NAME.svg`, or why it was not.
    #[must_use]
    pub fn tell(&self, name: &str) -> String {
        let file = format!("target/explain/{name}.svg");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let folder = fs::create_dir_all(root.join("target/explain"));
        let picture = match folder.and_then(|()| fs::write(root.join(&file), self.svg())) {
            Ok(()) => file,
            Err(error) => format!("not written: {error}"),
        };
        format!("{}picture: {picture}\n", self.table())
    }
}
