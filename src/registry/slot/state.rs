//! The slot of one key: its states and its lock. Its transitions are the methods of [`Locked`], in `transitions.rs`.

use crate::{
    Incarnation, Phase, Status, Tick, Ticket,
    registry::slot::{
        queue::{Place, Queue},
        status::{Board, Glance},
    },
    sync::Arc,
};
use parking_lot::{Mutex, MutexGuard};

/// The slot of one key. It is in the map from the first entry to the end of the last session.
///
/// | phase | session is in the slot | grant | guard out | queue |
/// |---|---|---|---|---|
/// | `Idle` | yes | no | none | empty |
/// | `Busy`, granted | yes | yes | none | any |
/// | `Busy`, held | no | no | `Turn`, or an `Enter` that has it | any |
/// | `Starting`, granted | no | yes | none | any |
/// | `Starting`, held | no | no | `Vacancy`, or an `Enter` that has it | any |
/// | `Closing` | no | no | `Closing` | any |
///
/// | from | transition | to | allowed for |
/// |---|---|---|---|
/// | absent | [`Slot::new`] | `Starting` held | the call that inserts it, under the map's write lock |
/// | `Idle` | [`take_free`](Locked::take_free), [`take_standing`](Locked::take_standing), [`claim`](Locked::claim) | `Busy` held | any call that finds it current; a claim only if no guard keeps it |
/// | granted | [`look`](Locked::look) | held | the granted `Enter` |
/// | granted | [`leave`](Locked::leave), [`revoke`](Locked::revoke) | granted to the next, or `Idle`; a vacancy: released | the granted `Enter`; close |
/// | `Busy` held | [`end_turn`](Locked::end_turn), [`put_back`](Locked::put_back) | `Busy` granted to the next, or `Idle` | its `Turn`; an `Enter` that was not polled |
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
    /// Strong, so that the end of a guard needs no upgrade. That makes a circle with the map, which is broken when a slot
    /// leaves it, and by the end of the registry.
    pub(crate) home: Arc<Home>,
    board: Board,
    state: Mutex<State<V, H>>,
}

/// The state under the slot lock, besides the status, which is on the board. The lock is held for a bounded number of
/// steps, never across user code or a wait. No other slot lock and no map lock is taken under it.
pub(crate) struct State<V, H> {
    /// The session, while it is idle or granted.
    pub(crate) session: Option<V>,
    pub(crate) rare: Option<Box<Rare<H>>>,
    /// When the session was last made idle or passed on. It is idle since then again if its call gives it back unused.
    pub(crate) rested: Stamp,
    /// The last touch. The idle time of a session begins at this or at `since`, whichever is later.
    pub(crate) touched: Stamp,
    /// The slot is not in the map any more.
    pub(crate) superseded: bool,
    /// The holder of a superseded slot has let go.
    pub(crate) departed: bool,
    /// The thread of the turn was already unwinding when the turn began.
    pub(crate) unwinding: bool,
    /// The end of a turn must list the slot among the idle sessions. Always false in a registry without such a list.
    pub(crate) unlisted: bool,
}

/// Names a call of a registry without its key: the queue of its slot, and its ticket.
#[cfg(feature = "tokio")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) hash: u64,
    pub(crate) queue: u64,
    pub(crate) ticket: Ticket,
}

/// What few slots have at a time. In a box, so that an idle session does not pay for it.
pub(crate) struct Rare<H> {
    pub(crate) queue: Queue<H>,
    /// The call that takes the slot with its next poll.
    pub(crate) grant: Option<Place>,
    /// The last ticket that was drawn while there was a queue. A call of high priority overtakes lower tickets, so the
    /// ticket on the board may be lower.
    pub(crate) drawn: Ticket,
    /// How many guards keep the session alive.
    pub(crate) kept: u32,
    /// The handle that the holder left for others.
    pub(crate) handle: Option<Arc<H>>,
    /// That handle stands for the call that has the slot.
    pub(crate) stands: bool,
    /// The handle of the call that has the slot, from its grant to the end of its turn.
    pub(crate) caller: Option<Arc<H>>,
}

impl<H> Default for Rare<H> {
    fn default() -> Self {
        Self {
            queue: Queue::default(),
            grant: None,
            drawn: Ticket::FIRST,
            kept: 0,
            handle: None,
            stands: false,
            caller: None,
        }
    }
}

/// A [`Tick`] in six bytes: it has 42 bits. Two of them and four flags are two words.
#[derive(Clone, Copy)]
pub(crate) struct Stamp([u16; 3]);

impl Stamp {
    #[inline]
    pub(crate) fn new(tick: Tick) -> Self {
        let Tick(bits) = tick;
        Self([bits as u16, (bits >> 16) as u16, (bits >> 32) as u16])
    }

    #[inline]
    pub(crate) fn get(self) -> Tick {
        let [low, middle, high] = self.0.map(u64::from);
        Tick(low | middle << 16 | high << 32)
    }
}

impl<K, V, H, Home> Slot<K, V, H, Home> {
    /// A slot whose vacancy begins now and belongs to the caller. Its queue and ticket come from the slot that it replaces,
    /// or from the map.
    pub(crate) fn new(
        (key, hash): (K, u64),
        (number, queue, ticket): (u64, Option<Queue<H>>, Ticket),
        (home, ranked): (Arc<Home>, bool),
        incarnation: Incarnation,
        now: Tick,
    ) -> Self {
        let starting = Glance {
            phase: Phase::Starting,
            since: now,
            waiting: Status::waiting(queue.as_ref().map_or(0, Queue::len)),
        };
        let rare = queue.map(|queue| {
            Box::new(Rare {
                queue,
                drawn: ticket,
                ..Rare::default()
            })
        });
        Self {
            key,
            hash,
            queue: number,
            home,
            board: Board::new(starting, incarnation, ticket),
            state: Mutex::new(State {
                session: None,
                rare,
                rested: Stamp::new(now),
                touched: Stamp::new(now),
                superseded: false,
                departed: false,
                unwinding: false,
                unlisted: ranked,
            }),
        }
    }

    /// Before the slot is shared: sets the handle of the call that has the vacancy.
    pub(crate) fn set_caller(&mut self, caller: Option<Arc<H>>) {
        if caller.is_some() {
            self.state.get_mut().rare().caller = caller;
        }
    }

    /// Names the call with this ticket.
    #[cfg(feature = "tokio")]
    pub(crate) fn spot(&self, ticket: Ticket) -> Spot {
        Spot {
            hash: self.hash,
            queue: self.queue,
            ticket,
        }
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
        let locked = Locked {
            state: self.state.lock(),
            board: &self.board,
            changed: false,
            #[cfg(feature = "record")]
            section: recorder::Section::begins(),
        };
        #[cfg(feature = "record")]
        locked.section.first(|| locked.seen());
        locked
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

impl<V, H> State<V, H> {
    pub(crate) fn rare(&mut self) -> &mut Rare<H> {
        self.rare.get_or_insert_default()
    }

    /// The number of calls in the queue.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        self.rare.as_ref().map_or(0, |rare| rare.queue.len())
    }
}

/// A slot under its lock. The board is closed before the lock is released.
pub(crate) struct Locked<'a, V, H> {
    pub(crate) state: MutexGuard<'a, State<V, H>>,
    pub(crate) board: &'a Board,
    /// The board is open for a change.
    pub(crate) changed: bool,
    #[cfg(feature = "record")]
    pub(crate) section: recorder::Section,
}

impl<V, H> Locked<'_, V, H> {
    #[inline]
    pub(crate) fn glance(&self) -> Glance {
        self.board.posted()
    }

    pub(crate) fn waits(&self) -> bool {
        self.state.waiting() > 0
    }

    pub(crate) fn superseded(&self) -> bool {
        self.state.superseded
    }

    pub(crate) fn departed(&self) -> bool {
        self.state.departed
    }

    pub(crate) fn is_idle(&self) -> bool {
        !self.state.superseded && self.glance().phase == Phase::Idle
    }

    #[inline]
    pub(crate) fn status(&self) -> Status {
        self.board.status()
    }

    pub(crate) fn version(&self) -> u64 {
        debug_assert!(!self.changed, "a version is asked for before a change");
        self.board.version()
    }

    /// The ticket of the next call: above that of every call that has, had or awaits the slot.
    #[inline]
    pub(crate) fn next_ticket(&self) -> Ticket {
        let last = self.board.last_ticket();
        let rare = self.state.rare.as_ref();
        rare.map_or(last, |rare| last.max(rare.drawn)).next()
    }

    /// Opens the board for a change.
    #[inline]
    pub(crate) fn change(&mut self) {
        if !self.changed {
            self.changed = true;
            self.board.open();
        }
    }

    /// Posts the length of the queue, which has changed.
    pub(crate) fn post_waiting(&mut self) {
        self.change();
        self.board.set_glance(Glance {
            waiting: Status::waiting(self.state.waiting()),
            ..self.board.posted()
        });
    }

    /// Begins a phase.
    #[inline]
    pub(crate) fn begin(&mut self, phase: Phase, since: Tick) {
        self.change();
        self.board.set_glance(Glance {
            phase,
            since,
            waiting: Status::waiting(self.state.waiting()),
        });
        self.state.unwinding = false;
    }

    /// Begins a phase of the call with this ticket.
    #[inline]
    pub(crate) fn begin_for(&mut self, ticket: Ticket, phase: Phase, since: Tick) {
        self.begin(phase, since);
        self.board.set_ticket(ticket);
    }

    /// Begins an incarnation, which no guard keeps.
    pub(crate) fn number(&mut self, number: Incarnation) {
        self.change();
        if let Some(rare) = &mut self.state.rare {
            rare.kept = 0;
        }
        self.board
            .set_number(number.after(self.board.last_number()));
    }

    /// Frees the box of what the slot does not have any more.
    #[cold]
    #[inline(never)]
    fn trim(&mut self) {
        let last = self.board.last_ticket();
        self.state.rare.take_if(|rare| {
            let handles = rare.handle.is_some() || rare.caller.is_some() || rare.kept > 0;
            rare.drawn <= last && !handles && rare.grant.is_none() && rare.queue.is_empty()
        });
    }
}

impl<V, H> Drop for Locked<'_, V, H> {
    #[inline]
    fn drop(&mut self) {
        #[cfg(feature = "record")]
        self.section.closes(|| self.seen());
        if self.changed {
            // Most boxes stay, because of their session's handle.
            let rare = self.state.rare.as_ref();
            if rare.is_some_and(|rare| rare.handle.is_none()) {
                self.trim();
            }
            self.board.close();
        }
        #[cfg(feature = "record")]
        self.section.ends(|| self.seen());
    }
}
