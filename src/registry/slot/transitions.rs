//! The transitions of a slot. Each method of [`Locked`] is one of them, and contains all that it does.
//!
//! A transition returns what it sets free (a session, a waker, a handle), so that user code runs after the locks. The
//! tables of states and transitions are at [`Slot`](crate::registry::slot::state::Slot).

use crate::{
    Incarnation, Phase, Status, Tick, Ticket,
    registry::slot::{
        leaves::Leaves,
        outcome::{Claim, Entered, Handles, Left, Legacy, Look, Passed},
        queue::{Place, Priority, Queue},
        state::{Grant, Locked},
        status::Changes,
    },
    sync::Arc,
};
use std::{mem, task::Waker, time::Duration};

impl<V, H> Locked<'_, V, H> {
    /// A call arrives. `take`: take a free slot now, without a grant. `limit`: how many calls may be queued, or `None` not to
    /// wait. `caller`: its handle, which is taken if it gets a place.
    #[inline]
    pub(crate) fn enter(
        &mut self,
        priority: Priority,
        take: bool,
        limit: Option<usize>,
        caller: &mut impl Leaves<H>,
        now: Tick,
    ) -> Entered<V> {
        if self.state.status.phase == Phase::Idle {
            let idle_since = self.state.status.since;
            let ticket = self.draw_ticket();
            self.begin(Phase::Busy, Some(ticket), now);
            // An idle slot has no caller: nothing is dropped here, and nothing is written for a call without a handle.
            if let Some(caller) = caller.take() {
                self.state.caller = Some(caller);
            }
            if take {
                return Entered::Held(self.state.session.take());
            }
            let place = Place::new(priority, ticket);
            self.state.grant = Some(Grant { place, idle_since });
            self.state.from_queue = false;
            return Entered::Granted(place);
        }
        match limit {
            None => Entered::Busy,
            Some(limit) if self.state.queue.len() >= limit => Entered::QueueFull,
            Some(_) => Entered::Queued(self.join(priority, caller.take())),
        }
    }

    /// Takes a place in the queue.
    pub(crate) fn join(&mut self, priority: Priority, caller: Option<Arc<H>>) -> Place {
        let place = Place::new(priority, self.draw_ticket());
        self.state.queue.join(place, caller);
        self.change();
        place
    }

    /// Polls a place. `offered` is a clone of `waker`, if the caller made one; a waker that it replaces is returned in it.
    #[inline]
    pub(crate) fn look(
        &mut self,
        place: Place,
        waker: &Waker,
        offered: &mut Option<Waker>,
    ) -> Look<V> {
        if self
            .state
            .grant
            .take_if(|grant| grant.place == place)
            .is_some()
        {
            return Look::Granted(self.state.session.take());
        }
        if let Some(registered) = self.state.queue.waker(place) {
            if offered.is_some() {
                mem::swap(registered, offered);
                return Look::Waits;
            }
            return match registered {
                Some(registered) if registered.will_wake(waker) => Look::Waits,
                _ => Look::NeedsWaker,
            };
        }
        if self.state.superseded {
            Look::Moved
        } else {
            Look::SentAway
        }
    }

    /// Gives up a place.
    pub(crate) fn leave(&mut self, place: Place, now: Tick) -> Left<V, H> {
        if let Some(waiter) = self.state.queue.leave(place) {
            self.change();
            return Left::Queue(waiter);
        }
        if let Some(grant) = self.state.grant.take_if(|grant| grant.place == place) {
            if self.state.superseded {
                return Left::Orphan {
                    _session: self.state.session.take(),
                    _handles: self.handles(),
                };
            }
            return if self.state.session.is_some() {
                let mut passed = None;
                self.pass(grant.idle_since, now, &mut passed);
                Left::Passed(passed)
            } else {
                Left::Vacancy
            };
        }
        if self.state.superseded {
            Left::Moved
        } else {
            Left::SentAway
        }
    }

    /// Takes back a grant that was not taken, for a registry that closes. The `bool` is true if that leaves a vacancy
    /// without a holder, which the caller must release. Returns the handle of the call.
    pub(crate) fn revoke(&mut self) -> (bool, Option<Arc<H>>) {
        let Some(grant) = self.state.grant.take() else {
            return (false, None);
        };
        let caller = self.state.caller.take();
        if self.state.session.is_none() {
            return (true, caller);
        }
        // The queue was emptied before, so there is no next call.
        self.begin(Phase::Idle, None, grant.idle_since);
        (false, caller)
    }

    /// Empties the queue.
    pub(crate) fn send_away(&mut self) -> Queue<H> {
        if !self.state.queue.is_empty() {
            self.change();
        }
        self.state.queue.clear()
    }

    /// Empties the queue, except for high-priority calls.
    #[cfg(feature = "tokio")]
    pub(crate) fn dismiss_queue(&mut self) -> Queue<H> {
        let queue = self.state.queue.clear_normal();
        if !queue.is_empty() {
            self.change();
        }
        queue
    }

    /// Ends a turn: the session becomes idle, or goes to the next call. It is returned if the slot was superseded. `passed`
    /// gets what is to be done after the lock; that is mostly nothing, and then nothing is moved.
    #[inline]
    pub(crate) fn end_turn(
        &mut self,
        session: V,
        now: Tick,
        passed: &mut Option<Passed<H>>,
    ) -> Result<(), V> {
        if self.state.superseded {
            return Err(session);
        }
        self.state.session = Some(session);
        self.pass(now, now, passed);
        Ok(())
    }

    /// Passes the session in the slot to the next call. Without one it is idle, since `idle_since`.
    #[inline]
    fn pass(&mut self, idle_since: Tick, now: Tick, passed: &mut Option<Passed<H>>) {
        if !self.state.queue.is_empty() {
            *passed = Some(self.grant_next(Phase::Busy, idle_since, now));
            return;
        }
        self.begin(Phase::Idle, None, idle_since);
        if let Some(caller) = self.state.caller.take() {
            *passed = Some(Passed::ended(caller));
        }
    }

    /// Passes a vacancy without a holder to the next call, as a new incarnation. Returns the handle of the old one.
    pub(crate) fn hand_on(
        &mut self,
        number: Incarnation,
        now: Tick,
    ) -> (Passed<H>, Option<Arc<H>>) {
        self.number(number);
        let passed = self.grant_next(Phase::Starting, now, now);
        (passed, self.state.handle.take())
    }

    /// Grants the turn or the vacancy to the next call, and stores that call's handle. The queue must not be empty.
    #[inline(never)]
    fn grant_next(&mut self, phase: Phase, idle_since: Tick, now: Tick) -> Passed<H> {
        let next = self.state.queue.next();
        let (place, waiter) = next.expect("the queue is not empty");
        self.state.grant = Some(Grant { place, idle_since });
        self.state.from_queue = true;
        self.begin(phase, Some(place.ticket()), now);
        Passed {
            waker: waiter.waker,
            caller: mem::replace(&mut self.state.caller, waiter.caller),
        }
    }

    /// Takes the turn of a session that has been idle for `idle_for`.
    pub(crate) fn claim(&mut self, idle_for: Duration, now: Tick) -> Claim<V> {
        if self.state.superseded || self.state.status.phase != Phase::Idle {
            return Claim::Moved;
        }
        let active = self.state.status.since.max(self.state.touched);
        if now.since(active) < idle_for {
            return Claim::Young;
        }
        Claim::Taken(self.take_idle(now))
    }

    /// Takes the turn of an idle session, if nothing has happened since this version was read.
    pub(crate) fn claim_at(&mut self, version: u64, now: Tick) -> Option<V> {
        (self.version() == version).then(|| self.claim_if_idle(now))?
    }

    /// Takes the turn of an idle session.
    pub(crate) fn claim_if_idle(&mut self, now: Tick) -> Option<V> {
        let is_idle = !self.state.superseded && self.state.status.phase == Phase::Idle;
        is_idle.then(|| self.take_idle(now))
    }

    fn take_idle(&mut self, now: Tick) -> V {
        let ticket = self.draw_ticket();
        self.begin(Phase::Busy, Some(ticket), now);
        let session = self.state.session.take();
        session.expect("an idle session is in its slot")
    }

    /// Begins to close the session of a turn.
    pub(crate) fn begin_close(&mut self, now: Tick) {
        self.begin(Phase::Closing, self.state.status.turn, now);
    }

    /// Ends a close: its holder has the vacancy. A number is drawn only for a current slot. A superseded holder keeps its
    /// own, which is lower than its replacement's, and without a registry there is none to draw. Returns the handle of the
    /// old incarnation.
    pub(crate) fn begin_start(
        &mut self,
        draw: Option<impl FnOnce() -> Incarnation>,
        now: Tick,
    ) -> Option<Arc<H>> {
        if let Some(draw) = draw.filter(|_| !self.state.superseded) {
            self.number(draw());
        }
        self.begin(Phase::Starting, self.state.status.turn, now);
        self.state.handle.take()
    }

    /// Fills a vacancy: its holder has the turn.
    pub(crate) fn fill(&mut self, now: Tick) {
        self.begin(Phase::Busy, self.state.status.turn, now);
    }

    /// Ends the slot, which leaves the map. Returns the ticket from which its key continues, should it come again.
    pub(crate) fn retire(&mut self) -> (Ticket, Handles<H>) {
        self.state.superseded = true;
        self.state.departed = true;
        self.change();
        (self.state.next_ticket, self.handles())
    }

    /// Gives the key of this slot to another slot.
    pub(crate) fn supersede(&mut self) -> Legacy<V, H> {
        let granted = self.state.grant.take();
        let held = granted.is_none() && self.state.status.phase != Phase::Idle;
        let mut queue = self.state.queue.clear();
        if let Some(grant) = granted {
            queue.join(grant.place, self.state.caller.take());
        }
        self.state.superseded = true;
        self.state.departed = !held;
        self.change();
        Legacy {
            queue,
            next_ticket: self.state.next_ticket,
            session: self.state.session.take(),
            handle: if held { None } else { self.state.handle.take() },
            held,
        }
    }

    /// Ends the slot of a registry that is gone, and returns an idle session to be dropped.
    ///
    /// A grant that was made in the call stays, with its session: the `Enter` gets a superseded turn or vacancy. A grant
    /// from the queue is taken back. A call that queued when it arrived keeps the registry alive, so this one was put back
    /// into the queue by a replacement. Its `Enter` may have only an older slot, from which it would never find this one.
    /// Models: `c12_nothing_lost`.
    pub(crate) fn orphan(&mut self) -> (Option<V>, Handles<H>, Queue<H>) {
        self.state.superseded = true;
        let queue = self.send_away();
        self.change();
        let out_of_reach = self.state.from_queue && self.state.grant.take().is_some();
        if self.state.status.phase != Phase::Idle && !out_of_reach {
            return (None, [None, None], queue);
        }
        (self.state.session.take(), self.handles(), queue)
    }

    /// Marks that the holder of a superseded slot has let go. Returns those to wake, and the handles to drop.
    pub(crate) fn depart(&mut self) -> (Queue<H>, Handles<H>) {
        self.state.departed = true;
        (self.send_away(), self.handles())
    }

    /// Registers a waker for that moment. Returns the waker that was there before.
    pub(crate) fn watch(&mut self, place: Place, waker: Waker) -> Option<Waker> {
        self.state.queue.waker(place)?.replace(waker)
    }

    /// Stops waiting for it.
    pub(crate) fn unwatch(&mut self, place: Place) -> Option<Waker> {
        self.change();
        self.state.queue.leave(place)?.waker
    }

    pub(crate) fn departed(&self) -> bool {
        self.state.departed
    }

    pub(crate) fn touch(&mut self, now: Tick) {
        // A clock reading that was taken before another touch, and arrives after it, does not turn time back.
        self.state.touched = self.state.touched.max(now);
        self.change();
    }

    pub(crate) fn superseded(&self) -> bool {
        self.state.superseded
    }

    pub(crate) fn waits(&self) -> bool {
        !self.state.queue.is_empty()
    }

    /// The handles of an incarnation and a call, once both are over.
    fn handles(&mut self) -> Handles<H> {
        [self.state.handle.take(), self.state.caller.take()]
    }

    /// The number of calls before this place, or `None` if it is not in this queue.
    pub(crate) fn ahead(&self, place: Place) -> Option<usize> {
        self.state.queue.ahead(place)
    }

    #[inline]
    pub(crate) fn status(&self) -> Status {
        Status {
            waiting: Status::waiting(self.state.queue.len()),
            ..self.state.status
        }
    }

    pub(crate) fn version(&self) -> u64 {
        debug_assert!(
            self.changed.is_none(),
            "a version is asked for before a change"
        );
        self.state.version
    }

    #[inline]
    fn draw_ticket(&mut self) -> Ticket {
        let ticket = self.state.next_ticket;
        self.state.next_ticket = ticket.next();
        ticket
    }

    /// Marks that something must be posted.
    #[inline]
    fn change(&mut self) -> &mut Changes {
        self.changed.get_or_insert_default()
    }

    /// Begins a phase.
    #[inline]
    fn begin(&mut self, phase: Phase, turn: Option<Ticket>, since: Tick) {
        self.change().ticket |= self.state.status.turn != turn;
        self.state.status.phase = phase;
        self.state.status.turn = turn;
        self.state.status.since = since;
    }

    /// Begins an incarnation.
    fn number(&mut self, number: Incarnation) {
        self.change().number = true;
        self.state.status.incarnation = number;
    }
}
