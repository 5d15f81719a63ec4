//! How a session is reached without its turn.

use crate::{drive::Order, event::AcpPermission, permission::Questions};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Reaches a session without its turn, to answer its requests for permission.
/// [`SessionManager::handle`](turnwise::SessionManager::handle) returns it. It does not keep the session alive.
///
/// ```no_run
/// # use turnwise::SessionManager;
/// # use turnwise_acp::{AcpAgent, AcpEvent};
/// # fn f(sessions: &SessionManager<AcpAgent>, event: AcpEvent) {
/// if let (AcpEvent::Permission(asked), Some(handle)) = (event, sessions.handle("chat-42")) {
///     if let Some(yes) = asked.options.iter().find(|option| option.kind == "allow_once") {
///         handle.answer(asked.id, &yes.id);
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AcpHandle {
    pub(crate) token: u64,
    pub(crate) id: Arc<str>,
    pub(crate) questions: Questions,
    pub(crate) orders: mpsc::UnboundedSender<Order>,
}

impl AcpHandle {
    /// Returns the agent's id of the session.
    pub fn session_id(&self) -> &str {
        &self.id
    }

    /// Returns the open requests for permission, the oldest first.
    pub fn permissions(&self) -> Vec<AcpPermission> {
        self.questions.open()
    }

    /// Answers a request with one of its options. Returns false if the request is not open any more, or has no such option.
    pub fn answer(&self, permission: u64, option: &str) -> bool {
        let taken = self.questions.take(|asked| {
            let mut options = asked.permission.options.iter();
            asked.permission.id == permission && options.any(|it| it.id == option)
        });
        let Some(asked) = taken.into_iter().next() else {
            return false;
        };
        let order = Order::Answer(self.token, Box::new(asked), option.to_owned());
        // If this fails, the process is gone, and the question with it.
        self.orders.send(order).is_ok()
    }
}
