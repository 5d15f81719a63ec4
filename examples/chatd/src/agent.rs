//! What the sessions are made of: any agent that is told text, and answers with text.

use turnwise::Agent;

/// What the daemon asks of an agent. A new one needs a line in `main` and one in `args`, and nothing else.
pub(crate) trait Chat:
    Agent<Key = String, Message = String, Event = String, Reply = String>
{
}

impl<A> Chat for A where A: Agent<Key = String, Message = String, Event = String, Reply = String> {}
