//! A Unix socket to listen at: for its owner alone, and gone when the daemon is.
//!
//! Between the look whether somebody listens at a path and the bind, another daemon may do the same. So each of them locks
//! the directory for both, and another one is refused meanwhile.

use rustix::{
    fs::{FlockOperation, Mode, flock},
    process::umask,
};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};
use tokio::net::{UnixListener, UnixStream};

/// The path of a socket that was bound here. It goes with this, unless somebody else has put something in its place.
pub(crate) struct Bound {
    path: PathBuf,
    file: (u64, u64),
}

/// Binds a socket that only its owner can open. Replaces one that nobody listens at.
///
/// # Errors
///
/// If another program is listening there, or if something else is there.
pub(crate) async fn bind(path: &Path) -> io::Result<(UnixListener, Bound)> {
    let _lock = lock(path)?;
    match fs::symlink_metadata(path) {
        Ok(facts) if !facts.file_type().is_socket() => {
            return Err(io::Error::other("the path exists and is not a socket"));
        }
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path)?;
            }
            // So too if there are more who wait to be let in than there may be.
            Ok(_) => return Err(io::Error::other("another program is listening there")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::other("another program is listening there"));
            }
            Err(error) => return Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    // Before it can be connected to. No other thread makes a file meanwhile.
    let before = umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    umask(before);
    let listener = listener?;
    let bound = Bound {
        path: path.to_owned(),
        file: file(path)?,
    };
    Ok((listener, bound))
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path, self.file) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the socket cannot be removed");
        }
    }
}

fn remove(path: &Path, ours: (u64, u64)) -> io::Result<()> {
    let _lock = lock(path)?;
    match file(path) {
        Ok(there) if there == ours => fs::remove_file(path),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Which file it is, whatever its name.
fn file(path: &Path) -> io::Result<(u64, u64)> {
    let facts = fs::symlink_metadata(path)?;
    Ok((facts.dev(), facts.ino()))
}

/// Of the directory; as long as it is kept.
fn lock(path: &Path) -> io::Result<File> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = File::open(folder.unwrap_or(Path::new(".")))?;
    flock(&folder, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        if error.kind() == io::ErrorKind::WouldBlock {
            io::Error::other("another program has locked its directory")
        } else {
            error.into()
        }
    })?;
    Ok(folder)
}
