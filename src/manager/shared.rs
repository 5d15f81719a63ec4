//! What all handles and tasks of one manager share.

use super::{
    backend::Backend,
    call::{Call, Cause, Refusal},
    ending::Ending,
    events::Hub,
    report::SessionEvent,
    run::quietly,
    settings::{Settings, Timeouts},
    trace,
};
use crate::{
    Closing, Entry, Registry, Ticket, ToKey, Turn, Vacancy,
    line::wake_lines,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use parking_lot::Mutex;
use std::any::Any;
use tokio::{runtime::Handle, sync::Semaphore};

/// What rests in a slot.
pub(super) struct Resident<B: Backend> {
    /// Taken out for its stop.
    pub(super) session: Option<B::Session>,
    pub(super) seat: Option<Seat>,
}

impl<B: Backend> Resident<B> {
    pub(super) fn session_mut(&mut self) -> &mut B::Session {
        self.session.as_mut().expect(THERE)
    }

    pub(super) fn session(&self) -> &B::Session {
        self.session.as_ref().expect(THERE)
    }
}

/// A session is there until its stop.
const THERE: &str = "a session is there until its stop takes it";

/// The guards of the registry, as the manager uses it.
pub(super) type Held<B> = Turn<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;
pub(super) type Vacant<B> = Vacancy<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;
pub(super) type Leaving<B> = Closing<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;
pub(super) type Entered<B> = Entry<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;
pub(super) type Waiting<B> =
    crate::Enter<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;
pub(super) type Sessions<B> =
    Registry<<B as Backend>::Key, Resident<B>, Call<<B as Backend>::Error>>;

/// How many sessions a sweep or a shutdown stops at a time.
pub(super) const STOPS_AT_ONCE: usize = 16;

pub(super) struct Shared<B: Backend> {
    pub(super) backend: B,
    pub(super) registry: Sessions<B>,
    pub(super) settings: Settings,
    pub(super) seats: Seats,
    pub(super) events: Arc<Hub<SessionEvent<B::Key>>>,
    /// Of an `Agent`, once it is asked for.
    pub(super) outputs: Mutex<Option<Erased>>,
    pub(super) ending: Ending<B::Key>,
    pub(super) stops: Semaphore,
    /// Where tasks run, also for calls from outside of it.
    pub(super) runtime: Handle,
}

impl<B: Backend> Shared<B> {
    pub(super) fn new(
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

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.settings.timeouts
    }

    /// Cancels a call, wherever it is, and takes its place away, if it has no turn yet. When this returns it is out of the queue,
    /// and the next call has what it was granted. False if its turn has ended.
    pub(super) fn cancel<Q: ?Sized + ToKey<B::Key>>(
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
    pub(super) fn send_away<Q: ?Sized + ToKey<B::Key>>(
        &self,
        key: &Q,
        answer: impl Fn() -> Refusal<B::Error>,
    ) -> usize {
        let line = self.registry.take_line(key);
        for call in line.callers() {
            call.refuse(answer());
        }
        let left = line.len();
        wake_lines([line]);
        left
    }

    /// Tells the subscribers, and the log. To make an event calls user code, the clone of a key and the text of an error:
    /// should it panic, it is not told.
    pub(super) fn tell(&self, event: impl Fn() -> SessionEvent<B::Key>) {
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

/// Those who listen to an `Agent` ([`Outputs`](super::listen::Outputs)), without their types, which a `Backend` cannot name.
pub(super) struct Erased {
    pub(super) outputs: Arc<dyn Any + Send + Sync>,
    pub(super) end: Arc<dyn Fn() + Send + Sync>,
}

impl Erased {
    /// Ends all: to be called when the lock that this is behind is released.
    pub(super) fn end(&self) -> Arc<dyn Fn() + Send + Sync> {
        Arc::clone(&self.end)
    }
}

/// How many sessions are there, from the beginning of a start to the end of a stop. Counted here and not by the registry,
/// which counts slots: so a call takes its place in line in the call, and room is made in its turn.
pub(super) struct Seats {
    taken: Arc<AtomicUsize>,
    most: Option<usize>,
}

/// Room for one session.
pub(super) struct Seat(Option<Arc<AtomicUsize>>);

impl Seats {
    fn new(most: Option<usize>) -> Self {
        Self {
            taken: Arc::new(AtomicUsize::new(0)),
            most,
        }
    }

    pub(super) fn take(&self) -> Option<Seat> {
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
