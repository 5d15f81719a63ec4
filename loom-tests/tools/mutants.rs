//! Breaks the source on purpose, one patch at a time, and expects the model that the patch names to say so.
//!
//!     cargo run -p loom-tests --bin mutants             all of loom-tests/mutants
//!     cargo run -p loom-tests --bin mutants -- c06      those with this in their name
//!
//! A patch is a unified diff against the root of the project, as `git diff` writes it, under a header of its own:
//!
//!     claim: C6
//!     model: c06_identity::replace_against_cleanup
//!     expect: the replacement survives
//!     why: the slot is found by its key, which the replacement has too
//!
//! `expect` may stand more than once; all of it must be said. `expect: timeout` is for a mutant that does not end.
//!
//! A mutant is killed if its model, run alone in a process of its own, fails with those words. It survives if the model
//! passes, fails with other words, or does not end in time. A patch that does not apply or compile, and a model that fails
//! without it, are errors, not kills.

use std::{
    collections::BTreeSet,
    env, fs,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How long one model may take.
const LIMIT: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let filter = env::args().nth(1).unwrap_or_default();
    match run(&filter) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(words) => {
            eprintln!("error: {words}");
            ExitCode::FAILURE
        }
    }
}

/// Are all mutants killed?
fn run(filter: &str) -> Result<bool, String> {
    let mutants = mutants(filter)?;
    let tree = Tree::new()?;
    println!("the source as it is");
    let models: BTreeSet<&str> = mutants.iter().map(|mutant| &*mutant.model).collect();
    let executable = tree.build()?;
    for model in models {
        match explore(&executable, model)? {
            (End::Passed, _) => {}
            (end, output) => return Err(format!("{model} without a mutant: {end:?}\n{output}")),
        }
    }
    let widest = |of: fn(&Mutant) -> &str| {
        let widths = mutants.iter().map(|mutant| of(mutant).len());
        widths.max().unwrap_or_default()
    };
    let (names, claims) = (
        widest(|mutant| &mutant.name),
        widest(|mutant| &mutant.claim),
    );
    let models = widest(|mutant| &mutant.model);
    let mut killed = 0;
    for mutant in &mutants {
        let begin = Instant::now();
        let (is_kill, verdict) = tree.judge(mutant)?;
        let Mutant {
            name, claim, model, ..
        } = mutant;
        let seconds = begin.elapsed().as_secs_f64();
        println!("{name:<names$} | {claim:<claims$} | {model:<models$} | {verdict} | {seconds:.0}");
        killed += usize::from(is_kill);
    }
    let survived = mutants.len() - killed;
    println!("{killed} killed, {survived} survived");
    Ok(survived == 0)
}

/// One patch and its header.
struct Mutant {
    name: String,
    patch: PathBuf,
    claim: String,
    model: String,
    expect: Vec<String>,
}

fn mutants(filter: &str) -> Result<Vec<Mutant>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("mutants");
    let mut mutants = Vec::new();
    for file in files(&folder)? {
        let name = file.to_string_lossy();
        let Some(name) = name.strip_suffix(".patch") else {
            continue;
        };
        if name.contains(filter) {
            mutants.push(Mutant::read(name, folder.join(&file))?);
        }
    }
    if mutants.is_empty() {
        return Err(format!("no mutant has {filter:?} in its name"));
    }
    Ok(mutants)
}

impl Mutant {
    fn read(name: &str, patch: PathBuf) -> Result<Self, String> {
        let text = fs::read_to_string(&patch).map_err(told(&patch))?;
        let header = text
            .lines()
            .take_while(|line| !line.starts_with("diff ") && !line.starts_with("--- "));
        let fields: Vec<(&str, &str)> = header
            .filter_map(|line| line.split_once(':'))
            .map(|(field, value)| (field.trim(), value.trim()))
            .collect();
        let all = |name: &str| -> Vec<String> {
            let values = fields.iter().filter(|(field, _)| *field == name);
            values.map(|(_, value)| (*value).to_owned()).collect()
        };
        let one = |field: &str| match &all(field)[..] {
            [value] if !value.is_empty() => Ok(value.clone()),
            _ => Err(format!("{name}: its header needs one `{field}:`")),
        };
        let expect = all("expect");
        if expect.is_empty() || expect.iter().any(String::is_empty) {
            return Err(format!("{name}: its header needs an `expect:`"));
        }
        one("why")?;
        Ok(Self {
            claim: one("claim")?,
            model: one("model")?,
            name: name.to_owned(),
            patch,
            expect,
        })
    }

    /// Is this end a kill? And the words for the table.
    fn verdict(&self, end: End, output: &str) -> (bool, String) {
        let missing = self.expect.iter().find(|words| !output.contains(&**words));
        match end {
            End::TimedOut if self.expect == ["timeout"] => (true, "timeout".to_owned()),
            End::TimedOut => (false, "SURVIVES: it did not end in time".to_owned()),
            End::Passed => (false, "SURVIVES: the model passes".to_owned()),
            End::Failed => match missing {
                None => (true, self.expect.join("; ")),
                Some(words) => (
                    false,
                    format!("SURVIVES: it fails without the words {words:?}\n{output}"),
                ),
            },
        }
    }
}

/// A copy of the project, in which the mutants are built one after the other, all in one target folder.
struct Tree {
    root: PathBuf,
    copy: PathBuf,
    target: PathBuf,
}

impl Tree {
    fn new() -> Result<Self, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let root = root.canonicalize().map_err(told(&root))?;
        let target =
            env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let here = root.join(target).join("mutants");
        let tree = Self {
            copy: here.join("tree"),
            target: here.join("target"),
            root,
        };
        tree.restore()?;
        Ok(tree)
    }

    /// Makes the copy what the project is. What is the same already is not written: cargo would build it again.
    fn restore(&self) -> Result<(), String> {
        let mut project: BTreeSet<PathBuf> = files(&self.root)?.into_iter().collect();
        // The target folder may lie in the project, under any name.
        project.retain(|file| !self.root.join(file).starts_with(&self.copy));
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

    fn judge(&self, mutant: &Mutant) -> Result<(bool, String), String> {
        self.apply(&mutant.patch)?;
        let executable = self
            .build()
            .map_err(|words| format!("{} does not compile: {words}", mutant.name))?;
        let (end, output) = explore(&executable, &mutant.model)?;
        self.restore()?;
        Ok(mutant.verdict(end, &output))
    }

    fn apply(&self, patch: &Path) -> Result<(), String> {
        let git = Command::new("git")
            .args(["apply", "--whitespace=nowarn"])
            .arg(patch)
            .current_dir(&self.copy)
            // The copy may lie inside the project's own repository, to whose root git would go.
            .env(
                "GIT_CEILING_DIRECTORIES",
                self.copy.parent().unwrap_or(&self.copy),
            )
            .output()
            .map_err(|error| format!("git: {error}"))?;
        if git.status.success() {
            Ok(())
        } else {
            let words = String::from_utf8_lossy(&git.stderr);
            Err(format!("{} does not apply: {words}", patch.display()))
        }
    }

    /// Builds the models: the executable.
    fn build(&self) -> Result<PathBuf, String> {
        let cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["test", "--package", "loom-tests", "--test", "models"])
            .args([
                "--no-run",
                "--locked",
                "--message-format=json-render-diagnostics",
            ])
            .current_dir(&self.copy)
            .env("CARGO_TARGET_DIR", &self.target)
            // Nobody debugs a mutant, and without it a third of the build's time is saved.
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if !cargo.status.success() {
            return Err(String::from_utf8_lossy(&cargo.stderr).into_owned());
        }
        let messages = String::from_utf8_lossy(&cargo.stdout);
        let executable = messages
            .lines()
            .filter(|message| message.contains("\"kind\":[\"test\"]"))
            .find_map(|message| message.split_once("\"executable\":\"")?.1.split_once('"'))
            .map(|(path, _)| PathBuf::from(path.replace("\\\\", "\\")));
        executable.ok_or_else(|| "cargo names no executable".to_owned())
    }
}

/// The files below a folder, without those that are built or git's own.
fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    fn walk(root: &Path, below: &Path, into: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(root.join(below))? {
            let entry = entry?;
            let name = entry.file_name();
            let path = below.join(&name);
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
enum End {
    Passed,
    Failed,
    TimedOut,
}

/// Runs one model in a process of its own: how it ended, and all that it said.
fn explore(executable: &Path, model: &str) -> Result<(End, String), String> {
    let mut child = Command::new(executable)
        .args([model, "--exact", "--nocapture", "--test-threads=1"])
        .env("RUST_BACKTRACE", "0")
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
    // Two pipes, each read to its end: that of the process.
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
        // A pipe that breaks has ended; what came before is still said.
        let _ended = pipe.read_to_end(&mut bytes);
        let _late = to.send(String::from_utf8_lossy(&bytes).into_owned());
    });
}

fn told(path: &Path) -> impl Fn(io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("{path}: {error}")
}
