//! Which conversation of a session is the present one.
//!
//! pi resumes a conversation by its name. That of a session's first one is the session's key; a later one has its number
//! with it. The numbers are kept beside the conversations, so that what was left behind stays so.
//!
//! A name is here once a conversation of it has begun: whoever asks for names that nobody uses leaves nothing.

use super::keeper::{Keeper, Source};
use crate::agent::Unkept;
use parking_lot::Mutex;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Held while a daemon uses the directory. Goes with its process, however that ends.
const LOCK: &str = "conversations.lock";

/// The directory of the conversations that the nodes of a cluster share. A daemon without a cluster does not read it, so it
/// refuses to start beside it: conversations that were left would be back.
pub(super) const SHARED: &str = "conversations.shared";

#[derive(Debug)]
pub(super) struct Conversations {
    folder: PathBuf,
    names: Arc<Names>,
    keeper: Keeper,
    _lock: File,
}

/// What the file says.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Kept {
    version: u32,
    /// Every name that has a conversation is here.
    complete: bool,
    conversations: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Read {
    Kept(Kept),
    /// As it was written at first: without names whose number is 0.
    Numbers(BTreeMap<String, u64>),
}

#[derive(Debug, Default)]
struct Names(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<String, Session>,
    /// A name that is not here has no conversation.
    complete: bool,
    /// How often something has changed that is to be kept.
    changes: u64,
}

#[derive(Debug, Default)]
struct Session {
    number: u64,
    /// The present conversation has begun.
    begun: bool,
    /// So many starts are under way.
    starts: u32,
    /// The change that began the present conversation.
    change: u64,
    /// The last daemon could not keep all its changes: the present conversation may be one that was left.
    doubtful: bool,
}

impl Conversations {
    /// As they were kept; makes the directory.
    ///
    /// # Errors
    ///
    /// If another daemon uses it, if it is a cluster's, and if the file is not what was written.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let lock = take(folder, FlockOperation::NonBlockingLockExclusive)?
            .ok_or_else(|| io::Error::other("another chatd is using it"))?;
        if fs::exists(folder.join(SHARED))? {
            let why = format!("a cluster stores its conversations there, in {SHARED}");
            return Err(io::Error::other(why));
        }
        let (kept, doubtful) = Kept::read(folder)?;
        let kept = match kept {
            Some(kept) => kept,
            None => Kept::new(is_fresh(folder)?, BTreeMap::new()),
        };
        let names = Arc::new(Names::from(kept, doubtful));
        Ok(Self {
            folder: folder.to_owned(),
            keeper: Keeper::start(folder, Arc::clone(&names))?,
            names,
            _lock: lock,
        })
    }

    /// A session is to be started: the name of its present conversation.
    pub(super) fn begin_start(&self, key: &str) -> String {
        let mut state = self.names.0.lock();
        let session = state.sessions.entry(key.to_owned()).or_default();
        session.starts += 1;
        name(key, session.number)
    }

    /// Its start is over.
    pub(super) fn end_start(&self, key: &str, started: bool) {
        let mut state = self.names.0.lock();
        let state = &mut *state;
        let Some(session) = state.sessions.get_mut(key) else {
            return;
        };
        session.starts -= 1;
        if started && !session.begun {
            session.begun = true;
            if session.number == 0 {
                state.changes += 1;
                self.keeper.wake();
            }
        } else if session.is_nothing() {
            state.sessions.remove(key);
        }
    }

    /// From now on, until the daemon ends; for good when the change is [kept](Self::kept), whose number this is. `None` if
    /// there is nothing to leave.
    pub(super) fn begin_new(&self, key: &str) -> Option<u64> {
        let mut state = self.names.0.lock();
        let state = &mut *state;
        if !state.complete && !state.sessions.contains_key(key) {
            // Of an older file: it may have a conversation.
            let session = Session::kept(0, false);
            state.sessions.insert(key.to_owned(), session);
        }
        let session = state.sessions.get_mut(key)?;
        if session.begun || session.starts > 0 {
            state.changes += 1;
            session.number += 1;
            session.begun = false;
            session.doubtful = false;
            session.change = state.changes;
            self.keeper.wake();
        }
        Some(session.change)
    }

    /// Resolves when a change is in the file, or could not be written there; then it is tried again.
    pub(super) fn kept(
        &self,
        change: u64,
    ) -> impl Future<Output = Result<(), Unkept>> + Send + use<> {
        self.keeper.kept(change)
    }

    /// Why conversations that were left may come back after a restart: any, or that of a session.
    pub(super) fn trouble(&self, key: Option<&str>) -> Option<String> {
        let failed = self.keeper.failed();
        let Some(key) = key else {
            return failed.map(|(_, why)| why.to_string());
        };
        let state = self.names.0.lock();
        let session = state.sessions.get(key)?;
        match failed {
            Some((kept, why)) if session.change > kept => Some(why.to_string()),
            _ if session.doubtful => Some(format!(
                "the previous chatd could not store in {} which conversations were new: this may be an old one",
                self.folder.display()
            )),
            _ => None,
        }
    }
}

impl Kept {
    fn new(complete: bool, conversations: BTreeMap<String, u64>) -> Self {
        Self {
            version: 2,
            complete,
            conversations,
        }
    }

    /// The file, if there is one, and whether changes are missing in it.
    pub(super) fn read(folder: &Path) -> io::Result<(Option<Self>, bool)> {
        let (bytes, doubtful) = Keeper::read(folder)?;
        let kept = bytes.map(|bytes| match serde_json::from_slice(&bytes)? {
            Read::Kept(kept) => Ok(kept),
            Read::Numbers(conversations) => Ok(Self::new(false, conversations)),
        });
        let mut kept: Option<Self> = kept
            .transpose()
            .map_err(|error: serde_json::Error| io::Error::from(error))?;
        if doubtful {
            let none = || Self::new(false, BTreeMap::new());
            kept.get_or_insert_with(none).complete = false;
            let folder = folder.display();
            tracing::warn!(
                %folder,
                "the previous chatd could not store which conversations were new: old ones may be back"
            );
        }
        Ok((kept, doubtful))
    }

    /// The number of a name that has a conversation, or may have one.
    #[cfg(feature = "cluster")]
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        let unlisted = (!self.complete).then_some(0);
        self.conversations.get(key).copied().or(unlisted)
    }
}

impl Names {
    fn from(kept: Kept, doubtful: bool) -> Self {
        let session = |(key, number)| (key, Session::kept(number, doubtful));
        Self(Mutex::new(State {
            sessions: kept.conversations.into_iter().map(session).collect(),
            complete: kept.complete,
            changes: 0,
        }))
    }
}

impl Source for Names {
    fn changes(&self) -> u64 {
        self.0.lock().changes
    }

    fn text(&self) -> (Vec<u8>, u64) {
        let state = self.0.lock();
        let kept = state
            .sessions
            .iter()
            .filter(|(_, session)| session.is_kept());
        let numbers = kept.map(|(key, session)| (key.clone(), session.number));
        let kept = Kept::new(state.complete, numbers.collect());
        let changes = state.changes;
        drop(state);
        let text = serde_json::to_vec_pretty(&kept).expect("names and numbers are JSON");
        (text, changes)
    }
}

impl Session {
    fn kept(number: u64, doubtful: bool) -> Self {
        Self {
            number,
            begun: true,
            doubtful,
            ..Self::default()
        }
    }

    fn is_kept(&self) -> bool {
        self.begun || self.number > 0
    }

    fn is_nothing(&self) -> bool {
        !self.is_kept() && self.starts == 0
    }
}

/// The name of a conversation for pi. No other has it: keys have no control characters.
pub(super) fn name(key: &str, number: u64) -> String {
    match number {
        0 => key.to_owned(),
        number => format!("{key}\n{number}"),
    }
}

/// Makes the directory and locks it: for one daemon, or for all nodes of a cluster. `None` if it is locked the other way.
pub(super) fn take(folder: &Path, how: FlockOperation) -> io::Result<Option<File>> {
    // For nobody else's eyes.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let lock = lock_file(&folder.join(LOCK))?;
    match flock(&lock, how) {
        Ok(()) => Ok(Some(lock)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Opened for both: on NFS a shared lock needs a file that can be read, and an exclusive one a file that can be written.
pub(super) fn lock_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true);
    options.truncate(false).open(path)
}

/// Nothing is there but what chatd itself has made.
fn is_fresh(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if !entry?
            .file_name()
            .to_string_lossy()
            .starts_with("conversations.")
        {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
#[path = "conversations_tests.rs"]
mod tests;
