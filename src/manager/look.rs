//! What a session is doing, for whoever asks.

use super::{SessionManager, backend::Backend, call::Call, report::SessionStatus};
use crate::{Status, Ticket, ToKey, sync::Arc};

impl<B: Backend> SessionManager<B> {
    /// The status of a key's session, or of its start; `None` if there is neither. Waits for nothing.
    #[doc(alias = "get_status")]
    pub fn status<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<SessionStatus> {
        let seen = self.shared().registry.observe(key)?;
        Some(self.describe(seen.status(), |turn| seen.caller(Some(turn))))
    }

    /// Every key with a session, a start or a line, and its status. Waits for nothing. A key that goes and comes back meanwhile may
    /// be there twice, as two incarnations: see
    /// [`Registry::snapshot`](crate::Registry::snapshot).
    pub fn snapshot(&self) -> Vec<(B::Key, SessionStatus)> {
        let seen = self.shared().registry.snapshot();
        seen.iter()
            .map(|seen| {
                let status = self.describe(seen.status(), |turn| seen.caller(Some(turn)));
                (seen.key().clone(), status)
            })
            .collect()
    }

    fn describe(
        &self,
        status: Status,
        caller: impl FnOnce(Ticket) -> Option<Arc<Call<B::Error>>>,
    ) -> SessionStatus {
        let note = status.turn.and_then(|turn| caller(turn)?.switch.note());
        SessionStatus {
            phase: status.phase,
            for_: status.age(self.shared().registry.now()),
            waiting: status.waiting,
            incarnation: status.incarnation,
            turn: status.turn,
            note,
        }
    }
}
