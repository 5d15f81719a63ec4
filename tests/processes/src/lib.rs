//! For tests of processes: which run, what is left of them, and a stub of the models' services that real agents ask.

#[cfg(feature = "stub")]
mod dialects;
mod folder;
#[cfg(feature = "stub")]
mod stub;

pub use folder::Folder;
#[cfg(feature = "stub")]
pub use stub::Stub;

use std::{
    env,
    fmt::Display,
    fs,
    future::Future,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio::{task::yield_now, time::timeout};

/// The state of a process, as a letter. `None` if it does not run: it is gone, or dead and not reaped.
pub fn state(pid: impl Display) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit(") ").next()?.chars().next()?;
    (!"ZX".contains(state)).then_some(state)
}

/// Whether a process runs.
pub fn runs(pid: impl Display) -> bool {
    state(pid).is_some()
}

/// Waits until a process does not run any more.
pub async fn gone(pid: impl Display) {
    within(async {
        while runs(&pid) {
            yield_now().await;
        }
    })
    .await;
}

/// Sends SIGKILL.
///
/// # Panics
///
/// If there is no such process, or if it is 0 or 1.
pub fn kill(pid: u32) {
    // A mutant may return such a number: then it is not a child.
    assert!(pid > 1);
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.expect("`kill` can be run").success());
}

/// It ends, or the test fails instead of hanging.
///
/// # Panics
///
/// Shortly before the deadline of the whole test, and after four minutes.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    let seconds = env::var(deadline::SECONDS).ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    let all = seconds.map_or(deadline::LIMIT, Duration::from_secs);
    let limit = (all * 9 / 10).min(Duration::from_secs(240));
    timeout(limit, future).await.expect("it hangs")
}

/// What a recipe, `just acp` or `just pi`, has fetched into `target`.
///
/// # Panics
///
/// If it is not there.
pub fn installed(path: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let found = target.join(path);
    let recipe = path.split('/').next().unwrap_or_default();
    let shown = found.display();
    assert!(
        found.exists(),
        "CANNOT RUN: there is no {shown}: `just {recipe}`"
    );
    found
}
