//! pi's part of the command line.

use crate::args::Args;
use std::{ffi::OsString, path::PathBuf};
use turnwise_pi::{PiAgent, PiBuilder};

#[derive(clap::Args, Debug)]
#[command(next_help_heading = "With --agent pi")]
pub(crate) struct PiArgs {
    /// The pi program.
    #[arg(long = "pi-program", value_name = "PROGRAM", default_value = "pi")]
    program: OsString,
    /// An argument for pi, such as --pi-arg=--no-approve. May be repeated.
    #[arg(long = "pi-arg", value_name = "ARGUMENT", allow_hyphen_values = true)]
    arguments: Vec<OsString>,
    /// The directory for conversations, used by one daemon at a time, or by all nodes of a cluster. Required with --cluster.
    /// Otherwise, the default is `chatd-sessions` in $XDG_DATA_HOME or ~/.local/share.
    #[arg(long = "pi-session-dir", value_name = "DIRECTORY")]
    session_dir: Option<PathBuf>,
    /// pi's working directory. pi keeps conversations separate for each. The default is the current directory.
    #[arg(long = "pi-cwd", value_name = "DIRECTORY")]
    cwd: Option<PathBuf>,
}

impl PiArgs {
    /// Or why there is none.
    pub(crate) fn session_dir(&self, is_clustered: bool) -> Result<PathBuf, &'static str> {
        if let Some(given) = &self.session_dir {
            return Ok(given.clone());
        }
        if is_clustered {
            return Err("with --cluster, set --pi-session-dir to a directory that all nodes see");
        }
        let set = |name| std::env::var_os(name).filter(|path| !path.is_empty());
        let home = || set("HOME").map(|home| PathBuf::from(home).join(".local/share"));
        let data = || set("XDG_DATA_HOME").map(PathBuf::from).or_else(home);
        let data = data().ok_or("$HOME is not set: set --pi-session-dir")?;
        Ok(data.join("chatd-sessions"))
    }

    /// pi's own limits end before the manager's, so that its words are heard.
    pub(super) fn builder(&self, args: &Args, session_dir: &std::path::Path) -> PiBuilder {
        let pi = PiAgent::builder()
            .program(&self.program)
            .args(&self.arguments)
            .session_dir(session_dir)
            // It is the daemon's, and the agent can be talked into telling what it knows.
            .configure(|_, command| {
                command.env_remove("CHATD_TOKEN");
            })
            .question_timeout(args.question_timeout)
            .ready_timeout(args.start_timeout.mul_f64(0.9))
            .abort_timeout(args.abort_timeout.mul_f64(0.6))
            .stop_grace(args.stop_timeout.mul_f64(0.4))
            .guard(args.guard());
        match &self.cwd {
            Some(folder) => pi.working_dir(folder),
            None => pi,
        }
    }
}
