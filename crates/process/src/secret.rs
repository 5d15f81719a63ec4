//! Secrets of a program, and how to keep them from the processes that it starts.
//!
//! Such processes usually run as the same user. `/proc` shows that user the initial environment of a program, and its memory. It shows
//! the command line to everybody. So take a secret from a file or out of the environment, never from the command line, and then call
//! [`close_memory`].

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStringExt, fs::MetadataExt, process::CommandExt},
    },
    path::Path,
    process::Command,
};

/// The most bytes of a secret: less than a pipe holds.
const MOST: usize = 4096;

/// Returns a secret of at most 4096 bytes from an environment variable, and removes it from there. `None` if the variable is not set.
/// Call it at the top of `main`, before there are other threads: it may start the program again.
///
/// Removing the variable is not enough, because `/proc` shows the environment with which a program began. So `take` executes the same
/// program again in the same process, without the variable, and passes the secret through a pipe. The call in the new program returns it,
/// without a line break at its end. An empty pipe remains open, and so does the variable `{variable}_FD` with its descriptor. Children
/// inherit both.
///
/// # Errors
///
/// The secret is too long, the program cannot be started anew, or the pipe cannot be read.
pub fn take(variable: &str) -> io::Result<Option<OsString>> {
    let passed = format!("{variable}_FD");
    match env::var_os(variable) {
        Some(secret) if secret.is_empty() => return Ok(Some(secret)),
        Some(secret) => return Err(start_anew(variable, &passed, &secret.into_vec())),
        None => {}
    }
    let Some(descriptor) = env::var_os(passed) else {
        return Ok(None);
    };
    // The pipe stays open, empty and without its other end, here and in what this program starts. Nothing can be read from it twice.
    let secret = read_all(&File::open(Path::new("/dev/fd").join(descriptor))?)?;
    Ok((!secret.is_empty()).then(|| OsString::from_vec(secret)))
}

/// Returns a secret of at most 4096 bytes from a file, without a line break at its end.
///
/// # Errors
///
/// [`io::ErrorKind::PermissionDenied`] if other users can read or change the file. Another error if the secret is too long, or the file
/// cannot be read.
pub fn read(path: &Path) -> io::Result<OsString> {
    let file = File::open(path)?;
    let facts = file.metadata()?;
    let ours = [0, rustix::process::geteuid().as_raw()].contains(&facts.uid());
    // A pipe is nobody's but its two ends'.
    if facts.is_file() && (!ours || facts.mode() & 0o077 != 0) {
        let why = "other users can read or change it: chown it to yourself, and chmod 600 it";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    Ok(OsString::from_vec(read_all(&file)?))
}

/// Closes the memory of this program to all users but root: no debugger of the same user can read it, and no core dump contains it. Does
/// nothing on systems other than Linux.
pub fn close_memory() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};

        // It may always be closed.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

fn read_all(file: &File) -> io::Result<Vec<u8>> {
    let mut secret = Vec::new();
    file.take(MOST as u64 + 3).read_to_end(&mut secret)?;
    for end in [b'\n', b'\r'] {
        if secret.last() == Some(&end) {
            secret.pop();
        }
    }
    if secret.len() > MOST {
        return Err(too_long());
    }
    Ok(secret)
}

fn too_long() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it has more than {MOST} bytes"),
    )
}

/// Returns only if that fails.
fn start_anew(variable: &str, passed: &str, secret: &[u8]) -> io::Error {
    let start = || {
        if secret.len() > MOST {
            return Err(too_long());
        }
        let (out, into) = rustix::pipe::pipe()?;
        File::from(into).write_all(secret)?;
        let mut again = Command::new(env::current_exe()?);
        let mut args = env::args_os();
        if let Some(name) = args.next() {
            again.arg0(name);
        }
        again.args(args).env_remove(variable);
        again.env(passed, out.as_raw_fd().to_string());
        Ok(again.exec())
    };
    start().unwrap_or_else(|error| error)
}
