//! How long things may be. What comes from outside and is kept or queued has its bound here.

use std::time::Duration;

/// Bytes of the name of a session.
pub(crate) const KEY: usize = 128;
/// Bytes of a line of the terminal.
pub(crate) const LINE: usize = 64 * 1024;
/// Bytes of the body of a request.
pub(crate) const BODY: usize = 64 * 1024;
/// For the body of a request to arrive.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);
/// Bytes that are kept to be looked at: of what was asked, its begin; of what was said, its end.
pub(crate) const ASKED: usize = 400;
pub(crate) const SAID: usize = 2000;
/// Sessions of which that is kept.
pub(crate) const EXCHANGES: usize = 1024;
/// Bytes of what is said of a session in the report of the end.
pub(crate) const REPORTED: usize = 2000;
/// Bytes of the token.
pub(crate) const TOKEN: usize = 4096;
/// For open connections to end, after all sessions have; and for the last words to be written, after that.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// The name of a session, from outside.
pub(crate) fn check_key(key: &str) -> Result<(), &'static str> {
    if key.is_empty() {
        return Err("the name of a session is empty");
    }
    if key.len() > KEY {
        return Err("the name of a session has more than 128 bytes");
    }
    if key.chars().any(char::is_control) {
        return Err("the name of a session has control characters");
    }
    Ok(())
}

/// A message, from outside: as long as its line or its body may be.
pub(crate) fn check_message(message: &str) -> Result<(), &'static str> {
    if message.trim().is_empty() {
        return Err("the message is empty");
    }
    Ok(())
}
