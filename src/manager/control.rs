//! What users call to control sessions and to watch them.

use super::{
    backend::{Backend, StopReason},
    call::{entering::Entering, place::Place},
    calls::SessionManager,
    end::{shutdown, stop::Stopping, sweep},
    keep::KeepAlive,
    reach::Refusal,
    report::{
        events::{Hub, Subscription},
        reports::{DrainReport, SessionEvent, SweepReport},
        ring::EventId,
    },
    switch::Cause,
};
#[cfg(doc)]
use crate::manager::{ManagerBuilder, SessionTurn, TurnError};
use crate::{Ticket, ToKey, sync::Arc};
use std::{future::Future, time::Duration};

impl<B: Backend> SessionManager<B> {
    /// Cancels the call with this ticket. Without a ticket, cancels the call that has the session. Returns false if there is no
    /// such call, or if its turn has ended. Waits for nothing.
    ///
    /// | the call | what happens to it |
    /// |---|---|
    /// | is queued, or is granted and not yet polled | it ends at once with [`TurnError::Aborted`], and its message is returned; the next caller moves up before `abort` returns |
    /// | waits for a start, a health check or a stop | it ends in the same way; that step continues for the next caller |
    /// | waits for a start, and no other call waits | the same, and the start is [cancelled](crate::TurnContext::cancelled), with `Timeouts::abort` to end |
    /// | has its turn | the turn is [cancelled](crate::TurnContext::cancelled), and has `Timeouts::abort` to end |
    /// | is a [`stop`](Self::stop) | nothing; `abort` returns false |
    pub fn abort<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q, only: Option<Ticket>) -> bool {
        let shared = self.shared();
        let found = shared.registry.reach(key, only, self.options.only);
        found.is_some_and(|(ticket, call)| {
            call.stops.is_none()
                && shared.cancel(key, ticket, &call, self.options.only, Cause::Abort)
        })
    }

    /// Removes all calls from the queue of a key, and returns their number. Each ends with [`TurnError::Dismissed`].
    ///
    /// The current turn continues, and so does a [`stop`](Self::stop). To end all work of a key, call `dismiss` and then
    /// [`abort`](Self::abort).
    pub fn dismiss<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> usize {
        self.shared().send_away(key, || Refusal::Dismissed)
    }

    /// Cancels the current turn, and stops the session when that turn has ended. The future returns false if there was no session.
    ///
    /// A stop goes ahead of the queue. The queued calls get the next session. If a stop of this key is queued or running already,
    /// the call joins it, and both return the same result.
    ///
    /// The turn or start has `Timeouts::abort` to end. A plain [`SessionTurn`] has no such limit: after twice that time the future returns
    /// [`StopError::Held`](crate::manager::StopError::Held), and the session is stopped when the turn is dropped.
    ///
    /// # Errors
    ///
    /// The future returns a [`StopError`](crate::manager::StopError). The key is free also after an error, except `Held`.
    pub fn stop<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Stopping<B> {
        let only = self.options.only;
        let reason = StopReason::Requested;
        let keep = Arc::clone(&self.owner);
        Stopping::of(Stopping::begin(self.shared(), key, only, reason, keep))
    }

    /// Like [`stop`](Self::stop), but takes the key from a turn that has not ended after twice `Timeouts::abort`. The future then returns
    /// true, and the next call gets a new session at once.
    ///
    /// **From then on two sessions of the key exist**, until the old turn is dropped: its session is stopped then, and keeps its place among
    /// `max_sessions` until that stop has ended. This is the only call that does so. Use it for a turn that hangs, if two sessions do less
    /// harm than none. [`SessionTurn::incarnation`] is a fencing token.
    ///
    /// # Errors
    ///
    /// Those of [`stop`](Self::stop), except `Held`.
    pub fn force_stop<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Stopping<B> {
        let only = self.options.only;
        Stopping::force(self.shared(), key, only, Arc::clone(&self.owner))
    }

    /// Replaces a session: stops it, if there is one, starts a new one, and returns a turn of it. Waits in the queue like [`turn`](Self::turn).
    ///
    /// # Errors
    ///
    /// Those of [`turn`](Self::turn). A stop that fails is reported only by a [`SessionEvent::Stopped`].
    pub fn restart<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Entering<B> {
        let place = Place::take(self.shared(), key, &self.options, true, None);
        Entering::of(place, self.shared(), Arc::clone(&self.owner))
    }

    /// Stops the sessions that were neither used nor touched for `idle_for`, and idle ones that are older than
    /// [`max_age`](ManagerBuilder::max_age). Returns a report. Never waits for a turn.
    ///
    /// [`ManagerBuilder::stop_idle_after`] does this in the background.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, stops in progress continue, and no more are begun.
    pub fn cleanup_idle(
        &self,
        idle_for: Duration,
    ) -> impl Future<Output = SweepReport<B::Key>> + Send + 'static + use<B> {
        sweep::sweep(Arc::clone(self.shared()), Some(idle_for))
    }

    /// Restarts the idle time of a session. Returns false if there is no session.
    pub fn touch<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> bool {
        self.shared().registry.touch(key)
    }

    /// Shuts the manager down. The future returns a report that names every key that had a session.
    ///
    /// When the call returns, new calls are refused with [`TurnError::Closed`], and all queued calls have ended with it. Turns
    /// may continue until the deadline. Then they are cancelled. Messages and closures that still run after `Timeouts::abort` are
    /// dropped. Every session is stopped, sixteen at a time. A second call may bring the deadline forward, and returns the same
    /// report.
    ///
    /// # Details
    ///
    /// Upper bound: `deadline + abort + start + stop * (2 + n / 16)` for n sessions left at the deadline. `abort`, `start` and `stop`
    /// are those of [`Timeouts`](crate::manager::Timeouts). If a plain [`SessionTurn`] is still held then, the report lists its key
    /// as abandoned. Its session is stopped when the turn is dropped.
    ///
    /// If the runtime ends first, its tasks and their sessions are dropped. The report then lists the keys that were stopped before. It lists
    /// those that were still in the registry as abandoned.
    ///
    /// # Cancel safety
    ///
    /// The shutdown continues without its future.
    pub fn shutdown(
        &self,
        deadline: Duration,
    ) -> impl Future<Output = DrainReport<B::Key>> + Send + 'static + use<B> {
        let shared = Arc::clone(self.shared());
        shutdown::begin(&shared, Some(deadline));
        shutdown::report(shared)
    }

    /// Returns the [handle](Backend::Handle) of a key's session, which reaches the session without its turn. `None` before the end of
    /// the start, and from the beginning of the stop. Waits for nothing.
    pub fn handle<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<B::Handle> {
        self.shared().handle(key)
    }

    /// Keeps a key's session alive, without its turn, and returns a guard with its [handle](Backend::Handle). Until the guard is
    /// dropped, the session is not stopped for being idle, for its age, or to make room for another one.
    ///
    /// Returns `None` if there is no session, or one that is being started or stopped. The guard is for one incarnation.
    /// These end the session all the same: [`stop`](Self::stop), [`restart`](Self::restart), a
    /// [discard](crate::manager::SessionControl::discard), a dirty turn, a failed health check and the shutdown. The drop of the last
    /// guard counts as activity. Waits for nothing.
    ///
    /// [`handle`](Self::handle) alone does not protect the session: it may be stopped for being idle right after the call.
    /// [The guide](crate::guide::handles) has an example.
    pub fn keep_alive<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<KeepAlive<B>> {
        self.shared().keep_alive(key)
    }

    /// Subscribes to the events of a key's sessions: of all turns, whoever sends the messages, of starts, and of a
    /// [`SessionControl`](crate::manager::SessionControl). The key need not have a session. Ends with the shutdown.
    pub fn listen<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Subscription<B::Event> {
        self.heard(key, None)
    }

    /// Subscribes like [`listen`](Self::listen), but continues after the event with this id: first come the later events that
    /// [were kept](ManagerBuilder::keep_events), also if the session is idle. No event is lost between the two, and none comes twice.
    ///
    /// [`Subscription::last_id`] returns the id of an event. An [`Update::Lagged`](crate::manager::Update::Lagged) stands in the place of
    /// missing events. If the id belongs to another session than the present one, a `Lagged` of at least 1 comes first, and then all that this session
    /// has kept. Kept events do not count for [`unread_bytes`](ManagerBuilder::unread_bytes).
    pub fn listen_from<Q: ?Sized + ToKey<B::Key>>(
        &self,
        key: &Q,
        after: EventId,
    ) -> Subscription<B::Event> {
        self.heard(key, Some(after))
    }

    fn heard<Q: ?Sized + ToKey<B::Key>>(
        &self,
        key: &Q,
        after: Option<EventId>,
    ) -> Subscription<B::Event> {
        let shared = self.shared();
        let bounds = shared.settings.unread;
        let (mut subscription, ring) = shared.outputs.subscribe(key.to_key(), bounds);
        if let Some(after) = after {
            subscription.catch_up(ring.as_deref(), after);
        }
        // Either the shutdown ends all subscriptions after this line, and so this one; or it has set `over` before, and this ends it.
        if shared.ending.over() {
            subscription.end_all();
        }
        subscription
    }

    /// Subscribes to the starts, turns and stops of all sessions. Ends with the shutdown.
    pub fn subscribe(&self) -> Subscription<SessionEvent<B::Key>> {
        Hub::subscribe(&self.shared().events)
    }
}
