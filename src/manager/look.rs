//! The status of a session.

use crate::manager::{
    backend::Backend,
    report::reports::SessionStatus,
    shared::{Seen, Shared},
};
use crate::{Phase, Status, Ticket, ToKey, sync::Arc};

impl<B: Backend> Shared<B> {
    pub(crate) fn status<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<SessionStatus> {
        let seen = self.registry.observe(key)?;
        Some(self.describe(seen.status(), |turn| note(&seen, turn)))
    }

    /// The handle of a session that is there, and is not being stopped.
    pub(crate) fn handle<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<B::Handle> {
        let seen = self.registry.observe(key)?;
        if !matches!(seen.status().phase, Phase::Idle | Phase::Busy) {
            return None;
        }
        let own = seen.handle()?;
        own.session.as_ref().map(|session| session.handle.clone())
    }

    pub(crate) fn snapshot(&self) -> Vec<(B::Key, SessionStatus)> {
        let seen = self.registry.snapshot();
        seen.iter()
            .map(|seen| {
                let status = self.describe(seen.status(), |turn| note(seen, turn));
                (seen.key().clone(), status)
            })
            .collect()
    }

    fn describe(
        &self,
        status: Status,
        note: impl FnOnce(Ticket) -> Option<Arc<str>>,
    ) -> SessionStatus {
        SessionStatus {
            phase: status.phase,
            elapsed: status.age(self.registry.now()),
            waiting: status.waiting,
            incarnation: status.incarnation,
            turn: status.turn,
            note: status.turn.and_then(note),
        }
    }
}

fn note<B: Backend>(seen: &Seen<B>, turn: Ticket) -> Option<Arc<str>> {
    let (ticket, call) = seen.reach(Some(turn))?;
    call.switch.note(ticket)
}
