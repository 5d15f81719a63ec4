//! Sessions that write each act into a file, which all processes share.

use processes::Folder;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::process::Command;
use turnwise::{
    Agent, Backend, SessionManager, TurnContext,
    manager::{Ownership, StopReason},
};
use turnwise_process::{Launcher, Process};

/// A backend whose sessions append to one file: the file's order is the order of the acts, in all processes.
#[derive(Debug)]
pub struct Acts {
    file: File,
    path: String,
    /// Sessions are processes, which act by themselves.
    launcher: Option<Launcher>,
}

/// Its fence, and its process.
#[derive(Debug)]
pub struct Session(u64, Option<Process>);

const LOOP: &str = r#"while echo "$0" >>"$1"; do sleep 0.02; done"#;

impl Acts {
    /// Opens the file.
    ///
    /// # Panics
    ///
    /// If it cannot be opened.
    pub fn new(path: &Path) -> Self {
        let file = File::options().create(true).append(true).open(path);
        Self {
            file: file.expect("a file"),
            path: path.display().to_string(),
            launcher: None,
        }
    }

    /// Sessions are processes that this launcher starts.
    #[must_use]
    pub fn processes(self, launcher: Launcher) -> Self {
        let launcher = Some(launcher);
        Self { launcher, ..self }
    }

    /// A manager over this backend, whose keys others share.
    ///
    /// # Panics
    ///
    /// If the settings are wrong.
    pub fn manager(self, node: Arc<dyn Ownership<String>>) -> SessionManager<Self> {
        let manager = SessionManager::builder(self).ownership(node).build();
        manager.expect("a manager")
    }

    /// In one write, at the end of the file.
    fn act(&self, key: &str, fence: u64) -> io::Result<()> {
        (&self.file).write_all(format!("{key} {fence}\n").as_bytes())
    }
}

impl Backend for Acts {
    type Key = String;
    type Session = Session;
    type Handle = ();
    type Event = ();
    type Error = io::Error;

    async fn start(&self, key: &String, cx: &TurnContext<()>) -> io::Result<(Session, ())> {
        let fence = cx.incarnation().get();
        let mut session = Session(fence, None);
        match &self.launcher {
            None => self.act(key, fence)?,
            Some(launcher) => {
                let mut command = Command::new("sh");
                command.args(["-c", LOOP, &format!("{key} {fence}"), &self.path]);
                let process = launcher.spawn(&mut command).await;
                session.1 = Some(process.map_err(io::Error::other)?);
            }
        }
        Ok((session, ()))
    }

    async fn stop(&self, _: &String, session: Session, _: StopReason) -> io::Result<()> {
        if let Some(mut process) = session.1 {
            process.kill().await;
        }
        Ok(())
    }

    async fn is_healthy(&self, session: &mut Session) -> bool {
        session.1.as_ref().is_none_or(Process::is_running)
    }
}

impl Agent for Acts {
    type Message = String;
    /// The session's fence.
    type Reply = u64;

    async fn send(
        &self,
        session: &mut Session,
        key: String,
        _: &TurnContext<()>,
    ) -> io::Result<u64> {
        if self.launcher.is_none() {
            self.act(&key, session.0)?;
        }
        Ok(session.0)
    }
}

/// A file that goes with this.
#[derive(Debug)]
pub struct Witness(Folder);

impl Default for Witness {
    fn default() -> Self {
        Self(Folder::new())
    }
}

impl Witness {
    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.0.join("acts")
    }

    fn lines(&self) -> Vec<(String, u64)> {
        let text = fs::read_to_string(self.path()).unwrap_or_default();
        let lines = text.lines().map(|line| {
            let (key, fence) = line.rsplit_once(' ').expect("a key and a fence");
            (key.to_owned(), fence.parse().expect("a number"))
        });
        lines.collect()
    }

    /// How many acts there were, each start among them, and how many of a session after one of its key with a higher fence.
    ///
    /// # Panics
    ///
    /// If something else is in the file.
    pub fn acts(&self) -> (usize, usize) {
        (self.lines().len(), self.stale().values().sum())
    }

    /// The most such acts of one session.
    ///
    /// # Panics
    ///
    /// If something else is in the file.
    pub fn most_stale(&self) -> usize {
        self.stale().into_values().max().unwrap_or_default()
    }

    fn stale(&self) -> BTreeMap<(String, u64), usize> {
        let (mut highest, mut stale) = (BTreeMap::<_, u64>::new(), BTreeMap::new());
        for (key, fence) in self.lines() {
            let highest = highest.entry(key.clone()).or_default();
            if fence < *highest {
                *stale.entry((key, fence)).or_default() += 1;
            }
            *highest = fence.max(*highest);
        }
        stale
    }

    /// How many sessions acted.
    ///
    /// # Panics
    ///
    /// If something else is in the file.
    pub fn sessions(&self) -> usize {
        let all: BTreeSet<_> = self.lines().into_iter().collect();
        all.len()
    }
}
