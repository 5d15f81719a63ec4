//! How a daemon has the real pi of a world, and which processes of the world run.

use crate::daemon::Daemon;
use pi_tests::{World, within};
use std::path::PathBuf;

/// The daemon's arguments. The limits are those of a busy machine.
pub(crate) fn arguments(world: &World) -> Vec<String> {
    let [node, program] = World::program().map(text);
    let (sessions, work) = (text(world.path("sessions")), text(world.path("work")));
    let pi = [
        ["--agent", "pi"],
        ["--pi-program", &node],
        ["--pi-arg", &program],
        ["--pi-arg", "--no-approve"],
        ["--pi-session-dir", &sessions],
        ["--pi-cwd", &work],
        ["--start-timeout", "150"],
        ["--abort-timeout", "30"],
        ["--stop-timeout", "30"],
    ];
    pi.as_flattened()
        .iter()
        .map(|text| (*text).to_owned())
        .collect()
}

/// The daemon's environment.
pub(crate) fn environment(world: &World) -> Vec<(&'static str, String)> {
    let all = world.environment().into_iter();
    all.map(|(name, value)| (name, text(value))).collect()
}

fn text(path: PathBuf) -> String {
    let path = path.into_os_string().into_string();
    path.expect("it is UTF-8")
}

/// The processes of a world but these daemons and their guards: pi, and what its tools run.
pub(crate) fn others(world: &World, daemons: &[&Daemon]) -> Vec<u32> {
    let all = world.processes().into_iter();
    let others = all.filter(|(_, line)| !line.starts_with("turnwise-guard"));
    let others = others.map(|(pid, _)| pid);
    others
        .filter(|pid| daemons.iter().all(|daemon| daemon.id() != *pid))
        .collect()
}

/// Waits for the number that a tool writes into a file.
pub(crate) async fn tool(world: &World) -> u32 {
    within(async {
        loop {
            let text = std::fs::read_to_string(world.path("work/tool")).unwrap_or_default();
            match text.trim().parse() {
                Ok(pid) if text.ends_with('\n') => return pid,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await
}

/// The command for it. It says nothing more.
pub(crate) const SILENT_TOOL: &str = "tool echo $$ > tool; sleep 600";
