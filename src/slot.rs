//! The place of one key: its slot lock, and the state machine under it.
//!
//! Each method of [`Locked`] is one transition, and says all that it does to the slot. What a transition sets free (a
//! session, a waker, a handle) it returns, so that user code runs after the locks.

use crate::{
    Incarnation, Phase, Status, Tick, Ticket,
    line::{Lane, Line, Place},
    status::Board,
    sync::{Arc, Weak},
};
use parking_lot::{Mutex, MutexGuard};
use std::{mem, task::Waker, time::Duration};

/// The place of one key, in the map from its first entry to the end of its last session.
///
/// | phase | session rests here | grant | guard out | line |
/// |---|---|---|---|---|
/// | `Idle` | yes | no | none | empty |
/// | `Busy`, granted | yes | yes | none | any |
/// | `Busy`, held | no | no | `Turn` | any |
/// | `Starting`, granted | no | yes | none | any |
/// | `Starting`, held | no | no | `Vacancy` | any |
/// | `Closing` | no | no | `Closing` | any |
///
/// | from | transition | to | who may |
/// |---|---|---|---|
/// | absent | [`Slot::new`] | `Starting` held or granted | who inserts it, under the map's write lock |
/// | `Idle` | [`enter`](Locked::enter), [`claim`](Locked::claim) | `Busy` | anyone who finds it current |
/// | granted | [`look`](Locked::look) | held | the granted `Enter` |
/// | granted | [`leave`](Locked::leave), [`revoke`](Locked::revoke) | granted to the next, or `Idle`; a vacancy: let go | the granted `Enter`; close |
/// | `Busy` held | [`rest`](Locked::rest) | `Busy` granted to the next, or `Idle` | its `Turn` |
/// | `Busy` held | [`begin_close`](Locked::begin_close) | `Closing` | its `Turn` |
/// | `Closing` | [`begin_start`](Locked::begin_start) | `Starting` held | its `Closing` |
/// | `Starting` held | [`fill`](Locked::fill) | `Busy` held | its `Vacancy` |
/// | `Starting`, `Closing` | [`hand_on`](Locked::hand_on) | `Starting` granted | the end of its guard, if somebody waits |
/// | `Starting`, `Closing` | [`retire`](Locked::retire) | absent | the end of its guard, if nobody waits |
/// | any | [`supersede`](Locked::supersede) | superseded: a new slot has its place and its line | replace, under the map's write lock |
///
/// A superseded slot keeps its holder, if it had one, and goes through the same phases for it; its line are those who wait
/// for that holder's departure.
///
/// `Home` is the shard; this file only stores it.
pub(crate) struct Slot<K, V, H, Home> {
    pub(crate) key: K,
    /// Computed once, before any lock: growth and removal of the map call no user code.
    pub(crate) hash: u64,
    /// Names the line, together with the hash. A replacement inherits it: so a waiter whose slot was superseded finds the
    /// current one in the map, and no slot refers to another.
    pub(crate) line: u64,
    /// Weak: a session that rests must not keep its registry alive. Upgraded only when a slot is let go or was superseded,
    /// not in a turn.
    pub(crate) home: Weak<Home>,
    board: Board,
    state: Mutex<State<V, H>>,
}

/// What the slot lock guards. Held for a bounded number of steps, never across user code or a wait; no other slot lock and
/// no map lock is taken under it.
struct State<V, H> {
    /// The session, while it rests.
    session: Option<V>,
    /// What the holder left for others to reach.
    handle: Option<Arc<H>>,
    line: Line,
    /// Who may take the slot at his next look.
    grant: Option<Grant>,
    /// As posted, but for `waiting`, which is the length of the line.
    status: Status,
    /// Somebody said so: the time from which a resting session counts as idle is the later of this and `since`.
    touched: Tick,
    next_ticket: u64,
    /// The map does not hold this slot any more.
    superseded: bool,
    /// The holder of a superseded slot has let go.
    departed: bool,
}

/// A turn or a vacancy on its way to an `Enter` that has not looked yet.
struct Grant {
    place: Place,
    /// If the session was resting: since when, should it go on to rest.
    rested: Tick,
}

/// What an arriving `Enter` finds.
pub(crate) enum Entered<V> {
    /// The turn, or the vacancy, is the caller's.
    Held(Holding<V>),
    /// It was granted, or stands in the line.
    Granted(Place),
    InLine(Place),
    Busy,
    QueueFull,
}

/// What somebody holds from now on: a turn, or a vacancy if there is no session.
pub(crate) struct Holding<V> {
    pub(crate) session: Option<V>,
    pub(crate) ticket: Ticket,
    pub(crate) incarnation: Incarnation,
}

/// How it stands with a place in the line.
pub(crate) enum Look<V> {
    /// The grant is taken.
    Granted(Holding<V>),
    /// In the line, and will be woken.
    Waits,
    /// In the line, but this waker must be cloned first, which is not done under a lock.
    NeedsWaker,
    /// This slot was superseded: the line is elsewhere.
    Moved,
    /// Dismissed, or the registry closed.
    SentAway,
}

/// What became of a place that was given up.
pub(crate) enum Left {
    /// The line is shorter by one. The waker, to be dropped after the lock.
    Line { _waker: Option<Waker> },
    /// It was granted: the next in line is, or the session rests.
    Passed(Option<Waker>),
    /// It was granted a vacancy: the slot must be let go.
    Vacancy,
    /// This slot was superseded: the line is elsewhere.
    Moved,
    /// It was sent away before.
    SentAway,
}

/// Whether a resting session could be claimed.
pub(crate) enum Claim<V> {
    Taken(Holding<V>),
    /// Used or touched within the time.
    Young,
    /// Not resting here, or not any more.
    Moved,
}

/// What a superseded slot leaves to its replacement and to who replaced it.
pub(crate) struct Legacy<V, H> {
    pub(crate) line: Line,
    pub(crate) next_ticket: u64,
    /// The session, if it was resting; a grant that nobody had looked at is back in the line.
    pub(crate) session: Option<V>,
    pub(crate) handle: Option<Arc<H>>,
    /// Somebody holds a guard of the slot.
    pub(crate) held: bool,
}

impl<K, V, H, Home> Slot<K, V, H, Home> {
    /// A slot whose vacancy begins now, and its holder. It inherits `line` and `next_ticket`, from the slot that it
    /// replaces or from the map.
    pub(crate) fn new(
        (key, hash): (K, u64),
        (line_number, line, next_ticket): (u64, Line, u64),
        home: Weak<Home>,
        incarnation: Incarnation,
        now: Tick,
    ) -> (Self, Holding<V>) {
        let ticket = Ticket(next_ticket);
        let status = Status {
            phase: Phase::Starting,
            since: now,
            waiting: line.len() as u32,
            incarnation,
            turn: Some(ticket),
        };
        let state = State {
            session: None,
            handle: None,
            line,
            grant: None,
            status,
            touched: now,
            next_ticket: next_ticket + 1,
            superseded: false,
            departed: false,
        };
        let slot = Self {
            key,
            hash,
            line: line_number,
            home,
            board: Board::new(&status),
            state: Mutex::new(state),
        };
        let holding = Holding {
            session: None,
            ticket,
            incarnation,
        };
        (slot, holding)
    }

    /// Before others can reach the slot: its vacancy is granted instead of held.
    pub(crate) fn grant_first(&mut self, place: Place) {
        let state = self.state.get_mut();
        state.grant = Some(Grant {
            place,
            rested: state.status.since,
        });
    }

    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, V, H> {
        Locked {
            state: self.state.lock(),
            board: &self.board,
            changed: false,
        }
    }

    /// The status and its version, without waiting for anyone: at worst for one transition.
    #[inline]
    pub(crate) fn read(&self) -> (Status, u64) {
        self.board.read().unwrap_or_else(|| {
            let locked = self.lock();
            (locked.status(), locked.version())
        })
    }
}

/// A slot under its lock. Whatever was changed is posted before the lock is released.
pub(crate) struct Locked<'a, V, H> {
    state: MutexGuard<'a, State<V, H>>,
    board: &'a Board,
    changed: bool,
}

impl<V, H> Drop for Locked<'_, V, H> {
    #[inline]
    fn drop(&mut self) {
        if self.changed {
            let status = self.status();
            self.board.post(&status);
        }
    }
}

impl<V, H> Locked<'_, V, H> {
    /// An `Enter` arrives. `take`: it looks at once; `limit`: how many may wait, or `None` if it will not wait.
    #[inline]
    pub(crate) fn enter(
        &mut self,
        lane: Lane,
        take: bool,
        limit: Option<usize>,
        now: Tick,
    ) -> Entered<V> {
        if self.state.status.phase == Phase::Idle {
            let rested = self.state.status.since;
            let ticket = self.draw_ticket();
            self.begin(Phase::Busy, Some(ticket), now);
            if take {
                return Entered::Held(self.hold(ticket));
            }
            let place = Place::new(lane, ticket.0);
            self.state.grant = Some(Grant { place, rested });
            return Entered::Granted(place);
        }
        match limit {
            None => Entered::Busy,
            Some(limit) if self.state.line.len() >= limit => Entered::QueueFull,
            Some(_) => Entered::InLine(self.join(lane)),
        }
    }

    /// Takes a place in the line.
    pub(crate) fn join(&mut self, lane: Lane) -> Place {
        let place = Place::new(lane, self.draw_ticket().0);
        self.state.line.join(place);
        self.changed = true;
        place
    }

    /// How it stands with this place. `offered`: a clone of `waker`, if the caller made one; what it replaces comes back
    /// in it.
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
            return Look::Granted(self.hold(Ticket(place.ticket())));
        }
        if let Some(registered) = self.state.line.waker(place) {
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
    pub(crate) fn leave(&mut self, place: Place, now: Tick) -> Left {
        if let Some(waker) = self.state.line.leave(place) {
            self.changed = true;
            return Left::Line { _waker: waker };
        }
        if let Some(grant) = self.state.grant.take_if(|grant| grant.place == place) {
            return if self.state.session.is_some() {
                Left::Passed(self.pass(grant.rested, now))
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

    /// The registry closes: a grant that nobody has looked at is taken back, from now on nobody waits. True if that leaves
    /// a vacancy that nobody has, to be let go.
    pub(crate) fn revoke(&mut self) -> bool {
        let Some(grant) = self.state.grant.take() else {
            return false;
        };
        if self.state.session.is_none() {
            return true;
        }
        // The line was sent away before: nobody is there to pass it to.
        self.begin(Phase::Idle, None, grant.rested);
        false
    }

    /// Everybody leaves the line.
    pub(crate) fn send_away(&mut self) -> Line {
        self.changed |= !self.state.line.is_empty();
        self.state.line.clear()
    }

    /// A turn ends and its session rests, or goes to the next in line. It comes back if the slot was superseded.
    #[inline]
    pub(crate) fn rest(&mut self, session: V, now: Tick) -> Result<Option<Waker>, V> {
        if self.state.superseded {
            return Err(session);
        }
        self.state.session = Some(session);
        Ok(self.pass(now, now))
    }

    /// The session is here and nobody has it: the next in line does, or it rests, since `rested`.
    #[inline]
    fn pass(&mut self, rested: Tick, now: Tick) -> Option<Waker> {
        if self.state.line.is_empty() {
            self.begin(Phase::Idle, None, rested);
            return None;
        }
        self.grant_next(Phase::Busy, rested, now)
    }

    /// A vacancy that nobody has goes to the next in line, as a new incarnation. The old one's handle comes back.
    pub(crate) fn hand_on(
        &mut self,
        number: Incarnation,
        now: Tick,
    ) -> (Option<Waker>, Option<Arc<H>>) {
        self.state.status.incarnation = number;
        let waker = self.grant_next(Phase::Starting, now, now);
        (waker, self.state.handle.take())
    }

    fn grant_next(&mut self, phase: Phase, rested: Tick, now: Tick) -> Option<Waker> {
        let (place, waker) = self.state.line.next()?;
        self.state.grant = Some(Grant { place, rested });
        self.begin(phase, Some(Ticket(place.ticket())), now);
        waker
    }

    /// The turn of a session that rests and was not active within `idle_for`.
    pub(crate) fn claim(&mut self, idle_for: Duration, now: Tick) -> Claim<V> {
        if self.state.superseded || self.state.status.phase != Phase::Idle {
            return Claim::Moved;
        }
        let active = self.state.status.since.max(self.state.touched);
        if now.since(active) < idle_for {
            return Claim::Young;
        }
        Claim::Taken(self.take_rested(now))
    }

    /// The turn of a session that rests, if nothing has happened since this version was read.
    pub(crate) fn claim_at(&mut self, version: u64, now: Tick) -> Option<Holding<V>> {
        (self.version() == version).then(|| self.claim_rested(now))?
    }

    /// The turn of a session that rests.
    pub(crate) fn claim_rested(&mut self, now: Tick) -> Option<Holding<V>> {
        let rests = !self.state.superseded && self.state.status.phase == Phase::Idle;
        rests.then(|| self.take_rested(now))
    }

    fn take_rested(&mut self, now: Tick) -> Holding<V> {
        let ticket = self.draw_ticket();
        self.begin(Phase::Busy, Some(ticket), now);
        self.hold(ticket)
    }

    /// The session of a turn is on its way out.
    pub(crate) fn begin_close(&mut self, now: Tick) {
        self.begin(Phase::Closing, self.state.status.turn, now);
    }

    /// A close has ended; its holder has the vacancy. A number is drawn only on a current slot: a superseded holder keeps
    /// its own, which is lower than its replacement's. The handle of the incarnation that ended comes back.
    pub(crate) fn begin_start(
        &mut self,
        draw: impl FnOnce() -> Incarnation,
        now: Tick,
    ) -> (Incarnation, Option<Arc<H>>) {
        if !self.state.superseded {
            self.state.status.incarnation = draw();
        }
        self.begin(Phase::Starting, self.state.status.turn, now);
        (self.state.status.incarnation, self.state.handle.take())
    }

    /// A vacancy is filled; its holder has the turn.
    pub(crate) fn fill(&mut self, now: Tick) {
        self.begin(Phase::Busy, self.state.status.turn, now);
    }

    /// The map forgets this slot. Tickets go on from the one returned, should the key come again.
    pub(crate) fn retire(&mut self) -> (u64, Option<Arc<H>>) {
        self.state.superseded = true;
        self.state.departed = true;
        self.changed = true;
        (self.state.next_ticket, self.state.handle.take())
    }

    /// Another slot takes the place of this one in the map.
    pub(crate) fn supersede(&mut self) -> Legacy<V, H> {
        let granted = self.state.grant.take();
        let held = granted.is_none() && self.state.status.phase != Phase::Idle;
        let mut line = self.state.line.clear();
        if let Some(grant) = granted {
            line.join(grant.place);
        }
        self.state.superseded = true;
        self.state.departed = !held;
        self.changed = true;
        Legacy {
            line,
            next_ticket: self.state.next_ticket,
            session: self.state.session.take(),
            handle: if held { None } else { self.state.handle.take() },
            held,
        }
    }

    /// The registry is gone. A grant stays: its `Enter` gets a superseded turn or vacancy.
    pub(crate) fn orphan(&mut self) -> (Option<V>, Line) {
        self.state.superseded = true;
        self.changed = true;
        let session = match self.state.status.phase {
            Phase::Idle => self.state.session.take(),
            _ => None,
        };
        (session, self.send_away())
    }

    /// The holder of a superseded slot has let go: those who waited for it are to be woken.
    pub(crate) fn depart(&mut self) -> Line {
        self.state.departed = true;
        self.send_away()
    }

    /// Who waits for the departure is woken by this waker; the one before comes back.
    pub(crate) fn watch(&mut self, place: Place, waker: Waker) -> Option<Waker> {
        self.state.line.waker(place)?.replace(waker)
    }

    /// Nobody waits there any more.
    pub(crate) fn unwatch(&mut self, place: Place) -> Option<Waker> {
        self.changed = true;
        self.state.line.leave(place)?
    }

    pub(crate) fn departed(&self) -> bool {
        self.state.departed
    }

    pub(crate) fn touch(&mut self, now: Tick) {
        self.state.touched = now;
        self.changed = true;
    }

    pub(crate) fn handle(&self) -> Option<Arc<H>> {
        self.state.handle.as_ref().map(Arc::clone)
    }

    /// The handle that was there before, or the given one itself: to be dropped after the lock.
    pub(crate) fn swap_handle(&mut self, handle: Option<Arc<H>>) -> Option<Arc<H>> {
        mem::replace(&mut self.state.handle, handle)
    }

    pub(crate) fn superseded(&self) -> bool {
        self.state.superseded
    }

    pub(crate) fn waits(&self) -> bool {
        !self.state.line.is_empty()
    }

    /// How many stand before this place, or `None` if it is not in this line.
    pub(crate) fn ahead(&self, place: Place) -> Option<usize> {
        let here = self.state.line.contains(place);
        here.then(|| self.state.line.ahead(place))
    }

    pub(crate) fn status(&self) -> Status {
        Status {
            waiting: u32::try_from(self.state.line.len()).unwrap_or(u32::MAX),
            ..self.state.status
        }
    }

    pub(crate) fn version(&self) -> u64 {
        debug_assert!(!self.changed, "a version is asked for before a change");
        self.board.version()
    }

    /// What holds of a current slot between any two transitions.
    pub(crate) fn check_invariants(&self) {
        let state = &*self.state;
        let session = state.session.is_some();
        let granted = state.grant.is_some();
        match state.status.phase {
            Phase::Idle => {
                assert!(session && !granted, "I7: what is idle rests, ungranted");
                assert!(state.line.is_empty(), "I8: nobody waits for a free slot");
            }
            Phase::Busy => assert_eq!(session, granted, "I9: a busy session rests only if granted"),
            Phase::Starting => assert!(!session, "I10: a vacancy has no session"),
            Phase::Closing => assert!(!session && !granted, "I11: who closes has the session"),
        }
        let idle = state.status.phase == Phase::Idle;
        assert_eq!(
            state.status.turn.is_none(),
            idle,
            "I12: who is not idle has a ticket"
        );
        let drawn = |ticket: Option<u64>| ticket.is_none_or(|ticket| ticket < state.next_ticket);
        let turn = state.status.turn.map(Ticket::get);
        assert!(
            drawn(turn) && drawn(state.line.highest_ticket()),
            "I13: tickets are drawn before they are used"
        );
        let posted = self.board.read().map(|(status, _)| status);
        assert_eq!(posted, Some(self.status()), "I14: the board says what is");
    }

    fn draw_ticket(&mut self) -> Ticket {
        let ticket = Ticket(self.state.next_ticket);
        self.state.next_ticket += 1;
        ticket
    }

    /// A phase begins.
    #[inline]
    fn begin(&mut self, phase: Phase, turn: Option<Ticket>, since: Tick) {
        self.state.status.phase = phase;
        self.state.status.turn = turn;
        self.state.status.since = since;
        self.changed = true;
    }

    /// Moves the session out to its holder.
    #[inline]
    fn hold(&mut self, ticket: Ticket) -> Holding<V> {
        Holding {
            session: self.state.session.take(),
            ticket,
            incarnation: self.state.status.incarnation,
        }
    }
}
