//! The token: where it comes from. `turnwise_process::secret` keeps it from the agent, which runs as the same user.

use crate::limits;
use std::{ffi::OsString, path::Path};
#[cfg(unix)]
use turnwise_process::secret;

const VARIABLE: &str = "CHATD_TOKEN";

/// Out of the file or the environment. The words of an error do not have it.
pub(crate) fn take(file: Option<&Path>) -> Result<Option<String>, String> {
    if std::env::var_os(VARIABLE).is_some() && file.is_some() {
        return Err("both $CHATD_TOKEN and --token-file are set: use one of them".to_owned());
    }
    let given = match file {
        Some(file) => return read(file).map(Some),
        None => secret::take(VARIABLE).map_err(|error| format!("${VARIABLE}: {error}"))?,
    };
    given.map(checked).transpose()
}

/// Out of a file.
pub(crate) fn read(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let failed = |error| format!("the token in {shown} cannot be read: {error}");
    checked(secret::read(file).map_err(failed)?)
}

fn checked(token: OsString) -> Result<String, String> {
    secret::close_memory();
    let token = token.into_string().unwrap_or_default();
    check(&token)?;
    Ok(token)
}

/// As a header can carry it.
fn check(token: &str) -> Result<(), String> {
    if token.len() > limits::TOKEN {
        return Err("the token has more than 4096 bytes".to_owned());
    }
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a token may contain only visible ASCII characters, and no spaces".to_owned());
    }
    Ok(())
}

/// Nothing keeps a secret from a process of the same user there.
#[cfg(not(unix))]
mod secret {
    use std::{ffi::OsString, io, path::Path};

    pub(super) fn take(variable: &str) -> io::Result<Option<OsString>> {
        Ok(std::env::var_os(variable))
    }

    pub(super) fn read(path: &Path) -> io::Result<OsString> {
        Ok(std::fs::read_to_string(path)?.trim_end().into())
    }

    pub(super) fn close_memory() {}
}
