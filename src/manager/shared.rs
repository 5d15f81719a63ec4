//! What all handles and tasks of one manager share.

use crate::manager::{
    backend::Backend,
    ending::Ending,
    reach::{Call, Cause, Refusal},
    report::{events::Hub, reports::SessionEvent, trace},
    run::quietly,
    settings::{Settings, Timeouts},
};
use crate::{
    Closing, Entry, Registry, Ticket, ToKey, Turn, Vacancy,
    registry::slot::queue::wake_queues,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use parking_lot::Mutex;
use std::any::Any;
use tokio::{runtime::Handle, sync::Semaphore};

/// What is idle in a slot.
pub(crate) struct Resident<B: Backend> {
    /// Taken out for its stop.
    pub(crate) session: Option<B::Session>,
    pub(crate) seat: Option<Seat>,
}

impl<B: Backend> Resident<B> {
    pub(crate) fn session_mut(&mut self) -> &mut B::Session {
        self.session.as_mut().expect(THERE)
    }

    pub(crate) fn session(&self) -> &B::Session {
        self.session.as_ref().expect(THERE)
    }
}

/// A session is there until its stop.
const THERE: &str = "a session is there until its stop takes it";

/// The guards of the registry, as the manager uses it.
pub(crate) type Held<B> = Turn<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;
pub(crate) type Vacant<B> = Vacancy<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;
pub(crate) type Leaving<B> = Closing<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;
pub(crate) type Entered<B> = Entry<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;
pub(crate) type Waiting<B> =
    crate::Enter<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;
pub(crate) type Sessions<B> =
    Registry<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;

/// How many sessions a sweep or a shutdown stops at a time.
pub(crate) const STOPS_AT_ONCE: usize = 16;

pub(crate) struct Shared<B: Backend> {
    pub(crate) backend: B,
    pub(crate) registry: Sessions<B>,
    pub(crate) settings: Settings,
    pub(crate) seats: Seats,
    pub(crate) events: Arc<Hub<SessionEvent<B::Key>>>,
    /// Of an `Agent`, once it is asked for.
    pub(crate) outputs: Mutex<Option<Erased>>,
    pub(crate) ending: Ending<B::Key>,
    pub(crate) stops: Semaphore,
    /// Where tasks run, also for calls from outside of it.
    pub(crate) runtime: Handle,
}

impl<B: Backend> Shared<B> {
    pub(crate) fn new(
        backend: B,
        registry: Sessions<B>,
        settings: Settings,
        runtime: Handle,
    ) -> Self {
        Self {
            backend,
            registry,
            seats: Seats::new(settings.max_sessions.map(|(most, _)| most)),
            events: Arc::new(Hub::new(settings.unread_bytes)),
            settings,
            outputs: Mutex::new(None),
            ending: Ending::new(),
            stops: Semaphore::new(STOPS_AT_ONCE),
            runtime,
        }
    }

    pub(crate) fn timeouts(&self) -> &Timeouts {
        &self.settings.timeouts
    }

    /// Cancels a call, wherever it is, and takes its place away, if it has no turn yet. When this returns it is out of the queue,
    /// and the next call has what it was granted. False if its turn has ended.
    pub(crate) fn cancel<Q: ?Sized + ToKey<B::Key>>(
        &self,
        key: &Q,
        ticket: Ticket,
        call: &Call<B::Error>,
        cause: Cause,
    ) -> bool {
        let reached = call.switch.cancel(cause);
        if reached {
            self.registry.withdraw(key, ticket);
        }
        reached
    }

    /// Every call that is queued leaves the queue at this moment, with this answer. Stops stay. Returns how many have left.
    ///
    /// Between the moment in which its place is gone and its answer, a call may look: then it waits for the answer. The wakers
    /// come last, and may panic.
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

    /// Tells the subscribers, and the log. To make an event calls user code, the clone of a key and the text of an error:
    /// should it panic, it is not told.
    pub(crate) fn tell(&self, event: impl Fn() -> SessionEvent<B::Key>) {
        quietly(|| {
            trace::event(&event);
            self.events.publish(|| {
                let event = event();
                let bytes = event.weight();
                (event, bytes)
            });
        });
    }
}

/// Those who listen to an `Agent` ([`Outputs`](crate::manager::listen::Outputs)), without their types, which a `Backend` cannot name.
pub(crate) struct Erased {
    pub(crate) outputs: Arc<dyn Any + Send + Sync>,
    pub(crate) end: Arc<dyn Fn() + Send + Sync>,
}

impl Erased {
    /// Ends all: to be called when the lock that this is behind is released.
    pub(crate) fn end(&self) -> Arc<dyn Fn() + Send + Sync> {
        Arc::clone(&self.end)
    }
}

/// How many sessions are there, from the beginning of a start to the end of a stop. Counted here and not by the registry,
/// which counts slots: so a call takes its place in the queue in the call, and room is made in its turn.
pub(crate) struct Seats {
    taken: Arc<AtomicUsize>,
    most: Option<usize>,
}

/// Room for one session.
pub(crate) struct Seat(Option<Arc<AtomicUsize>>);

impl Seats {
    fn new(most: Option<usize>) -> Self {
        Self {
            taken: Arc::new(AtomicUsize::new(0)),
            most,
        }
    }

    pub(crate) fn take(&self) -> Option<Seat> {
        let Some(most) = self.most else {
            return Some(Seat(None)); // nothing is counted
        };
        let room = |taken| (taken < most).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .ok()
            .map(|_| Seat(Some(Arc::clone(&self.taken))))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(taken) = &self.0 {
            taken.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
