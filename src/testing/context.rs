//! A context for a backend that a test calls itself.

use crate::{
    Incarnation, Ticket, TurnContext,
    manager::{
        context::{Outlet, Wait},
        switch::Switch,
    },
    sync::Arc,
};

/// Returns a context for calling a backend without a manager. It is never cancelled, and what is emitted or sent to it goes to nobody.
pub fn context<E>(incarnation: Incarnation) -> TurnContext<E> {
    TurnContext {
        incarnation,
        ticket: Ticket::FIRST,
        first: false,
        out: Arc::new(Nobody(Switch::default())),
    }
}

struct Nobody(Switch);

impl<E> Outlet<E> for Nobody {
    fn switch(&self) -> &Switch {
        &self.0
    }

    fn note(&self, _: Ticket, _: Arc<str>) {}

    fn emit(&self, _: Ticket, _: E) {}

    fn send<'a>(&'a self, _: Ticket, _: E) -> Option<Wait<'a>>
    where
        E: 'a,
    {
        None
    }
}
