//! A folder of one test, and the processes that are marked with it.

use crate::{runs, within};
use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder that no other test has. Its drop removes it.
#[derive(Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// The environment variable by which processes of the test are known. Its value is the path of the folder.
    pub const MARK: &str = "TURNWISE_TESTS_FOLDER";

    /// In the system's temporary folder.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[allow(clippy::new_without_default)] // each is another
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("turnwise-tests-{}-{count}", process::id()));
        fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    /// The path of a file or folder in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The words of a file that a script writes. None if there is no file.
    pub fn words(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.join(name)).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// The words in the file `notes`.
    pub fn notes(&self) -> Vec<String> {
        self.words("notes")
    }

    /// Waits for so many notes.
    pub async fn noted(&self, count: usize) -> Vec<String> {
        within(async {
            while self.notes().len() < count {
                tokio::task::yield_now().await;
            }
        })
        .await;
        self.notes()
    }

    /// The numbers and command lines of the processes that run and have the mark in their environment.
    ///
    /// # Panics
    ///
    /// If there is no `/proc`.
    pub fn processes(&self) -> Vec<(u32, String)> {
        let mark = format!("{}={}", Self::MARK, self.0.display());
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("this is Linux").flatten() {
            let pid = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let ours = environment
                .split(|byte| *byte == 0)
                .any(|set| set == mark.as_bytes());
            if let (Some(pid), true) = (pid, ours) {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).replace('\0', " ");
                if runs(pid) {
                    found.push((pid, line));
                }
            }
        }
        found
    }

    /// None of these processes is left.
    ///
    /// # Panics
    ///
    /// If one is.
    pub fn is_empty(&self) {
        let left = self.processes();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}

impl AsRef<OsStr> for Folder {
    fn as_ref(&self) -> &OsStr {
        self.0.as_ref()
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A test that failed may still have processes that write there.
        let _ = fs::remove_dir_all(&self.0);
    }
}
