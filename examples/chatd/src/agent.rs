//! What the sessions are made of: any agent that is told text, and answers with text.

use turnwise::Agent;

/// What the daemon asks of an agent. A new one needs an arm in `main` and a word in `args`, and nothing else.
pub(crate) trait Chat:
    Agent<Key = String, Message = String, Event = String, Reply = String> + Clone
{
    /// From this call on a start of the session begins a new conversation; one that is there goes on with its own. Resolves
    /// when that will be so after a restart of the daemon too. Nothing, if conversations go with their sessions.
    fn forget(&self, key: &str) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = key;
        std::future::ready(Ok(()))
    }
}
