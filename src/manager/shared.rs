//! What all clones and tasks of one manager share.

use crate::manager::{
    backend::Backend,
    bell::Bell,
    ending::Ending,
    error::TurnError,
    listen::Outputs,
    ownership::{Owned, Ownership, Term},
    reach::{Call, Refusal},
    report::{events::Hub, reports::SessionEvent, stats::Counters, trace},
    run::{quietly, within},
    settings::{Settings, Timeouts, WhenFull},
    switch::Cause,
};
use crate::{
    Closing, Entry, Incarnation, Registry, Ticket, ToKey, Turn, Vacancy,
    registry::{map::shard::Slot, slot::queue::wake_queues},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use std::{future::pending, pin::pin, time::Duration};
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// The contents of a slot.
pub(crate) struct Resident<B: Backend> {
    /// `None` during the stop, which owns the session.
    pub(crate) session: Option<B::Session>,
    pub(crate) seat: Seat,
    /// If the process shares its keys with others. Dropped after the session.
    pub(crate) tenure: Option<Tenure<B>>,
    /// The handle that stands for its plain turns.
    pub(crate) own: Arc<Call<B>>,
}

impl<B: Backend> Resident<B> {
    pub(crate) fn session_mut(&mut self) -> &mut B::Session {
        self.session.as_mut().expect(THERE)
    }

    /// The session, and the handle that stands for its plain turns.
    pub(crate) fn parts_mut(&mut self) -> (&mut B::Session, &Arc<Call<B>>) {
        (self.session.as_mut().expect(THERE), &self.own)
    }

    pub(crate) fn session(&self) -> &B::Session {
        self.session.as_ref().expect(THERE)
    }
}

/// A session that was not stopped in its slot has lost its key, by [`force_stop`](crate::SessionManager::force_stop). It is stopped now. At
/// the end of the manager it is only dropped.
impl<B: Backend> Drop for Resident<B> {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let rest = Box::new((self.seat.take(), self.tenure.take()));
            quietly(|| self.own.port().stop_loose(Box::new(session), rest));
        }
    }
}

const THERE: &str = "a session is there until its stop takes it";

/// The guards of the manager's registry.
pub(crate) type Held<B> = Turn<<B as Backend>::Key, Resident<B>, Call<B>>;
pub(crate) type Vacant<B> = Vacancy<<B as Backend>::Key, Resident<B>, Call<B>>;
pub(crate) type Leaving<B> = Closing<<B as Backend>::Key, Resident<B>, Call<B>>;
pub(crate) type Entered<B> = Entry<<B as Backend>::Key, Resident<B>, Call<B>>;
pub(crate) type Waiting<B> = crate::Enter<<B as Backend>::Key, Resident<B>, Call<B>>;
/// The slot of a key.
pub(crate) type Place<B> = Slot<<B as Backend>::Key, Resident<B>, Call<B>>;
pub(crate) type Sessions<B> = Registry<<B as Backend>::Key, Resident<B>, Call<B>>;

/// How many sessions a sweep or a shutdown stops at once.
pub(crate) const STOPS_AT_ONCE: usize = 16;

pub(crate) struct Shared<B: Backend> {
    pub(crate) backend: B,
    pub(crate) registry: Sessions<B>,
    pub(crate) settings: Settings,
    /// `None` without a limit.
    pub(crate) room: Option<Room>,
    /// `None` if this process shares its keys with no other.
    pub(crate) ownership: Option<Arc<dyn Ownership<B::Key>>>,
    /// Rung when terms may have ended.
    pub(crate) losses: Bell,
    pub(crate) events: Arc<Hub<SessionEvent<B::Key>>>,
    pub(crate) outputs: Arc<Outputs<B::Key, B::Event>>,
    pub(crate) ending: Ending<B::Key>,
    pub(crate) stats: Counters,
    /// New sessions are refused.
    lame: AtomicBool,
    pub(crate) stops: Semaphore,
    /// Where tasks run, also those of calls from outside of it.
    pub(crate) runtime: Handle,
}

impl<B: Backend> Shared<B> {
    pub(crate) fn new(
        backend: B,
        registry: Sessions<B>,
        settings: Settings,
        ownership: Option<Arc<dyn Ownership<B::Key>>>,
        runtime: Handle,
    ) -> Self {
        Self {
            backend,
            ownership,
            losses: Bell::default(),
            registry,
            room: settings.max_sessions.map(Room::new),
            events: Arc::new(Hub::new(settings.unread)),
            settings,
            outputs: Outputs::new(),
            ending: Ending::new(),
            stats: Counters::new(),
            lame: AtomicBool::new(false),
            stops: Semaphore::new(STOPS_AT_ONCE),
            runtime,
        }
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.settings.timeouts
    }

    /// Counts a call that gets no turn.
    pub(crate) fn refused(&self, error: TurnError<B::Error>) -> TurnError<B::Error> {
        self.stats.refused::<B>(&error);
        error
    }

    /// Whether new sessions are started.
    pub(crate) fn accepts(&self) -> bool {
        !self.lame.load(Ordering::Relaxed)
    }

    pub(crate) fn accept_new(&self, accepts: bool) {
        self.lame.store(!accepts, Ordering::Relaxed);
    }

    /// Cancels a call in any state, if it has or awaits the session that is meant, and takes its position away if it has no turn yet. When this returns, the call is out of the
    /// queue, and the next call has its grant. False if its turn has ended.
    ///
    /// A stop cuts a start short. An abort does so if no other call waits for the key: otherwise the next one gets the session. A
    /// sender that goes away cuts nothing. A call that comes after the look at the queue gets a start of its own. In a closed registry
    /// the shutdown alone waits.
    pub(crate) fn cancel<Q: ?Sized + ToKey<B::Key>>(
        &self,
        key: &Q,
        ticket: Ticket,
        call: &Call<B>,
        only: Option<Incarnation>,
        cause: Cause,
    ) -> bool {
        let cuts = match cause {
            Cause::Abort => self.registry.is_closed() || !self.is_waited_for(key),
            cause => cause == Cause::Stop,
        };
        let reached = call.switch.cancel_of(only, ticket, cause, cuts);
        if reached {
            self.registry.withdraw(key, ticket);
        }
        reached
    }

    fn is_waited_for<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> bool {
        self.registry.is_queued(key)
    }

    /// Takes all calls but stops out of the queue at one moment, gives each this answer, and returns their number.
    ///
    /// A call that is polled between the two waits for its answer. The wakers run last, because they may panic.
    pub(crate) fn send_away<Q: ?Sized + ToKey<B::Key>>(
        &self,
        key: &Q,
        answer: impl Fn() -> Refusal<B::Error>,
    ) -> usize {
        let queue = self.registry.take_queue(key);
        for call in queue.callers() {
            call.refuse(answer());
        }
        let left = queue.len();
        wake_queues([queue]);
        left
    }

    /// Whether somebody subscribes to the events, or the log is on.
    pub(crate) fn listens(&self) -> bool {
        self.events.has_readers() || trace::listens()
    }

    /// How long this turn has had its slot, by the registry's coarse clock: for a turn that nobody timed.
    pub(crate) fn age(&self, turn: &Held<B>) -> Duration {
        self.registry.now().since(Turn::since(turn))
    }

    /// Reports an event to the subscribers and the log. Making it calls user code: it clones a key and formats an error. If that
    /// panics, the event is lost.
    pub(crate) fn tell(&self, event: impl Fn() -> SessionEvent<B::Key>) {
        quietly(|| {
            trace::event(&event);
            self.events.publish(None, || {
                let event = event();
                let bytes = event.weight();
                (event, bytes)
            });
        });
    }
}

/// A key that this process owns, from its acquisition to the end of its session. Its drop releases it, whatever became of the session.
pub(crate) struct Tenure<B: Backend>(Option<Own<B>>);

type Own<B> = (
    Owned,
    Arc<dyn Ownership<<B as Backend>::Key>>,
    <B as Backend>::Key,
);

impl<B: Backend> Tenure<B> {
    pub(crate) fn new(owned: Owned, of: &Arc<dyn Ownership<B::Key>>, key: B::Key) -> Self {
        Self(Some((owned, Arc::clone(of), key)))
    }

    fn owned(&self) -> &Owned {
        let (owned, ..) = self.0.as_ref().expect("it is there until its drop");
        owned
    }

    pub(crate) fn number(&self) -> Incarnation {
        self.owned().number
    }

    pub(crate) fn term(&self) -> &Arc<dyn Term> {
        &self.owned().term
    }
}

impl<B: Backend> Drop for Tenure<B> {
    fn drop(&mut self) {
        let own = self.0.take();
        quietly(move || {
            if let Some((owned, ownership, key)) = own {
                ownership.release(&key, owned.number);
            }
        });
    }
}

/// The term for which a key is owned; `None` if it is not shared.
pub(crate) type OfTerm<'a> = Option<&'a Arc<dyn Term>>;

impl<B: Backend> Shared<B> {
    /// Resolves when this term has ended and that was noticed. Never without a term.
    pub(crate) async fn lost(&self, term: OfTerm<'_>) {
        match term {
            Some(term) => {
                let ended = || (!term.holds()).then_some(());
                self.losses.found(ended).await;
            }
            None => pending().await,
        }
    }

    /// Resolves when this term has ended, and its grace too. Never if that was so before: then there is nothing left to be in time for, and
    /// what ends the session has all its time.
    ///
    /// The grace is of a clock that goes on while the machine is suspended. tokio's does not, hence the naps.
    pub(crate) async fn expired(&self, term: OfTerm<'_>) {
        const NAP: Duration = Duration::from_millis(100);
        if term.is_some_and(|term| !term.holds() && term.grace().is_zero()) {
            return pending().await;
        }
        self.lost(term).await;
        while let Some(left) = term.map(|term| term.grace()).filter(|left| !left.is_zero()) {
            within(Some(left.min(NAP)), pin!(pending::<()>())).await;
        }
    }
}

/// The room for sessions. A session has a seat from the beginning of its start to the end of its stop. The registry counts slots and not
/// sessions. So a call takes its position in the queue at once, and needs room only when it has the key.
pub(crate) struct Room {
    pub(crate) full: WhenFull,
    /// A free seat goes to those that wait, first in, first out.
    pub(crate) seats: Arc<Semaphore>,
    /// The queue of the starts that look for a session to evict. The first one holds the permit.
    pub(crate) looks: Semaphore,
}

/// A seat; `None` if sessions are not counted.
pub(crate) type Seat = Option<OwnedSemaphorePermit>;

impl Room {
    fn new((most, full): (usize, WhenFull)) -> Self {
        Self {
            full,
            seats: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            looks: Semaphore::new(1),
        }
    }

    /// A seat that nobody waits for.
    pub(crate) fn free(&self) -> Seat {
        let overtakes = self.looks.available_permits() == 0;
        let free = || Arc::clone(&self.seats).try_acquire_owned().ok();
        (!overtakes).then(free)?
    }
}
