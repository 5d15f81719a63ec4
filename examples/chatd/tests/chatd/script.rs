//! An agent that is a shell script in pi's place. It is no pi: its starts fail, with what it writes.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

/// Its folder, which goes with it.
pub(crate) struct Script {
    folder: PathBuf,
}

impl Script {
    /// `name` tells the folder from those of other tests.
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("chatd-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let agent = folder.join("agent");
        fs::write(&agent, format!("#!/bin/sh\n{text}\n")).expect("a script");
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).expect("it may be run");
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        let path = self.folder.join(name);
        path.to_str().expect("it is UTF-8").to_owned()
    }

    /// The daemon's arguments for it, and more.
    pub(crate) fn args(&self, more: &[&str]) -> Vec<String> {
        let (program, sessions) = (self.path("agent"), self.path("sessions"));
        let pi = ["--agent", "pi", "--pi-program", &program];
        let pi = pi.into_iter().chain(["--pi-session-dir", &sessions]);
        pi.chain(more.iter().copied()).map(str::to_owned).collect()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// As `Daemon` takes them.
pub(crate) fn borrowed(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
