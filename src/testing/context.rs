//! A context for a backend that a test calls itself.

use std::any::Any;

use crate::{
    Incarnation, Ticket, TurnContext,
    manager::{
        context::{Outlet, Port, Wait},
        life::Life,
        switch::Switch,
    },
    sync::Arc,
};

/// Returns a context for calling a backend without a manager. It is never cancelled, and its events are dropped.
pub fn context<E>(incarnation: Incarnation) -> TurnContext<E> {
    let nobody = Arc::new(Nobody(
        Switch::default(),
        Life::new(incarnation, None, None),
    ));
    TurnContext {
        incarnation,
        ticket: Ticket::FIRST,
        first: false,
        port: Arc::clone(&nobody) as Arc<dyn Port<E>>,
        out: nobody,
    }
}

struct Nobody(Switch, Arc<Life>);

impl<E> Port<E> for Nobody {
    fn life(&self) -> &Life {
        &self.1
    }

    fn end(&self) {}

    fn emit(&self, _: E) {}

    fn discard(&self, _: Arc<str>) {}

    fn stop_loose(&self, _: Box<dyn Any + Send>, _: Box<dyn Any + Send>) {}
}

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
