//! The transitions of a slot. Each method of [`Locked`] is one of them, and contains all that it does.
//!
//! A transition returns what it sets free (a session, a waker, a handle), so that user code runs after the locks. The
//! tables of states and transitions are at [`Slot`](crate::registry::slot::state::Slot). Those by which
//! policy ends a session, and what prevents that, are in `claims`.

use crate::{
    Incarnation, Phase, Tick, Ticket,
    registry::slot::{
        leaves::Leaves,
        outcome::{Entered, Handles, Left, Legacy, Look, Passed},
        queue::{Place, Priority, Queue},
        state::{Locked, Rare, Stamp},
        status::Glance,
    },
    sync::Arc,
};
use std::{mem, task::Waker};

impl<V, H> Locked<'_, V, H> {
    /// A call arrives. `limit`: how many calls may be queued, or `None` not to wait. `caller`: its handle, which is taken if
    /// it gets a place.
    pub(crate) fn enter(
        &mut self,
        priority: Priority,
        limit: Option<usize>,
        caller: &mut impl Leaves<H>,
        now: Tick,
    ) -> Entered<V> {
        record!(self, "enter", priority, limit, now);
        if let Some(session) = self.take_free(now) {
            // An idle slot has no caller: nothing is dropped here, and nothing is written for a call without a handle.
            if let Some(caller) = caller.take() {
                self.state.rare().caller = Some(caller);
            }
            return Entered::Held(Some(session));
        }
        match limit {
            None => Entered::Busy,
            Some(limit) if self.state.waiting() >= limit => Entered::QueueFull,
            Some(_) => Entered::Queued(self.join(priority, caller.take())),
        }
    }

    /// Takes the turn of an idle session.
    #[inline]
    pub(crate) fn take_free(&mut self, now: Tick) -> Option<V> {
        record!(self, "take_free", now);
        let Glance { phase, since, .. } = self.glance();
        if phase != Phase::Idle {
            return None;
        }
        self.state.rested = Stamp::new(since);
        let ticket = self.next_ticket();
        if let Some(rare) = &mut self.state.rare {
            rare.stands = false;
        }
        self.begin_for(ticket, Phase::Busy, now);
        self.state.session.take()
    }

    /// The same for a call for which the handle of the session stands, if there is one.
    #[inline]
    pub(crate) fn take_standing(&mut self, now: Tick) -> Option<V> {
        record!(self, "take_standing", now);
        self.state.rare.as_ref()?.handle.as_ref()?;
        let session = self.take_free(now)?;
        self.state.rare.as_mut()?.stands = true;
        Some(session)
    }

    /// Takes a place in the queue.
    pub(crate) fn join(&mut self, priority: Priority, caller: Option<Arc<H>>) -> Place {
        record!(self, "join", priority, caller.is_some());
        let ticket = self.next_ticket();
        let place = Place::new(priority, ticket);
        let rare = self.state.rare();
        rare.drawn = ticket;
        rare.queue.join(place, caller);
        self.post_waiting();
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
        record!(self, "look", place, offered.is_some());
        if self.take_grant(place) {
            return Look::Granted(self.state.session.take());
        }
        if let Some(registered) = self.queue().and_then(|queue| queue.waker(place)) {
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

    /// Takes the grant of this place, if it has come.
    fn take_grant(&mut self, place: Place) -> bool {
        let rare = self.state.rare.as_mut();
        rare.is_some_and(|rare| rare.grant.take_if(|grant| *grant == place).is_some())
    }

    fn queue(&mut self) -> Option<&mut Queue<H>> {
        Some(&mut self.state.rare.as_mut()?.queue)
    }

    /// Gives up a place.
    pub(crate) fn leave(&mut self, place: Place, now: Tick) -> Left<H> {
        record!(self, "leave", place, now);
        if let Some(waiter) = self.queue().and_then(|queue| queue.leave(place)) {
            self.post_waiting();
            return Left::Queue(waiter);
        }
        if self.take_grant(place) {
            if self.state.session.is_none() {
                return Left::Vacancy;
            }
            let mut passed = None;
            self.pass(self.state.rested.get(), now, &mut passed);
            return Left::Passed(passed);
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
        record!(self, "revoke");
        let Some(rare) = self.state.rare.as_mut() else {
            return (false, None);
        };
        if rare.grant.take().is_none() {
            return (false, None);
        }
        let caller = rare.caller.take();
        if self.state.session.is_none() {
            return (true, caller);
        }
        // The queue was emptied before, so there is no next call.
        self.begin(Phase::Idle, self.state.rested.get());
        (false, caller)
    }

    /// Empties the queue.
    pub(crate) fn send_away(&mut self) -> Queue<H> {
        record!(self, "send_away");
        let queue = self.queue().map(Queue::clear).unwrap_or_default();
        if !queue.is_empty() {
            self.post_waiting();
        }
        queue
    }

    /// Empties the queue, except for high-priority calls.
    #[cfg(feature = "tokio")]
    pub(crate) fn dismiss_queue(&mut self) -> Queue<H> {
        record!(self, "dismiss_queue");
        let queue = self.queue().map(Queue::clear_others).unwrap_or_default();
        if !queue.is_empty() {
            self.post_waiting();
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
        record!(self, "end_turn", now);
        if self.state.superseded {
            return Err(session);
        }
        self.state.session = Some(session);
        self.pass(now, now, passed);
        Ok(())
    }

    /// Like [`end_turn`](Self::end_turn), for a turn that nobody has used: its session is idle since it was before.
    // One function for both, with the tick as an argument, costs each turn nine instructions.
    pub(crate) fn put_back(
        &mut self,
        session: V,
        now: Tick,
        passed: &mut Option<Passed<H>>,
    ) -> Result<(), V> {
        record!(self, "put_back", now);
        if self.state.superseded {
            return Err(session);
        }
        self.state.session = Some(session);
        self.pass(self.state.rested.get(), now, passed);
        Ok(())
    }

    /// Passes the session in the slot to the next call. Without one it is idle, since `rested`.
    #[inline]
    fn pass(&mut self, rested: Tick, now: Tick, passed: &mut Option<Passed<H>>) {
        let rare = self.state.rare.as_ref();
        let more = |rare: &Rare<H>| rare.caller.is_some() || !rare.queue.is_empty();
        if rare.is_some_and(|rare| more(rare)) || self.state.unlisted {
            *passed = self.pass_on(rested, now);
        } else {
            self.begin(Phase::Idle, rested);
        }
    }

    #[cold]
    fn pass_on(&mut self, rested: Tick, now: Tick) -> Option<Passed<H>> {
        if self.waits() {
            return Some(self.grant_next(Phase::Busy, rested, now));
        }
        self.begin(Phase::Idle, rested);
        let caller = self.state.rare.as_mut().and_then(|rare| rare.caller.take());
        let unlisted = self.state.unlisted;
        (unlisted || caller.is_some()).then_some(Passed {
            waker: None,
            caller,
            unlisted,
        })
    }

    /// Passes a vacancy without a holder to the next call, as a new incarnation. Returns the handle of the old one.
    pub(crate) fn hand_on(
        &mut self,
        number: Incarnation,
        now: Tick,
    ) -> (Passed<H>, Option<Arc<H>>) {
        record!(self, "hand_on", number, now);
        self.number(number);
        let passed = self.grant_next(Phase::Starting, now, now);
        (passed, self.state.rare().handle.take())
    }

    /// Grants the turn or the vacancy to the next call, and stores that call's handle. The queue must not be empty.
    fn grant_next(&mut self, phase: Phase, rested: Tick, now: Tick) -> Passed<H> {
        let rare = self.state.rare();
        let (place, waiter) = rare.queue.next().expect("the queue is not empty");
        rare.grant = Some(place);
        rare.stands = false;
        let caller = mem::replace(&mut rare.caller, waiter.caller);
        self.state.rested = Stamp::new(rested);
        self.begin_for(place.ticket(), phase, now);
        Passed {
            waker: waiter.waker,
            caller,
            unlisted: false,
        }
    }

    /// Begins to close the session of a turn.
    pub(crate) fn begin_close(&mut self, now: Tick) {
        record!(self, "begin_close", now);
        self.begin(Phase::Closing, now);
    }

    /// Ends a close: its holder has the vacancy. Only a current slot gets a number. A superseded holder keeps its own, which
    /// is lower than its replacement's. Returns the handle of the old incarnation.
    pub(crate) fn begin_start(&mut self, number: Option<Incarnation>, now: Tick) -> Option<Arc<H>> {
        record!(self, "begin_start", number, now);
        if let Some(number) = number {
            self.number(number);
        }
        self.begin(Phase::Starting, now);
        self.state.rare.as_mut()?.handle.take()
    }

    /// The holder of a vacancy numbers it. False if this slot has had that number, or a higher one.
    pub(crate) fn renumber(&mut self, number: Incarnation) -> bool {
        record!(self, "renumber", number);
        let renews = number.renews(self.board.last_number());
        if renews {
            self.number(number);
        }
        renews
    }

    /// Fills a vacancy: its holder has the turn.
    pub(crate) fn fill(&mut self, now: Tick) {
        record!(self, "fill", now);
        self.begin(Phase::Busy, now);
    }

    /// Ends the slot, which leaves the map. Returns the ticket from which its key continues, should it come again.
    pub(crate) fn retire(&mut self) -> (Ticket, Handles<H>) {
        record!(self, "retire");
        self.state.superseded = true;
        self.state.departed = true;
        self.change();
        (self.next_ticket(), self.handles())
    }

    /// Gives the key of this slot to another slot.
    pub(crate) fn supersede(&mut self) -> Legacy<V, H> {
        record!(self, "supersede");
        let next_ticket = self.next_ticket();
        let (mut queue, mut handle) = (Queue::default(), None);
        let mut held = self.glance().phase != Phase::Idle;
        if let Some(rare) = &mut self.state.rare {
            queue = rare.queue.clear();
            if let Some(place) = rare.grant.take() {
                held = false;
                queue.join(place, rare.caller.take());
            }
            handle = rare.handle.take_if(|_| !held);
        }
        self.state.superseded = true;
        self.state.departed = !held;
        self.post_waiting();
        Legacy {
            queue: (!queue.is_empty()).then_some(queue),
            next_ticket,
            session: self.state.session.take(),
            handle,
            held,
        }
    }

    /// Ends the slot of a registry that is gone, and returns an idle session to be dropped. A holder keeps its session.
    /// A call that is queued, or was granted from the queue, keeps its registry alive: so there is none.
    pub(crate) fn orphan(&mut self) -> (Option<V>, Handles<H>) {
        record!(self, "orphan");
        debug_assert!(!self.waits(), "a queued call keeps the registry alive");
        self.state.superseded = true;
        self.change();
        if self.glance().phase != Phase::Idle {
            return (None, [None, None]);
        }
        (self.state.session.take(), self.handles())
    }

    /// Marks that the holder of a superseded slot has let go. Returns those to wake, and the handles to drop.
    pub(crate) fn depart(&mut self) -> (Queue<H>, Handles<H>) {
        record!(self, "depart");
        self.state.departed = true;
        (self.send_away(), self.handles())
    }

    /// Registers a waker for that moment. Returns the waker that was there before.
    pub(crate) fn watch(&mut self, place: Place, waker: Waker) -> Option<Waker> {
        record!(self, "watch", place);
        self.queue()?.waker(place)?.replace(waker)
    }

    /// Stops waiting for it.
    pub(crate) fn unwatch(&mut self, place: Place) -> Option<Waker> {
        record!(self, "unwatch", place);
        let waiter = self.queue()?.leave(place)?;
        self.post_waiting();
        waiter.waker
    }

    pub(crate) fn touch(&mut self, now: Tick) {
        record!(self, "touch", now);
        // A clock reading that was taken before another touch, and arrives after it, does not turn time back.
        self.state.touched = Stamp::new(self.state.touched.get().max(now));
        self.change();
    }

    /// The handles of an incarnation and a call, once both are over.
    fn handles(&mut self) -> Handles<H> {
        let rare = self.state.rare.as_mut();
        rare.map_or([None, None], |rare| {
            [rare.handle.take(), rare.caller.take()]
        })
    }

    /// The number of calls before this place, or `None` if it is not in this queue.
    pub(crate) fn ahead(&self, place: Place) -> Option<usize> {
        self.state.rare.as_ref()?.queue.ahead(place)
    }
}
