//! The status of a session.

use crate::manager::{
    backend::Backend,
    reach::Call,
    report::reports::{QueuedCall, SessionStatus},
    shared::{Resident, Shared},
};
use crate::{Incarnation, Observed, Phase, ToKey};

type Seen<B> = Observed<<B as Backend>::Key, Resident<B>, Call<B>>;

impl<B: Backend> Shared<B> {
    pub(crate) fn status<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<SessionStatus> {
        Some(self.describe(&self.registry.observe(key)?))
    }

    /// The number of a session that is there, or is being started or stopped.
    pub(crate) fn incarnation<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<Incarnation> {
        Some(self.registry.status(key)?.incarnation)
    }

    /// The calls that wait for a turn, in their order.
    pub(crate) fn queue<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Vec<QueuedCall> {
        let now = self.registry.now();
        let queued = self.registry.queued(key).into_iter();
        let turns = queued.filter(|(_, call)| call.stops.is_none());
        turns
            .map(|(place, call)| QueuedCall {
                ticket: place.ticket(),
                first: call.first,
                waited: call.waited(now),
                note: call.note.clone(),
            })
            .collect()
    }

    /// The handle of a session that is there, and is not being stopped.
    pub(crate) fn handle<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<B::Handle> {
        let seen = self.registry.observe(key)?;
        if !matches!(seen.status().phase, Phase::Idle | Phase::Busy) {
            return None;
        }
        let handle = seen.handle()?.handle()?;
        Some(B::Handle::clone(&handle))
    }

    pub(crate) fn snapshot(&self) -> Vec<(B::Key, SessionStatus)> {
        let seen = self.registry.snapshot();
        let described = |seen: &_| (Seen::<B>::key(seen).clone(), self.describe(seen));
        seen.iter().map(described).collect()
    }

    fn describe(&self, seen: &Seen<B>) -> SessionStatus {
        let status = seen.status();
        let call = status.turn.and_then(|turn| seen.reach(Some(turn)));
        let call = call.as_ref().map(|(ticket, call)| (*ticket, &call.switch));
        let own = seen.handle();
        let life = own.as_ref().map(|own| own.life());
        let sign = match life {
            Some(life) => life.sign(call.map(|(ticket, switch)| (switch, ticket))),
            None => call.and_then(|(ticket, switch)| switch.sign(ticket)),
        };
        let note = call.and_then(|(ticket, switch)| switch.note(ticket));
        SessionStatus {
            phase: status.phase,
            elapsed: status.age(self.registry.now()),
            waiting: status.waiting,
            kept: seen.kept(),
            incarnation: status.incarnation.or_zero(),
            turn: status.turn,
            note: note.or_else(|| life?.note()),
            quiet: sign.map(|sign| sign.elapsed()),
        }
    }
}
