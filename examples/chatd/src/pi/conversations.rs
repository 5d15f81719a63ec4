//! Which conversation of a session is the present one.
//!
//! pi resumes a conversation by its name. That of a session's first one is the session's key; a later one has its number
//! with it. The numbers are kept beside the conversations, so that what was left behind stays so.

use parking_lot::Mutex;
use rustix::fs::{FlockOperation, flock};
use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// The numbers by key, as JSON; those that are 0 are not there.
const FILE: &str = "conversations.json";
/// Held while a daemon uses the directory. Goes with its process, however that ends.
const LOCK: &str = "conversations.lock";

type Numbers = BTreeMap<String, u64>;

#[derive(Debug)]
pub(super) struct Conversations {
    folder: PathBuf,
    numbers: Mutex<Numbers>,
    /// Who writes the file.
    writer: Mutex<()>,
    _lock: File,
}

impl Conversations {
    /// As they were kept; makes the directory.
    ///
    /// # Errors
    ///
    /// If another daemon uses it, and if the file is not what was written.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        // For nobody else's eyes.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let lock = File::create(folder.join(LOCK))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                io::Error::other("another chatd uses it")
            } else {
                error.into()
            }
        })?;
        let numbers = match fs::read(folder.join(FILE)) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Numbers::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            folder: folder.to_owned(),
            numbers: Mutex::new(numbers),
            writer: Mutex::default(),
            _lock: lock,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of a session's present conversation. No other has it: keys have no control characters.
    pub(super) fn name(&self, key: &str) -> String {
        match self.numbers.lock().get(key) {
            None => key.to_owned(),
            Some(number) => format!("{key}\n{number}"),
        }
    }

    /// From now on, until the daemon ends; for good by [`keep`](Self::keep).
    pub(super) fn begin_new(&self, key: &str) {
        *self.numbers.lock().entry(key.to_owned()).or_default() += 1;
    }

    /// Writes the file, whole or not at all. Blocks.
    pub(super) fn keep(&self) -> io::Result<()> {
        // What is read under this lock is never older than what is in the file.
        let _writer = self.writer.lock();
        let numbers = serde_json::to_vec_pretty(&*self.numbers.lock())?;
        let draft = self.folder.join("conversations.json.new");
        let mut file = File::create(&draft)?;
        file.write_all(&numbers)?;
        file.sync_all()?;
        fs::rename(draft, self.folder.join(FILE))?;
        // The new name, too, is to outlast a loss of power.
        File::open(&self.folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty(name: &str) -> PathBuf {
        let folder = format!("chatd-conversations-{}-{name}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        drop(fs::remove_dir_all(&folder));
        folder
    }

    #[test]
    fn a_new_one_has_another_name_also_after_a_restart() {
        let folder = empty("restart");
        let first = Conversations::open(&folder).expect("a directory can be made");
        assert_eq!(first.name("a"), "a");
        first.begin_new("a");
        first.keep().expect("it can be written");
        first.begin_new("a");
        assert_eq!(first.name("a"), "a\n2");
        assert_eq!(first.name("b"), "b");
        drop(first);

        // The second was not kept.
        let second = Conversations::open(&folder).expect("it is there");
        assert_eq!(second.name("a"), "a\n1");
        second.begin_new("\"quoted\"");
        second.keep().expect("it can be written");
        drop(second);
        let third = Conversations::open(&folder).expect("it is there");
        assert_eq!(third.name("a"), "a\n1");
        assert_eq!(third.name("\"quoted\""), "\"quoted\"\n1");
        fs::remove_dir_all(folder).expect("it is ours");
    }

    #[test]
    fn a_directory_is_of_one_daemon() {
        let folder = empty("lock");
        let first = Conversations::open(&folder).expect("a directory can be made");
        let refused = Conversations::open(&folder).expect_err("it is in use");
        assert_eq!(refused.to_string(), "another chatd uses it");
        drop(first);
        drop(Conversations::open(&folder).expect("it is free"));
        fs::remove_dir_all(folder).expect("it is ours");
    }

    #[test]
    fn what_was_not_written_here_is_not_passed_over() {
        let folder = empty("broken");
        fs::create_dir_all(&folder).expect("a directory can be made");
        fs::write(folder.join(FILE), "{\"a\": ").expect("it can be written");
        Conversations::open(&folder).expect_err("it is broken");
        fs::remove_dir_all(folder).expect("it is ours");
    }

    #[test]
    fn who_writes_last_writes_all() {
        let folder = empty("crowd");
        let crowd = Conversations::open(&folder).expect("a directory can be made");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    crowd.begin_new("a");
                    crowd.keep().expect("it can be written");
                });
            }
        });
        drop(crowd);
        let read = Conversations::open(&folder).expect("it is there");
        assert_eq!(read.name("a"), "a\n8");
        fs::remove_dir_all(folder).expect("it is ours");
    }
}
