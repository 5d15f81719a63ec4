//! The place of one key: its slot lock, and the state machine under it.
//!
//! The transitions themselves are the methods of [`Locked`], in `transitions.rs`.

use crate::{
    Clock, Incarnation, Phase, Status, Tick, Ticket,
    registry::slot::{
        queue::{Place, Priority, Queue},
        status::{Board, Changes, Glance},
    },
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};
use parking_lot::{Mutex, MutexGuard};

/// The place of one key, in the map from its first entry to the end of its last session.
///
/// | phase | session is idle here | grant | guard out | queue |
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
/// | `Busy` held | [`end_turn`](Locked::end_turn) | `Busy` granted to the next, or `Idle` | its `Turn` |
/// | `Busy` held | [`begin_close`](Locked::begin_close) | `Closing` | its `Turn` |
/// | `Closing` | [`begin_start`](Locked::begin_start) | `Starting` held | its `Closing` |
/// | `Starting` held | [`fill`](Locked::fill) | `Busy` held | its `Vacancy` |
/// | `Starting`, `Closing` | [`hand_on`](Locked::hand_on) | `Starting` granted | the end of its guard, if somebody waits |
/// | `Starting`, `Closing` | [`retire`](Locked::retire) | absent | the end of its guard, if nobody waits |
/// | any | [`supersede`](Locked::supersede) | superseded: a new slot has its place and its queue | replace, under the map's write lock |
///
/// A superseded slot keeps its holder, if it had one, and goes through the same phases for it; its queue are those who wait
/// for that holder's departure.
///
/// `Home` is the shard; this file only stores it.
pub(crate) struct Slot<K, V, H, Home> {
    pub(crate) key: K,
    /// Computed once, before any lock: growth and removal of the map call no user code.
    pub(crate) hash: u64,
    /// Names the queue, together with the hash. A replacement inherits it: so a waiter whose slot was superseded finds the
    /// current one in the map, and no slot refers to another.
    pub(crate) queue: u64,
    /// Weak: a session that is idle must not keep its registry alive. Upgraded only when a slot is let go or was superseded,
    /// not in a turn.
    pub(crate) home: Weak<Home>,
    /// The registry's. Here, so that a guard consists of its slot alone.
    pub(crate) clock: Clock,
    /// Whether the registry's list of idle sessions has it.
    pub(crate) mark: Mark,
    board: Board,
    state: Mutex<State<V, H>>,
}

/// What the slot lock guards. Held for a bounded number of steps, never across user code or a wait; no other slot lock and
/// no map lock is taken under it.
pub(crate) struct State<V, H> {
    /// The session, while it is idle.
    pub(crate) session: Option<V>,
    /// What the holder left for others to reach.
    pub(crate) handle: Option<Arc<H>>,
    /// What the call that has `status.turn` left for others to reach, from its grant to the end of its turn.
    pub(crate) caller: Option<Arc<H>>,
    pub(crate) queue: Queue<H>,
    /// Who may take the slot at the next look.
    pub(crate) grant: Option<Grant>,
    /// The grant, if there is one, was not made in the call.
    pub(crate) from_queue: bool,
    /// As posted, but for `waiting`, which is the length of the queue.
    pub(crate) status: Status,
    /// Somebody said so: the time from which a idle session counts as idle is the later of this and `since`.
    pub(crate) touched: Tick,
    /// Of the board; even.
    pub(crate) version: u64,
    pub(crate) next_ticket: Ticket,
    /// The map does not hold this slot any more.
    pub(crate) superseded: bool,
    /// The holder of a superseded slot has let go.
    pub(crate) departed: bool,
}

/// Whether the end of a turn is to list the slot. `None` in a registry without a list: nothing is read or written.
pub(crate) struct Mark(Option<AtomicBool>);

impl Mark {
    pub(crate) fn new(ranked: bool) -> Self {
        Self(ranked.then(|| AtomicBool::new(true)))
    }

    /// Under the slot lock.
    pub(crate) fn unlisted(&self) {
        if let Some(mark) = &self.0 {
            mark.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(crate) fn is_ranked(&self) -> bool {
        self.0.is_some()
    }

    /// True if it is unlisted.
    pub(crate) fn is_unlisted(&self) -> bool {
        let mark = self.0.as_ref();
        mark.is_some_and(|mark| mark.load(Ordering::Relaxed))
    }

    /// True once after each time that it was unlisted. Under the slot lock.
    pub(crate) fn listed(&self) -> bool {
        let mark = self.0.as_ref();
        mark.is_some_and(|mark| mark.swap(false, Ordering::Relaxed))
    }
}

/// A turn or a vacancy on its way to an `Enter` that has not looked yet.
pub(crate) struct Grant {
    pub(crate) place: Place,
    /// If the session was idle: since when, should it go on to be idle.
    pub(crate) idle_since: Tick,
}

impl<K, V, H, Home> Slot<K, V, H, Home> {
    /// A slot whose vacancy begins now, and is the caller's. It inherits `queue` and its ticket, from the slot that it
    /// replaces or from the map.
    pub(crate) fn new(
        (key, hash): (K, u64),
        (queue_number, queue, ticket): (u64, Queue<H>, Ticket),
        (home, clock, ranked): (Weak<Home>, Clock, bool),
        incarnation: Incarnation,
        now: Tick,
    ) -> Self {
        let status = Status {
            phase: Phase::Starting,
            since: now,
            waiting: Status::waiting(queue.len()),
            incarnation,
            turn: Some(ticket),
        };
        let state = State {
            session: None,
            handle: None,
            caller: None,
            queue,
            grant: None,
            from_queue: false,
            status,
            touched: now,
            version: 0,
            next_ticket: ticket.next(),
            superseded: false,
            departed: false,
        };
        Self {
            key,
            hash,
            queue: queue_number,
            home,
            clock,
            mark: Mark::new(ranked),
            board: Board::new(&status),
            state: Mutex::new(state),
        }
    }

    /// Before others can reach the slot: its vacancy is that of a call that left this handle.
    pub(crate) fn set_caller(&mut self, caller: Option<Arc<H>>) {
        self.state.get_mut().caller = caller;
    }

    /// Before others can reach the slot: its vacancy is granted instead of held.
    pub(crate) fn grant_first(&mut self, priority: Priority) -> Place {
        let state = self.state.get_mut();
        let ticket = state.status.turn.expect("a vacancy has a ticket");
        let place = Place::new(priority, ticket);
        state.grant = Some(Grant {
            place,
            idle_since: state.status.since,
        });
        place
    }

    /// The number of the session. Its holder's alone to ask: nobody else changes it meanwhile, nor the ticket.
    #[inline]
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.board.number()
    }

    /// The ticket of the holder, for the holder.
    #[inline]
    pub(crate) fn ticket(&self) -> Ticket {
        self.board.ticket()
    }

    /// Here and in what else takes a lock for others, `track_caller` tells the traces of the models whose critical section it
    /// is; parking_lot does not ask, so it costs nothing.
    #[inline]
    #[track_caller]
    pub(crate) fn lock(&self) -> Locked<'_, V, H> {
        Locked {
            state: self.state.lock(),
            board: &self.board,
            changed: None,
        }
    }

    /// Phase, since and waiting, in one load.
    #[inline]
    pub(crate) fn glance(&self) -> Glance {
        self.board.glance()
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
    pub(crate) state: MutexGuard<'a, State<V, H>>,
    pub(crate) board: &'a Board,
    /// What is to be posted, if anything.
    pub(crate) changed: Option<Changes>,
}

impl<V, H> Drop for Locked<'_, V, H> {
    #[inline]
    fn drop(&mut self) {
        if let Some(changes) = self.changed {
            self.state.version += 2;
            let status = self.status();
            self.board.post(&status, changes, self.state.version);
        }
    }
}
