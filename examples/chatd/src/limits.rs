//! How long things may be. What comes from outside and is kept or queued has its bound here.

use std::time::Duration;

/// Bytes of the name of a session.
pub(crate) const KEY: usize = 128;
/// Bytes of a line of the terminal.
pub(crate) const LINE: usize = 64 * 1024;
/// Bytes of the body of a request.
pub(crate) const BODY: usize = 64 * 1024;
/// Bytes of the head of a request, and of an answer that waits to be sent.
pub(crate) const HEAD: usize = 16 * 1024;
/// For the head of a request to arrive, counted from the connection or from the answer before.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);
/// For a client to take something of its answer.
pub(crate) const WRITE_TIME: Duration = Duration::from_secs(30);
/// For the body of a request to arrive.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);
/// Bytes that are kept to be looked at: of what was asked, its begin; of what was said, its end.
pub(crate) const ASKED: usize = 400;
pub(crate) const SAID: usize = 2000;
/// Bytes of what each session has said that are kept, for clients that come back.
pub(crate) const KEPT: usize = 1024 * 1024;
/// Bytes of an error that are kept, shown, sent or printed, whatever the agent fails with.
pub(crate) const ERROR: usize = 1000;
/// Causes of an error that are told.
pub(crate) const CAUSES: usize = 16;
/// Bytes of the note of a turn that are shown.
pub(crate) const NOTE: usize = 400;
/// Questions of a session that are shown, and options of a question.
pub(crate) const QUESTIONS: usize = 8;
pub(crate) const OPTIONS: usize = 32;
/// Bytes of each text of a question that are shown, and of an option.
pub(crate) const QUESTION: usize = 2000;
pub(crate) const OPTION: usize = 200;
/// Sessions of which that is kept.
pub(crate) const EXCHANGES: usize = 1024;
/// Bytes of what is said of a session in the report of the end.
pub(crate) const REPORTED: usize = 2000;
/// Bytes of the token.
pub(crate) const TOKEN: usize = 4096;
/// For open connections to end, after all sessions have; and for the last words to be written, after that.
pub(crate) const FAREWELL: Duration = Duration::from_secs(2);

/// A message, from outside: as long as its line or its body may be.
pub(crate) fn check_message(message: &str) -> Result<(), &'static str> {
    if message.trim().is_empty() {
        return Err("the message is empty");
    }
    Ok(())
}
