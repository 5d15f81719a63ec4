//! What a session's own code reaches at any time: the listeners, and its end.

use crate::manager::{
    backend::{Backend, StopReason},
    context::Port,
    end::stop::{self, Stopping},
    life::Life,
    listen::Outputs,
    report::{reports::SessionEvent, ring::Ring},
    run::quietly,
    shared::Shared,
};
use crate::sync::{Arc, Weak};
use std::any::Any;

/// Weak, because the session has it, and the manager has the session.
pub(crate) struct SessionPort<B: Backend> {
    shared: Weak<Shared<B>>,
    pub(crate) key: B::Key,
    outputs: Arc<Outputs<B::Key, B::Event>>,
    /// If events are kept.
    ring: Option<Arc<Ring<B::Event>>>,
    pub(crate) life: Arc<Life>,
}

impl<B: Backend> SessionPort<B> {
    pub(crate) fn new(shared: &Arc<Shared<B>>, key: B::Key, life: Arc<Life>) -> Arc<Self> {
        let most = shared.settings.keep_events;
        let ring = (most > 0).then(|| {
            let ring = Ring::new(life.incarnation, most);
            let bounds = shared.settings.unread;
            shared.outputs.keep(key.clone(), bounds, Arc::clone(&ring));
            ring
        });
        Arc::new(Self {
            ring,
            shared: Arc::downgrade(shared),
            key,
            outputs: Arc::clone(&shared.outputs),
            life,
        })
    }

    /// To all listeners. The hub may be that of the next session, for which this is too late.
    pub(crate) fn publish(&self, event: B::Event) {
        if let Some((hub, _)) = self.outputs.find(&self.key) {
            let bytes = B::weight(&event);
            hub.emit(self.ring.as_deref(), event, bytes);
        }
    }
}

impl<B: Backend> Port<B::Event> for SessionPort<B> {
    fn life(&self) -> &Life {
        &self.life
    }

    fn end(&self) {
        self.life.end();
        if let Some(ring) = &self.ring {
            // The hash of a key may panic.
            quietly(|| self.outputs.forget(&self.key, ring));
        }
    }

    fn emit(&self, event: B::Event) {
        if !self.life.is_over() {
            self.life.alive();
            self.publish(event);
        }
    }

    /// In a task of its own. If the runtime is gone, the session is only dropped.
    fn stop_loose(&self, session: Box<dyn Any + Send>, rest: Box<dyn Any + Send>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        let session = session.downcast().expect("the port is its session's");
        let (key, life) = (self.key.clone(), Arc::clone(&self.life));
        let runtime = shared.runtime.clone();
        runtime.spawn(async move {
            let why = StopReason::Requested;
            drop(stop::run(&shared, &key, &life, *session, why).await);
            life.end();
            drop(rest);
        });
    }

    /// Marks the session first, and then stops it like a call of `stop` that cancels nothing: at once if it is idle, ahead of the queue
    /// otherwise. A call that was granted the session before, or is about to start it, finds the mark when it has the key. One that has
    /// looked before the mark has its turn, and the stop comes after that turn. Schedules: `a11_discard`.
    fn discard(&self, reason: Arc<str>) {
        let incarnation = self.life.incarnation;
        if !self.life.doom(Arc::clone(&reason)) || self.life.is_over() {
            return;
        }
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        shared.tell(|| SessionEvent::Discarded {
            key: self.key.clone(),
            incarnation,
            reason: Arc::clone(&reason),
        });
        // The hash of a key may panic.
        quietly(|| {
            let (only, why) = (Some(incarnation), StopReason::Discarded);
            drop(Stopping::begin(&shared, &self.key, only, why, ()));
        });
    }
}
