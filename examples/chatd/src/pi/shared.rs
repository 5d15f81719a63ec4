//! Which conversation of a session is the present one, kept by all nodes of a cluster on storage that they share.
//!
//! Each session has files of its own in the directory `conversations.shared`:
//!
//! | file | |
//! |---|---|
//! | `NAME.json` | as it was written last: `{"version":1,"fence":7,"conversation":2}` |
//! | `NAME.RANDOM.new` | while it is written. A node that is killed meanwhile leaves it behind; nothing reads it |
//! | `NAME.lock` | empty, and never removed. Locked while `NAME.json` is compared and replaced, and at no other time |
//!
//! The fence is the number of the incarnation that was started last. It rises from owner to owner. A start with a lower number
//! than the fence comes too late, and is refused. `conversation` goes up with each new conversation, on whichever node that is
//! asked for.
//!
//! `conversations.lock` is locked too, for all nodes together: no daemon without a cluster uses the directory meanwhile, nor
//! later. What such a daemon has kept before, in `conversations.json`, holds for each session until it has a file here.
//!
//! # Limits
//!
//! The storage must lock files for all nodes, as NFSv4 does, and must show a new file to all nodes at once. On NFS that needs the
//! mount option `lookupcache=positive`: else a node may not see for a minute that a session has a file.
//!
//! The fence keeps a late start from beginning. It does not end a pi that runs: the end of the owner's term does.
//!
//! A node that loses its lock while it replaces a file may put an older file back. NFS takes locks from a node that is out of reach
//! for longer than its lease (90 s by default on Linux); it must be stopped within the few file operations under the lock.

use super::{
    ChatError,
    conversations::{self, Kept, SHARED},
};
use crate::agent::Unkept;
use data_encoding::BASE32_NOPAD;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File},
    hash::{BuildHasher, RandomState},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task};

/// How long the lock of a session is waited for. A node holds it for a few operations on files, unless it is stopped right then.
const LOCK_LIMIT: Duration = Duration::from_secs(10);
/// The pause between two tries: a lock cannot be waited for with a limit.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug)]
pub(super) struct Shared {
    files: Arc<Files>,
    forgetting: Arc<Forgetting>,
    _lock: File,
}

/// How many new conversations are being asked for on this node, by session. A start waits for those of its session.
type Forgetting = watch::Sender<HashMap<String, usize>>;

#[derive(Debug)]
struct Files {
    folder: PathBuf,
    /// What a daemon without a cluster has kept before.
    before: Option<Kept>,
}

/// What the file of a session says.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Record {
    version: u32,
    fence: u64,
    conversation: u64,
}

impl Shared {
    /// Makes the directory.
    ///
    /// # Errors
    ///
    /// If a daemon without a cluster uses it, and if the file of such a daemon is not what was written.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let lock = conversations::take(folder, FlockOperation::NonBlockingLockShared)?
            .ok_or_else(|| io::Error::other("a chatd without a cluster is using it"))?;
        let files = Files {
            folder: folder.join(SHARED),
            before: Kept::read(folder)?.0,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&files.folder)?;
        // The new name, too, is to outlast a loss of power.
        File::open(folder)?.sync_all()?;
        Ok(Self {
            files: Arc::new(files),
            forgetting: Arc::default(),
            _lock: lock,
        })
    }

    /// A session is to be started by the incarnation with this number: the name of its present conversation.
    ///
    /// # Errors
    ///
    /// If an incarnation with a higher number has been started, and if the file cannot be written or is not what was written.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it may still write its fence later, under the lock like every other: not over a higher one.
    pub(super) async fn begin_start(&self, key: &str, fence: u64) -> Result<String, ChatError> {
        // Else a start could go before a new conversation that was asked for earlier, and go on with the old one.
        let mut forgetting = self.forgetting.subscribe();
        drop(forgetting.wait_for(|keys| !keys.contains_key(key)).await);
        let files = Arc::clone(&self.files);
        let key = key.to_owned();
        let started = task::spawn_blocking(move || files.start(&key, fence)).await;
        started.unwrap_or_else(|error| Err(self.files.failed(error.into())))
    }

    /// Each start after this call begins a new conversation, once this has resolved well: on all nodes. On this node, a start
    /// waits until it has resolved. It goes on if it is dropped. After an error, the old conversation may go on.
    pub(super) fn forget(
        &self,
        key: &str,
    ) -> impl Future<Output = Result<(), Unkept>> + Send + use<> {
        let under_way = UnderWay::begin(&self.forgetting, key);
        let files = Arc::clone(&self.files);
        let folder = files.folder.clone();
        let forgotten = task::spawn_blocking(move || {
            let forgotten = files.forget(&under_way.key);
            drop(under_way);
            forgotten
        });
        async move {
            let forgotten = forgotten.await.unwrap_or_else(|error| Err(error.into()));
            forgotten.map_err(|error| {
                let folder = folder.display();
                Unkept(format!(
                    "cannot store a new conversation in {folder}: {error}; the old one may go on, so try again"
                ))
            })
        }
    }
}

/// A new conversation is being asked for.
struct UnderWay {
    all: Arc<Forgetting>,
    key: String,
}

impl UnderWay {
    fn begin(all: &Arc<Forgetting>, key: &str) -> Self {
        all.send_modify(|keys| *keys.entry(key.to_owned()).or_default() += 1);
        Self {
            all: Arc::clone(all),
            key: key.to_owned(),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.all.send_modify(|keys| {
            if let Some(count) = keys.get_mut(&self.key) {
                *count -= 1;
                if *count == 0 {
                    keys.remove(&self.key);
                }
            }
        });
    }
}

impl Files {
    fn start(&self, key: &str, fence: u64) -> Result<String, ChatError> {
        let failed = |error| self.failed(error);
        let _lock = lock(&self.file(key, "lock"), LOCK_LIMIT).map_err(failed)?;
        let before = self.read(key).map_err(failed)?;
        let before = before.unwrap_or(Record::new(0, 0));
        // The same one is a start that is tried again.
        if before.fence > fence {
            return Err(ChatError::Outdated {
                fence,
                latest: before.fence,
            });
        }
        let record = Record { fence, ..before };
        self.write(key, record).map_err(failed)?;
        Ok(conversations::name(key, record.conversation))
    }

    /// A session that has no file has never been started. It has nothing to leave, and gets no file: whoever asks for names that
    /// nobody uses leaves nothing. A start writes the file before pi begins. So a session whose only start has failed has a file
    /// too, and so does one that was left already; the number goes up all the same, because a number may be left out.
    fn forget(&self, key: &str) -> io::Result<()> {
        if self.read(key)?.is_none() {
            return Ok(());
        }
        let _lock = lock(&self.file(key, "lock"), LOCK_LIMIT)?;
        let before = self.read(key)?.unwrap_or(Record::new(0, 0));
        let next = before.conversation.checked_add(1);
        let conversation = next.ok_or_else(|| io::Error::other("there is no higher number"))?;
        let record = Record {
            conversation,
            ..before
        };
        self.write(key, record)
    }

    /// `None` if the session has no conversation.
    fn read(&self, key: &str) -> io::Result<Option<Record>> {
        let path = self.file(key, "json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let before = self.before.as_ref();
                let number = before.and_then(|before| before.number(key));
                return Ok(number.map(|number| Record::new(0, number)));
            }
            Err(error) => return Err(error),
        };
        let broken = |why: String| {
            let path = path.display();
            let text = format!("{path} was not written by this version of chatd: {why}");
            io::Error::new(io::ErrorKind::InvalidData, text)
        };
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|error| broken(error.to_string()))?;
        match record.version {
            Record::VERSION => Ok(Some(record)),
            other => Err(broken(format!("its version is {other}"))),
        }
    }

    /// Whole or not at all. Under the lock.
    fn write(&self, key: &str, record: Record) -> io::Result<()> {
        // Of its own for each writing: one that was cut short, here or on another node, writes on in no other's.
        let draft = RandomState::new().hash_one(key);
        let draft = self.file(key, &format!("{draft:016x}.new"));
        let written = (|| {
            let mut file = File::create_new(&draft)?;
            file.write_all(&serde_json::to_vec(&record)?)?;
            file.sync_all()?;
            fs::rename(&draft, self.file(key, "json"))?;
            File::open(&self.folder)?.sync_all()
        })();
        if written.is_err() {
            // A disk that is full has room again.
            drop(fs::remove_file(&draft));
        }
        written
    }

    fn file(&self, key: &str, what: &str) -> PathBuf {
        self.folder.join(format!("{}.{what}", file_name(key)))
    }

    fn failed(&self, error: io::Error) -> ChatError {
        ChatError::kept(&self.folder, error)
    }
}

impl Record {
    const VERSION: u32 = 1;

    fn new(fence: u64, conversation: u64) -> Self {
        Self {
            version: Self::VERSION,
            fence,
            conversation,
        }
    }
}

/// A key of small letters, digits, `-` and `_` as it is; every other in base32, with a `%` before it. Two keys have two names,
/// also where capitals are not told from small letters. 128 bytes become 206, which leaves room for the rest of a file's name.
fn file_name(key: &str) -> String {
    let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if key.bytes().all(plain) {
        return key.to_owned();
    }
    let encoded = BASE32_NOPAD.encode(key.as_bytes());
    format!("%{}", encoded.to_ascii_lowercase())
}

/// Held until it is dropped. Goes with the process, however that ends.
fn lock(path: &Path, limit: Duration) -> io::Result<File> {
    let file = conversations::lock_file(path)?;
    let deadline = Instant::now() + limit;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => thread::sleep(PAUSE),
            Err(Errno::WOULDBLOCK) => {
                let text = format!("another chatd holds the lock {}", path.display());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
#[path = "shared_tests.rs"]
mod tests;
