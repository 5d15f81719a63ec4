//! The token: where it comes from, and how it is kept from the agent, which runs as the same user.
//!
//! The system shows every program's command line to all users, and its first environment and its memory to its own user. So
//! a token is not taken from the command line. Out of the environment it goes through a pipe to the same program, started
//! anew in the same process without the variable. And the memory of a daemon that has a token is closed to all but root,
//! where the system has that: no debugger of the same user, no core dump.

use crate::limits;
use std::{
    env,
    fs::File,
    io::{self, Read},
    path::Path,
};

const VARIABLE: &str = "CHATD_TOKEN";

/// Out of the file or the environment. The words of an error do not have it.
pub(crate) fn take(file: Option<&Path>) -> Result<Option<String>, String> {
    let variable = env::var_os(VARIABLE);
    let token = match (variable, file) {
        (Some(_), Some(_)) => {
            return Err("both $CHATD_TOKEN and --token-file are set: use one of them".to_owned());
        }
        (Some(token), None) => {
            let token = token.into_string().unwrap_or_default();
            let token = check(&token)?;
            return start_anew(token)
                .map_err(|error| format!("the token cannot be passed on: {error}"));
        }
        (None, Some(file)) => read(file)?,
        (None, None) => return Ok(None),
    };
    close_memory();
    Ok(Some(token))
}

fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let failed = |error: io::Error| format!("the token in {shown} cannot be read: {error}");
    let file = File::open(path).map_err(failed)?;
    if is_open_to_others(&file).map_err(failed)? {
        return Err(format!(
            "other users can read or change the token in {shown}: chown it to yourself, and chmod 600 it"
        ));
    }
    let mut text = String::new();
    let most = limits::TOKEN as u64 + 3;
    file.take(most).read_to_string(&mut text).map_err(failed)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let token = line.strip_suffix('\r').unwrap_or(line);
    check(token).map(str::to_owned)
}

/// As a header can carry it.
fn check(token: &str) -> Result<&str, String> {
    if token.len() > limits::TOKEN {
        return Err("the token has more than 4096 bytes".to_owned());
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a token may contain only visible ASCII characters, and no spaces".to_owned());
    }
    Ok(token)
}

/// A pipe is nobody's but its two ends'.
#[cfg(unix)]
fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let facts = file.metadata()?;
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&facts.uid());
    Ok(facts.is_file() && (!ours || facts.mode() & 0o077 != 0))
}

#[cfg(not(unix))]
fn is_open_to_others(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// Returns only if that fails. The pipe stays open, empty and without its other end, here and in what the agent starts:
/// nothing can be read from it a second time.
#[cfg(unix)]
fn start_anew(token: &str) -> io::Result<Option<String>> {
    use std::{
        io::Write,
        os::{fd::AsRawFd, unix::process::CommandExt},
        process::Command,
    };

    let (out, into) = rustix::pipe::pipe()?;
    // It is shorter than what a pipe takes.
    File::from(into).write_all(token.as_bytes())?;
    let mut again = Command::new(env::current_exe()?);
    let mut args = env::args_os();
    if let Some(name) = args.next() {
        again.arg0(name);
    }
    again.arg("--token-file");
    again.arg(format!("/dev/fd/{}", out.as_raw_fd()));
    Err(again.args(args).env_remove(VARIABLE).exec())
}

#[cfg(not(unix))]
fn start_anew(token: &str) -> io::Result<Option<String>> {
    Ok(Some(token.to_owned()))
}

#[cfg(target_os = "linux")]
fn close_memory() {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};

    // It may always be closed.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

#[cfg(not(target_os = "linux"))]
fn close_memory() {}
