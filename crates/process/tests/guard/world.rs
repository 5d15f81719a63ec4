//! What the tests need: a witness file and those who write it, a daemon that can be killed, and a look into `/proc`.

pub(crate) use processes::{runs, within};
use rustix::{
    process::{Pid, Signal, kill_process},
    time::{ClockId, clock_gettime},
};
use std::{
    collections::BTreeMap,
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::sleep,
};
use turnwise_process::{Guard, Launcher, Process};

/// For what takes no time, on a machine that is busy.
pub(crate) const SLACK: Duration = Duration::from_secs(5);

/// Longer than any test.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// The process itself, a child in its group, one with a session of its own, and one whose parents are gone too.
pub(crate) const ACTORS: [&str; 4] = ["leader", "member", "session", "orphan"];

const SCRIPT: &str = r#"
"$0" act member "$1" &
setsid "$0" act session "$1" &
(setsid sh -c '"$0" act orphan "$1" &' "$0" "$1" &)
exec "$0" act leader "$1"
"#;

/// A process that writes into the witness file, with three children that do.
pub(crate) fn actors(witness: &Path) -> Command {
    let mut command = Command::new("sh");
    let this = env::current_exe().expect("it has a path");
    command.arg("-c").arg(SCRIPT).arg(this).arg(witness);
    command
}

/// A shell that runs this.
pub(crate) fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// The role of an actor: it writes its name and the time, and heeds nothing, for longer than a test takes.
pub(crate) fn act(name: &str, file: &str) {
    let file = OpenOptions::new().append(true).create(true).open(file);
    let mut file = file.expect("it can be opened");
    // A test that fails may leave it.
    let end = now() + Duration::from_secs(120);
    while now() < end {
        let line = format!("{name} {}\n", now().as_micros());
        file.write_all(line.as_bytes()).expect("it can be written");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// The time on CLOCK_BOOTTIME.
pub(crate) fn now() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::try_from(now).expect("it is positive")
}

/// Waits until it is so.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    within(async {
        while !is_so() {
            sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// A file that all actors of a test write.
pub(crate) struct Witness(pub(crate) PathBuf);

impl Witness {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("turnwise-guard-{}-{count}", std::process::id());
        Self(env::temp_dir().join(name))
    }

    /// The last act of each actor.
    pub(crate) fn last(&self) -> BTreeMap<String, Duration> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let acts = text.lines().filter_map(|line| {
            let (name, micros) = line.split_once(' ')?;
            Some((name.to_owned(), Duration::from_micros(micros.parse().ok()?)))
        });
        acts.collect()
    }

    /// Waits until each has acted after this moment.
    pub(crate) async fn all_act(&self, after: Duration) {
        until(|| {
            let last = self.last();
            ACTORS.iter().all(|name| last.get(*name) > Some(&after))
        })
        .await;
    }

    /// Waits until nobody is left who could act, and returns when the last act was.
    pub(crate) async fn over(&self) -> Duration {
        until(|| self.actors().is_empty()).await;
        self.last().into_values().max().unwrap_or_default()
    }

    /// The processes that have the file in their arguments, but for daemons.
    pub(crate) fn actors(&self) -> Vec<i32> {
        let file = self.0.to_str().expect("it is text").as_bytes();
        let acts = |pid: &i32| {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut arguments = arguments.split(|byte| *byte == 0);
            let is_daemon = arguments.clone().nth(1) == Some(b"daemon");
            !is_daemon && arguments.any(|argument| argument == file)
        };
        processes().into_iter().filter(acts).collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        for pid in self.actors() {
            signal(pid, Signal::KILL);
        }
        // It may have written nothing.
        let _ = fs::remove_file(&self.0);
    }
}

/// All processes.
pub(crate) fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("it is Linux").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// The state and the parent of a process. `None` if there is none.
pub(crate) fn stat(pid: i32) -> Option<(String, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?.to_owned();
    Some((state, fields.next()?.parse().ok()?))
}

pub(crate) fn children_of(parent: i32) -> Vec<i32> {
    let is_child = |pid: &i32| stat(*pid).is_some_and(|(_, its)| its == parent);
    processes().into_iter().filter(is_child).collect()
}

pub(crate) fn signal(pid: i32, signal: Signal) {
    // It may have ended.
    let _ = kill_process(Pid::from_raw(pid).expect("it is not zero"), signal);
}

/// Stops it, and waits until it has stopped.
pub(crate) async fn stop(pid: i32) {
    signal(pid, Signal::STOP);
    until(|| stat(pid).is_none_or(|(state, _)| state == "T")).await;
}

pub(crate) fn pid_of(process: &Process) -> i32 {
    process
        .id()
        .try_into()
        .expect("it is a number of a process")
}

pub(crate) fn guard_of(process: &Process) -> i32 {
    let (_, guard) = stat(pid_of(process)).expect("it runs");
    assert_ne!(guard, this());
    guard
}

pub(crate) fn this() -> i32 {
    std::process::id()
        .try_into()
        .expect("it is a number of a process")
}

pub(crate) fn guarded(limit: Duration) -> Launcher {
    Launcher::new().guard(Guard::new(limit))
}

/// The number in the next line.
pub(crate) async fn number(lines: &mut turnwise_process::Lines) -> i32 {
    let line = within(lines.next()).await.expect("it writes one");
    let text = String::from_utf8_lossy(&line.expect("it is short")).into_owned();
    text.trim().parse().expect("a number")
}

/// A daemon with one guarded process, which is to be killed or stopped.
pub(crate) struct Daemon {
    pub(crate) child: Child,
    pub(crate) pid: i32,
    pub(crate) guard: i32,
    pub(crate) leader: i32,
    pub(crate) lines: Lines<BufReader<ChildStdout>>,
}

impl Daemon {
    /// Its actors act when this returns.
    pub(crate) async fn start(witness: &Witness, limit: Duration) -> Self {
        let this = env::current_exe().expect("it has a path");
        let mut child = Command::new(this)
            .arg("daemon")
            .arg(&witness.0)
            .arg(limit.as_millis().to_string())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it can be started");
        let stdout = child.stdout.take().expect("it is a pipe");
        let mut lines = BufReader::new(stdout).lines();
        let line = within(lines.next_line()).await.expect("it is text");
        let leader = line.expect("it says so").parse().expect("a number");
        let pid = child.id().expect("it runs").try_into().expect("a number");
        let (_, guard) = stat(leader).expect("it runs");
        witness.all_act(Duration::ZERO).await;
        Self {
            child,
            pid,
            guard,
            leader,
            lines,
        }
    }
}

/// The role of a daemon: it prints the number of its process, and how that ended.
pub(crate) fn daemon(file: &str, limit: &str) {
    let limit = Duration::from_millis(limit.parse().expect("a number"));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        let process = guarded(limit).spawn(&mut actors(Path::new(file))).await;
        let process = process.expect("it can be started");
        println!("{}", process.id());
        println!("{}", process.exited().await);
    });
}
