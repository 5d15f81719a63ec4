//! What the sessions are made of: any agent that takes a text and replies with a text. It may ask questions meanwhile.

use crate::question::{Question, Reply, Unanswered};
use std::error::Error as StdError;
use std::fmt;
use turnwise::Agent;

/// What the daemon asks of an agent. A new one needs an arm in `main` and a word in `args`, and nothing else.
pub(crate) trait Chat:
    Agent<Key = String, Message = String, Event = Part, Reply = String, Error: StdError> + Clone
{
    /// From this call on a start of the session begins a new conversation; one that is there goes on with its own. Resolves
    /// when that will be so after a restart of the daemon too. Nothing, if conversations go with their sessions.
    fn forget(&self, key: &str) -> impl Future<Output = Result<(), Unkept>> + Send {
        let _ = key;
        std::future::ready(Ok(()))
    }

    /// Why that is not so yet: for any session, or for this one.
    fn trouble(&self, key: Option<&str>) -> Option<String> {
        let _ = key;
        None
    }

    /// The questions of a session that wait for an answer, the oldest first.
    fn questions(&self, handle: &Self::Handle) -> Vec<Question> {
        let _ = handle;
        Vec::new()
    }

    /// Answers one, while its turn runs. Waits for nothing.
    fn answer(&self, handle: &Self::Handle, id: u64, reply: Reply) -> Result<(), Unanswered> {
        let _ = (handle, id, reply);
        Err(Unanswered::NotOpen)
    }
}

/// What comes of a turn before its end.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    /// A part of the answer.
    Text(String),
    Question(Question),
}

impl Part {
    /// Its size in bytes.
    pub(crate) fn weight(&self) -> usize {
        let text = match self {
            Self::Text(text) => text.len(),
            Self::Question(question) => question.weight(),
        };
        size_of_val(self) + text
    }
}

/// Why a restart of the daemon would bring a conversation back that was ended.
#[derive(Debug)]
pub(crate) struct Unkept(pub(crate) String);

impl fmt::Display for Unkept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unkept {}
