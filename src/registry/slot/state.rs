//! The slot of one key: its states and its lock. Its transitions are the methods of [`Locked`], in `transitions.rs`.

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

/// The slot of one key. It is in the map from the first entry to the end of the last session.
///
/// | phase | session is in the slot | grant | guard out | queue |
/// |---|---|---|---|---|
/// | `Idle` | yes | no | none | empty |
/// | `Busy`, granted | yes | yes | none | any |
/// | `Busy`, held | no | no | `Turn` | any |
/// | `Starting`, granted | no | yes | none | any |
/// | `Starting`, held | no | no | `Vacancy` | any |
/// | `Closing` | no | no | `Closing` | any |
///
/// | from | transition | to | allowed for |
/// |---|---|---|---|
/// | absent | [`Slot::new`] | `Starting` held or granted | the call that inserts it, under the map's write lock |
/// | `Idle` | [`enter`](Locked::enter), [`claim`](Locked::claim) | `Busy` | any call that finds it current |
/// | granted | [`look`](Locked::look) | held | the granted `Enter` |
/// | granted | [`leave`](Locked::leave), [`revoke`](Locked::revoke) | granted to the next, or `Idle`; a vacancy: released | the granted `Enter`; close |
/// | `Busy` held | [`end_turn`](Locked::end_turn) | `Busy` granted to the next, or `Idle` | its `Turn` |
/// | `Busy` held | [`begin_close`](Locked::begin_close) | `Closing` | its `Turn` |
/// | `Closing` | [`begin_start`](Locked::begin_start) | `Starting` held | its `Closing` |
/// | `Starting` held | [`fill`](Locked::fill) | `Busy` held | its `Vacancy` |
/// | `Starting`, `Closing` | [`hand_on`](Locked::hand_on) | `Starting` granted | the end of its guard, with a queue |
/// | `Starting`, `Closing` | [`retire`](Locked::retire) | absent | the end of its guard, without a queue |
/// | any | [`supersede`](Locked::supersede) | superseded: a new slot has its key and its queue | replace, under the map's write lock |
///
/// A superseded slot that is held goes through the same phases for its holder. Its queue is then made of those that wait
/// for the holder to let go.
///
/// `Home` is the shard; this file only stores it.
pub(crate) struct Slot<K, V, H, Home> {
    pub(crate) key: K,
    /// Computed once, before any lock, so that growth of the map and removal call no user code.
    pub(crate) hash: u64,
    /// Names the queue, together with the hash. A replacement inherits it. So a waiter whose slot was superseded finds the
    /// current slot in the map, and no slot refers to another.
    pub(crate) queue: u64,
    /// Weak, so that an idle session does not keep its registry alive. Upgraded when a slot is released or was superseded,
    /// not in a turn.
    pub(crate) home: Weak<Home>,
    /// The registry's clock. Stored here so that a guard consists of its slot alone.
    pub(crate) clock: Clock,
    /// Whether the registry's list of idle sessions contains the slot.
    pub(crate) mark: Mark,
    board: Board,
    state: Mutex<State<V, H>>,
}

/// The state under the slot lock. The lock is held for a bounded number of steps, never across user code or a wait. No
/// other slot lock and no map lock is taken under it.
pub(crate) struct State<V, H> {
    /// The session, while it is idle or granted.
    pub(crate) session: Option<V>,
    /// The handle that the holder left for others.
    pub(crate) handle: Option<Arc<H>>,
    /// The handle of the call with the ticket `status.turn`, from its grant to the end of its turn.
    pub(crate) caller: Option<Arc<H>>,
    pub(crate) queue: Queue<H>,
    /// The call that takes the slot with its next poll.
    pub(crate) grant: Option<Grant>,
    /// The grant came from the queue. False if it was made in the call.
    pub(crate) from_queue: bool,
    /// As posted on the board, except `waiting`, which is the length of the queue.
    pub(crate) status: Status,
    /// The last touch. The idle time of a session begins at this or at `since`, whichever is later.
    pub(crate) touched: Tick,
    /// The version of the board; even.
    pub(crate) version: u64,
    pub(crate) next_ticket: Ticket,
    /// The slot is not in the map any more.
    pub(crate) superseded: bool,
    /// The holder of a superseded slot has let go.
    pub(crate) departed: bool,
}

/// Whether the end of a turn must list the slot. `None` in a registry without a list: then nothing is read or written.
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

    /// True if the slot is unlisted.
    pub(crate) fn is_unlisted(&self) -> bool {
        let mark = self.0.as_ref();
        mark.is_some_and(|mark| mark.load(Ordering::Relaxed))
    }

    /// Marks the slot as listed. Returns whether it was unlisted. Under the slot lock.
    pub(crate) fn listed(&self) -> bool {
        let mark = self.0.as_ref();
        mark.is_some_and(|mark| mark.swap(false, Ordering::Relaxed))
    }
}

/// A turn or a vacancy for an `Enter` that has not been polled since.
pub(crate) struct Grant {
    pub(crate) place: Place,
    /// If the session was idle: since when. It counts again if the grant is given up.
    pub(crate) idle_since: Tick,
}

impl<K, V, H, Home> Slot<K, V, H, Home> {
    /// A slot whose vacancy begins now and belongs to the caller. Its queue and ticket come from the slot that it replaces,
    /// or from the map.
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

    /// Before the slot is shared: sets the handle of the call that has the vacancy.
    pub(crate) fn set_caller(&mut self, caller: Option<Arc<H>>) {
        self.state.get_mut().caller = caller;
    }

    /// Before the slot is shared: grants the vacancy instead of holding it.
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

    /// The incarnation, for the holder alone: only the holder changes it, and the ticket.
    #[inline]
    pub(crate) fn incarnation(&self) -> Incarnation {
        self.board.number()
    }

    /// The ticket of the holder, for the holder alone.
    #[inline]
    pub(crate) fn ticket(&self) -> Ticket {
        self.board.ticket()
    }

    /// `track_caller`, here and in the other functions that lock for their callers, names the critical section in the
    /// traces of the models. parking_lot ignores it, so it costs nothing.
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

    /// The status and its version. Waits for at most one transition.
    #[inline]
    pub(crate) fn read(&self) -> (Status, u64) {
        self.board.read().unwrap_or_else(|| {
            let locked = self.lock();
            (locked.status(), locked.version())
        })
    }
}

/// A slot under its lock. Changes are posted on the board before the lock is released.
pub(crate) struct Locked<'a, V, H> {
    pub(crate) state: MutexGuard<'a, State<V, H>>,
    pub(crate) board: &'a Board,
    /// The changes to post, if any.
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
