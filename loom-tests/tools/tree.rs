//! The copy of the project in which mutants are built, and a model run alone in a process of its own.

// Each tool uses a part of this module.
#![allow(dead_code)]

use crate::mutant::Mutant;
use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How long one model may take. It takes seconds, but the machine may be busy.
const LIMIT: Duration = Duration::from_secs(600);

/// A copy of the project. Its mutants are built in its one target folder.
pub(crate) struct Tree {
    pub(crate) root: PathBuf,
    pub(crate) copy: PathBuf,
    target: PathBuf,
    /// The project's own target folder, with all copies.
    built: PathBuf,
}

impl Tree {
    /// Trees of the same name share the copy and the target folder, so only one of them may be used at a time.
    pub(crate) fn new(name: &str) -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = root.canonicalize().map_err(told(&root))?;
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let built = root.join(target);
        let here = built.join("mutants").join(name);
        let tree = Self {
            copy: here.join("tree"),
            target: here.join("target"),
            built,
            root,
        };
        tree.restore()?;
        Ok(tree)
    }

    /// Makes the copy equal to the project. Equal files are not written, or cargo would build them again.
    pub(crate) fn restore(&self) -> Result<(), String> {
        let mut project: BTreeSet<PathBuf> = files(&self.root)?.into_iter().collect();
        // The target folder may lie in the project, under any name.
        project.retain(|file| !self.root.join(file).starts_with(&self.built));
        fs::create_dir_all(&self.copy).map_err(told(&self.copy))?;
        for file in files(&self.copy)? {
            if !project.contains(&file) {
                let file = self.copy.join(file);
                fs::remove_file(&file).map_err(told(&file))?;
            }
        }
        for file in project {
            let (from, to) = (self.root.join(&file), self.copy.join(&file));
            let bytes = fs::read(&from).map_err(told(&from))?;
            if fs::read(&to).is_ok_and(|old| old == bytes) {
                continue;
            }
            let folder = to.parent().expect("it lies in the copy");
            fs::create_dir_all(folder).map_err(told(folder))?;
            fs::write(&to, bytes).map_err(told(&to))?;
        }
        Ok(())
    }

    /// Breaks the copy by one mutant.
    pub(crate) fn apply(&self, mutant: &Mutant) -> Result<(), String> {
        for (file, text) in mutant.broken(&self.copy)? {
            fs::write(&file, text).map_err(told(&file))?;
        }
        Ok(())
    }

    /// Builds one test program of a package in the copy, and returns the executable.
    ///
    /// That package is not optimized: a mutant builds in one second in place of seventeen, and its model, which mostly fails at
    /// once, is two times slower. The cluster's worlds would be ten times slower.
    pub(crate) fn build_test(&self, package: &str, test: &str) -> Result<PathBuf, String> {
        let level = u8::from(package == "turnwise-cluster");
        let level = format!("--config=profile.test.package.{package}.opt-level={level}");
        let mut cargo = cargo(&self.copy);
        cargo.args(["--package", package, "--test", test, &level]);
        cargo.env("CARGO_TARGET_DIR", &self.target);
        // Saves a third of the build's time.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
        // A mutant changes little.
        cargo.env("CARGO_INCREMENTAL", "1");
        executable(&mut cargo, "")
    }

    /// Builds the project itself as `cargo test --workspace` does, which may have built it already, and returns the test program whose
    /// root is this file. Models that pass run to their end: of all of them that takes longer than an optimised build.
    pub(crate) fn build_workspace(&self, main: &str) -> Result<PathBuf, String> {
        let main = format!("{}/{main}", self.root.display());
        executable(cargo(&self.root).arg("--workspace"), &main)
    }
}

fn cargo(folder: &Path) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["test", "--no-run", "--locked"]);
    cargo.arg("--message-format=json-render-diagnostics");
    cargo.current_dir(folder);
    cargo
}

/// Runs a build, and returns the test program whose root's path ends with this.
fn executable(cargo: &mut Command, main: &str) -> Result<PathBuf, String> {
    let cargo = cargo.output().map_err(|error| format!("cargo: {error}"))?;
    if !cargo.status.success() {
        return Err(String::from_utf8_lossy(&cargo.stderr).into_owned());
    }
    let messages = String::from_utf8_lossy(&cargo.stdout).replace("\\\\", "/");
    let root = format!("{main}\"");
    let executable = messages
        .lines()
        .filter(|message| message.contains("\"kind\":[\"test\"]") && message.contains(&root))
        .find_map(|message| message.split_once("\"executable\":\"")?.1.split_once('"'))
        .map(|(path, _)| PathBuf::from(path));
    executable.ok_or_else(|| "cargo names no executable".to_owned())
}

/// The files below a folder, without `target` and `.git`.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    fn walk(root: &Path, below: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(root.join(below))? {
            let entry = entry?;
            let name = entry.file_name();
            let path = below.join(&name);
            // A link to a folder is of a package outside of the workspace: the source is in its own place.
            if entry.file_type()?.is_symlink() && root.join(&path).is_dir() {
                continue;
            }
            if !entry.file_type()?.is_dir() {
                into.push(path);
            } else if name != "target" && name != ".git" {
                walk(root, &path, into)?;
            }
        }
        Ok(())
    }
    let mut found = Vec::new();
    walk(folder, Path::new(""), &mut found).map_err(told(folder))?;
    found.sort();
    Ok(found)
}

/// How a model ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Passed,
    Failed,
    TimedOut,
}

/// Runs one model in a process of its own. Returns how it ended, and its output.
pub(crate) fn explore(
    executable: &Path,
    model: &str,
    environment: &[(&str, &str)],
) -> Result<(End, String), String> {
    let mut child = Command::new(executable)
        .args([model, "--exact", "--nocapture", "--test-threads=1"])
        .env("RUST_BACKTRACE", "0")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(told(executable))?;
    let stdout = child.stdout.take().expect("it is piped");
    let stderr = child.stderr.take().expect("it is piped");
    let (sender, said) = mpsc::channel();
    read(stdout, sender.clone());
    read(stderr, sender);
    let deadline = Instant::now() + LIMIT;
    let mut output = String::new();
    let mut in_time = true;
    // Both pipes end when the process does.
    for _ in 0..2 {
        let left = deadline.saturating_duration_since(Instant::now());
        match said.recv_timeout(left) {
            Ok(text) => output += &text,
            Err(_) => {
                in_time = false;
                child.kill().map_err(told(executable))?;
                break;
            }
        }
    }
    let status = child.wait().map_err(told(executable))?;
    if !in_time {
        return Ok((End::TimedOut, output));
    }
    if !output.contains("running 1 test") {
        return Err(format!("no model is named {model}:\n{output}"));
    }
    let end = if status.success() {
        End::Passed
    } else {
        End::Failed
    };
    Ok((end, output))
}

fn read(mut pipe: impl Read + Send + 'static, to: mpsc::Sender<String>) {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks has ended; its output until then counts.
        let _ended = pipe.read_to_end(&mut bytes);
        let _late = to.send(String::from_utf8_lossy(&bytes).into_owned());
    });
}

pub(crate) fn told(path: &Path) -> impl Fn(io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("{path}: {error}")
}
