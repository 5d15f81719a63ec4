//! The status of a session.

use crate::manager::{backend::Backend, report::reports::SessionStatus, shared::Shared};
use crate::{Status, Ticket, ToKey, sync::Arc};

impl<B: Backend> Shared<B> {
    pub(crate) fn status<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<SessionStatus> {
        let seen = self.registry.observe(key)?;
        Some(self.describe(seen.status(), |turn| seen.caller(Some(turn))?.switch.note()))
    }

    pub(crate) fn snapshot(&self) -> Vec<(B::Key, SessionStatus)> {
        let seen = self.registry.snapshot();
        seen.iter()
            .map(|seen| {
                let note = |turn| seen.caller(Some(turn))?.switch.note();
                (seen.key().clone(), self.describe(seen.status(), note))
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
