//! Which session of the agent a key has.

use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Stores the id of the agent's session for each key, so that the next process can resume it.
///
/// The methods may block: they run in `spawn_blocking`. Calls for one key run one after the other, in their order. If a start is cut short,
/// its call of the store continues, and the next start of the key waits for it. Calls for different keys run at the same time.
pub trait SessionStore: Send + Sync + 'static {
    /// Returns the id that is stored for a key, or `None`.
    ///
    /// # Errors
    ///
    /// The store cannot be read. The start of the session fails with [`AcpError::Store`](crate::AcpError::Store).
    fn get(&self, key: &str) -> io::Result<Option<String>>;

    /// Stores the id of a key's session. It replaces the one before.
    ///
    /// # Errors
    ///
    /// The store cannot be written. The start of the session fails with [`AcpError::Store`](crate::AcpError::Store).
    fn set(&self, key: &str, id: &str) -> io::Result<()>;
}

/// Stores the ids in memory: they last as long as the program. The default.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<BTreeMap<String, String>>);

impl SessionStore for MemoryStore {
    fn get(&self, key: &str) -> io::Result<Option<String>> {
        Ok(self.0.lock().get(key).cloned())
    }

    fn set(&self, key: &str, id: &str) -> io::Result<()> {
        self.0.lock().insert(key.to_owned(), id.to_owned());
        Ok(())
    }
}

/// Stores the ids in a file: a JSON object of keys and ids. Each change replaces the whole file at once, so a crash leaves the old one
/// or the new one. Only one program may use the file at a time.
///
/// ```
/// use turnwise_acp::{FileStore, SessionStore};
///
/// # fn main() -> std::io::Result<()> {
/// # let folder = std::env::temp_dir().join(format!("turnwise-acp-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let path = folder.join("sessions.json");
/// FileStore::open(&path)?.set("chat-42", "session-1")?;
/// assert_eq!(FileStore::open(&path)?.get("chat-42")?.as_deref(), Some("session-1"));
/// # std::fs::remove_dir_all(&folder)
/// # }
/// ```
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    ids: Mutex<BTreeMap<String, String>>,
}

impl FileStore {
    /// Reads the file. A missing file counts as empty. Its folder must exist by the time that the first id is stored; `open` does not check that.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or it is not a JSON object whose values are strings.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        let ids = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        let ids = Mutex::new(ids);
        Ok(Self { path, ids })
    }
}

impl SessionStore for FileStore {
    fn get(&self, key: &str) -> io::Result<Option<String>> {
        Ok(self.ids.lock().get(key).cloned())
    }

    fn set(&self, key: &str, id: &str) -> io::Result<()> {
        let mut ids = self.ids.lock();
        if ids.get(key).is_some_and(|before| before == id) {
            return Ok(());
        }
        let mut changed = ids.clone();
        changed.insert(key.to_owned(), id.to_owned());
        let text = serde_json::to_vec(&changed)?;
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let file = fs::File::create(&new)?;
        io::Write::write_all(&mut &file, &text)?;
        file.sync_all()?;
        fs::rename(new, &self.path)?;
        *ids = changed;
        Ok(())
    }
}
