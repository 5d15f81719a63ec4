//! Keeps a file as what it is made of changes: one thread writes it, whole or not at all.
//!
//! Changes that come while it writes are in the next writing together, so that a crowd of them costs a few. What could not be
//! written is tried again, with growing pauses, with the next change, and at the end.
//!
//! | file | |
//! |---|---|
//! | `conversations.json` | as it was written last |
//! | `conversations.json.new` | while it is written |
//! | `conversations.spare` | empty. Renamed, which needs no room on the disk, it is the next |
//! | `conversations.unkept` | some changes are not in the file: the next daemon must not trust it |

use crate::{agent::Unkept, limits};
use parking_lot::{Condvar, Mutex};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::Duration,
};
use tokio::sync::watch;

const FILE: &str = "conversations.json";
const DRAFT: &str = "conversations.json.new";
const SPARE: &str = "conversations.spare";
const UNKEPT: &str = "conversations.unkept";

/// Pauses between two tries.
const PAUSE: Duration = Duration::from_secs(1);
const LONG_PAUSE: Duration = Duration::from_secs(30);

/// What the file is made of.
pub(super) trait Source: Send + Sync + 'static {
    /// How often it has changed.
    fn changes(&self) -> u64;
    /// The file, and how many changes are in it.
    fn text(&self) -> (Vec<u8>, u64);
}

#[derive(Debug)]
pub(super) struct Keeper {
    bell: Arc<Bell>,
    written: watch::Receiver<Written>,
    /// Closed when the thread is over.
    over: Mutex<mpsc::Receiver<()>>,
}

/// How far the file is.
#[derive(Clone, Debug, Default)]
struct Written {
    /// So many changes are in it.
    kept: u64,
    /// So many have been tried to be written.
    tried: u64,
    /// Why that failed.
    failed: Option<Arc<str>>,
}

/// Wakes the thread.
#[derive(Debug, Default)]
struct Bell {
    state: Mutex<Rung>,
    rings: Condvar,
}

#[derive(Debug, Default)]
struct Rung {
    changed: bool,
    ends: bool,
}

impl Keeper {
    /// The file, if there is one, and whether changes are missing in it.
    pub(super) fn read(folder: &Path) -> io::Result<(Option<Vec<u8>>, bool)> {
        let unkept = fs::exists(folder.join(UNKEPT))?;
        match fs::read(folder.join(FILE)) {
            Ok(bytes) => Ok((Some(bytes), unkept)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((None, unkept)),
            Err(error) => Err(error),
        }
    }

    /// Nothing is written before the first change.
    pub(super) fn start(folder: &Path, source: Arc<impl Source>) -> io::Result<Self> {
        if !fs::exists(folder.join(UNKEPT))? {
            drop(File::create(folder.join(SPARE))?);
        }
        let bell = Arc::<Bell>::default();
        let (sender, written) = watch::channel(Written::default());
        let (is_over, over) = mpsc::channel();
        let writer = Writer {
            folder: folder.to_owned(),
            source,
            bell: Arc::clone(&bell),
            written: sender,
            pause: PAUSE,
            _over: is_over,
        };
        let thread = std::thread::Builder::new().name("conversations".to_owned());
        thread.spawn(|| writer.run())?;
        Ok(Self {
            bell,
            written,
            over: Mutex::new(over),
        })
    }

    /// Something has changed.
    pub(super) fn wake(&self) {
        self.bell.state.lock().changed = true;
        self.bell.rings.notify_one();
    }

    /// Resolves when so many changes are in the file, or could not be written there.
    pub(super) fn kept(
        &self,
        change: u64,
    ) -> impl Future<Output = Result<(), Unkept>> + Send + use<> {
        let mut written = self.written.clone();
        async move {
            let tried = |written: &Written| written.kept.max(written.tried) >= change;
            match written.wait_for(tried).await {
                Ok(written) if written.kept >= change => Ok(()),
                Ok(written) => Err(Unkept(written.failed.as_deref().unwrap_or_default().into())),
                Err(_) => Err(Unkept("the daemon has ended before it was kept".to_owned())),
            }
        }
    }

    #[cfg(test)]
    pub(super) fn watch(&self) -> watch::Receiver<impl Sized + use<>> {
        self.written.clone()
    }

    /// How many changes are in the file, and why the others are not.
    pub(super) fn failed(&self) -> Option<(u64, Arc<str>)> {
        let written = self.written.borrow();
        let why = written.failed.as_ref()?;
        Some((written.kept, Arc::clone(why)))
    }
}

impl Drop for Keeper {
    /// What is not written yet is written now; a disk that hangs is not waited for.
    fn drop(&mut self) {
        self.bell.state.lock().ends = true;
        self.bell.rings.notify_one();
        let _ = self.over.get_mut().recv_timeout(limits::FAREWELL);
    }
}

struct Writer<S> {
    folder: PathBuf,
    source: Arc<S>,
    bell: Arc<Bell>,
    written: watch::Sender<Written>,
    pause: Duration,
    _over: mpsc::Sender<()>,
}

impl<S: Source> Writer<S> {
    fn run(mut self) {
        loop {
            let ends = self.wait();
            if self.source.changes() > self.written.borrow().kept {
                self.keep();
            }
            if ends {
                return;
            }
        }
    }

    /// For a change, for the next try or for the end: whether it is that.
    fn wait(&self) -> bool {
        let failed = self.written.borrow().failed.is_some();
        let mut state = self.bell.state.lock();
        while !state.changed && !state.ends {
            if !failed {
                self.bell.rings.wait(&mut state);
            } else if self.bell.rings.wait_for(&mut state, self.pause).timed_out() {
                break;
            }
        }
        state.changed = false;
        state.ends
    }

    fn keep(&mut self) {
        let (text, changes) = self.source.text();
        let error = write(&self.folder, &text).err();
        let folder = self.folder.display();
        let before = self.written.borrow().failed.is_some();
        if let Some(error) = &error {
            if before {
                self.pause = (self.pause * 2).min(LONG_PAUSE);
            } else {
                tracing::error!(%folder, %error, "cannot store which conversations are new; trying again");
            }
            drop(fs::rename(
                self.folder.join(SPARE),
                self.folder.join(UNKEPT),
            ));
        } else {
            self.pause = PAUSE;
            drop(fs::rename(
                self.folder.join(UNKEPT),
                self.folder.join(SPARE),
            ));
            if before {
                tracing::info!(%folder, "stored which conversations are new");
            }
        }
        let failed = error.map(|error| {
            let text = format!(
                "cannot store in {folder} which conversations are new: {error}; chatd tries again, and until that \
                 succeeds a restart brings the old ones back"
            );
            Arc::from(text)
        });
        self.written.send_modify(|written| {
            written.tried = changes;
            if failed.is_none() {
                written.kept = changes;
            }
            written.failed = failed;
        });
    }
}

/// Whole or not at all.
fn write(folder: &Path, text: &[u8]) -> io::Result<()> {
    let draft = folder.join(DRAFT);
    let written = (|| {
        let mut file = File::create(&draft)?;
        file.write_all(text)?;
        file.sync_all()?;
        fs::rename(&draft, folder.join(FILE))?;
        // The new name, too, is to outlast a loss of power.
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        // A disk that is full has room again.
        drop(fs::remove_file(&draft));
    }
    written
}
