//! The daemon over a real agent, in a world of its own.

use crate::daemon::Daemon;
use acp_tests::World;
use std::ffi::OsStr;

/// A daemon of such agents, whose limits are those of a busy machine. It finds them by the PATH of the world.
pub(crate) async fn start(world: &World, agent: &[&str]) -> Daemon {
    let text = |text: &OsStr| text.to_str().expect("it is UTF-8").to_owned();
    let path = |name| text(world.path(name).as_os_str());
    let (work, sessions) = (path("work"), path("chatd.json"));
    let kept = ["--acp-cwd", &work, "--acp-sessions", &sessions];
    let limits = [
        "--start-timeout",
        "150",
        "--abort-timeout",
        "30",
        "--stop-timeout",
        "30",
    ];
    let command = world.command();
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some((text(name), text(value?))));
    let set: Vec<_> = set.collect();
    let set: Vec<_> = set
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    Daemon::start_with(&[&["--agent"], agent, &kept, &limits].concat(), &set).await
}
