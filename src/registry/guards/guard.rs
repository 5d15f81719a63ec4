//! The guards: `Turn`, `Vacancy` and `Closing`. The type of a guard is the phase of its slot.

#[cfg(feature = "tokio")]
use crate::registry::slot::state::Spot;
use crate::{
    Incarnation, Ticket,
    registry::{
        guards::hold::{HELD, Hold},
        map::{leave::finish, shard::Slot},
    },
    sync::{Arc, panicking},
};
use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// The exclusive right to use one session, to which it dereferences.
///
/// Dropping it ends the turn: the next caller in the queue gets the session, or the session becomes idle. To end the
/// session instead, call [`vacate`](Self::vacate). The methods are associated functions, as those of `Arc`, so that they
/// hide none of the session's: `Turn::vacate(turn)`, not `turn.vacate()`.
///
/// # Cancel safety
///
/// A future that is dropped during a turn drops the turn: the session goes to the next caller *as it is*. If half an
/// exchange would leave the session unusable, mark the session before the first `await`, unmark it at the end, and vacate a
/// session that you find marked.
///
/// # Panics
///
/// A panic during the turn can leave the session half-changed. So the session is dropped, and its incarnation ends. A turn
/// that began while its thread was already unwinding, in a destructor, passes its session on as usual; std's mutexes are
/// not poisoned then either.
///
/// # Details
///
/// If the turn was *superseded* (its key has been given to another session, by
/// [`Registry::replace`](crate::Registry::replace)), its drop drops the session.
///
/// Entering a key while holding its turn blocks forever. So do two tasks that enter two keys in opposite orders. A turn
/// that is given to [`std::mem::forget`] keeps its key busy forever.
#[must_use = "dropping a turn ends it"]
pub struct Turn<K, V, H = ()> {
    /// There until the turn ends, like the hold's slot. Dropped before the hold.
    session: Option<Box<V>>,
    hold: Hold<K, V, H>,
}

impl<K, V, H> Turn<K, V, H> {
    /// Two words, which fit into registers. A third one would be written and read back at each move before the write has
    /// completed, which costs as much as a lock.
    #[inline(always)]
    pub(crate) fn new(session: Box<V>, hold: Hold<K, V, H>) -> Self {
        if panicking() {
            hold.began_unwinding();
        }
        Self {
            session: Some(session),
            hold,
        }
    }

    /// The turn of an idle session that was claimed.
    pub(crate) fn claimed(slot: &Arc<Slot<K, V, H>>, session: Box<V>) -> Self {
        Self::new(session, Hold::new(Arc::clone(slot)))
    }

    /// Ends the session and keeps its key. The [`Closing`] drops the session and frees the key, or leads to the next session.
    pub fn vacate(mut this: Self) -> Closing<K, V, H> {
        let session = this.session.take().expect(HELD);
        begin_close(session, this.hold.take())
    }

    /// Ends the turn like a drop. Returns a session that was superseded, which a drop would drop.
    pub fn release(mut this: Self) -> Option<V> {
        let session = this.session.take().expect(HELD);
        let session = end_turn(session, &mut this.hold)?;
        drop(this.hold.take());
        Some(*session)
    }

    /// Sets the handle that others find by [`Registry::handle`](crate::Registry::handle). It stays until it is replaced or
    /// the incarnation ends. Takes the slot lock for a moment.
    pub fn set_handle(this: &Self, handle: Arc<H>) {
        this.hold.set_handle(handle);
    }

    /// Policy ends the session after this: no guard can keep it alive any more. False if one does.
    #[cfg(feature = "tokio")]
    pub(crate) fn seal(this: &Self) -> bool {
        this.hold.slot().lock().seal()
    }

    /// Ends a turn in which the session was not used: it is idle since it was before.
    #[cfg(feature = "tokio")]
    pub(crate) fn put_back(mut this: Self) {
        let session = this.session.take();
        if let Some(slot) = this.hold.disarm() {
            put_back(session, slot);
        }
    }

    /// When this phase of the slot began.
    #[cfg(feature = "tokio")]
    pub(crate) fn since(this: &Self) -> crate::Tick {
        this.hold.slot().glance().since
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn spot(this: &Self) -> Spot {
        this.hold.spot()
    }

    /// The session and the slot.
    #[cfg(feature = "tokio")]
    pub(crate) fn parts(this: &mut Self) -> (&mut V, &Slot<K, V, H>) {
        (this.session.as_mut().expect(HELD), this.hold.slot())
    }

    /// Leaves a handle for the call itself, in place of the session's, which stands for it until now.
    #[cfg(feature = "tokio")]
    pub(crate) fn set_caller(this: &Self, handle: Arc<H>) {
        this.hold.set_caller(handle);
    }

    /// Returns the number of callers that wait for this turn to end.
    pub fn waiting(this: &Self) -> usize {
        this.hold.slot().glance().waiting as usize
    }

    /// Returns false if the turn was superseded: its slot was replaced or removed, or the registry dropped. `true` may be
    /// outdated when it returns. Takes the slot lock for a moment.
    pub fn is_current(this: &Self) -> bool {
        this.hold.is_current()
    }

    /// Returns the key.
    pub fn key(this: &Self) -> &K {
        this.hold.key()
    }

    /// Returns the incarnation of the session, usable as a fencing token.
    pub fn incarnation(this: &Self) -> Incarnation {
        this.hold.incarnation()
    }

    /// Returns the ticket of this turn.
    pub fn ticket(this: &Self) -> Ticket {
        this.hold.ticket()
    }
}

fn begin_close<K, V, H>(session: Box<V>, hold: Hold<K, V, H>) -> Closing<K, V, H> {
    let now = hold.now();
    hold.slot().lock().begin_close(now);
    Closing { session, hold }
}

/// Makes the session idle, or passes it to the next caller in the queue, and disarms the hold. Returns the session if the
/// slot was superseded.
///
/// One critical section of the slot decides: a replacement comes before it and is seen, or comes after it and finds the
/// session idle or granted.
#[inline]
fn end_turn<K, V, H>(session: Box<V>, hold: &mut Hold<K, V, H>) -> Option<Box<V>> {
    let now = hold.now();
    let mut passed = None;
    let ended = hold.slot().lock().end_turn(session, now, &mut passed);
    match ended {
        Ok(()) => {
            // The session is in the slot: nothing is left to release, even if the waker panics.
            let slot = hold.disarm()?;
            if let Some(passed) = passed {
                finish(passed, &slot);
            }
            None
        }
        Err(session) => Some(session),
    }
}

/// Gives back what an [`Enter`](crate::Enter) has and has not returned: nobody has used it. A session becomes idle, since
/// it was before, or goes to the next caller; a vacancy is released. Models: `c05_held`.
#[cold]
pub(crate) fn put_back<K, V, H>(session: Option<Box<V>>, slot: Arc<Slot<K, V, H>>) {
    let mut hold = Hold::new(slot);
    let Some(session) = session else {
        return;
    };
    let now = hold.now();
    let mut passed = None;
    let ended = hold.slot().lock().put_back(session, now, &mut passed);
    match ended {
        Ok(()) => {
            if let (Some(slot), Some(passed)) = (hold.disarm(), passed) {
                finish(passed, &slot);
            }
        }
        // Superseded. Dropped before the hold, even if its drop panics.
        Err(session) => drop(session),
    }
}

impl<K, V, H> Drop for Turn<K, V, H> {
    #[inline]
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        if panicking() && !self.hold.was_unwinding() {
            return drop(begin_close(session, self.hold.take()));
        }
        // A returned session is dropped here, and the hold after it with the fields, even if the session's drop panics.
        drop(end_turn(session, &mut self.hold));
    }
}

impl<K, V, H> Deref for Turn<K, V, H> {
    type Target = V;

    #[inline]
    fn deref(&self) -> &V {
        self.session.as_ref().expect(HELD)
    }
}

impl<K, V, H> DerefMut for Turn<K, V, H> {
    #[inline]
    fn deref_mut(&mut self) -> &mut V {
        self.session.as_mut().expect(HELD)
    }
}

/// The exclusive right to start the session of a key: like std's `VacantEntry`, but it may be held for minutes.
///
/// [`fill`](Self::fill) it with the session. If it is dropped instead, it goes to the next caller in the queue, which may start
/// the session. Without a queue, the key is free. So a start that fails, panics or is cancelled only has to drop it.
#[must_use = "dropping a vacancy passes it to the next caller in the queue, or frees the key"]
pub struct Vacancy<K, V, H = ()> {
    hold: Hold<K, V, H>,
}

impl<K, V, H> Vacancy<K, V, H> {
    pub(crate) fn new(hold: Hold<K, V, H>) -> Self {
        Self { hold }
    }

    /// Makes this the session of the key. Returns its first turn, which is superseded if the vacancy was.
    pub fn fill(self, session: V) -> Turn<K, V, H> {
        let Self { hold } = self;
        let session = Box::new(session);
        let now = hold.now();
        hold.slot().lock().fill(now);
        Turn::new(session, hold)
    }

    /// Sets the handle that others find by [`Registry::handle`](crate::Registry::handle) during the start, such as a switch
    /// that aborts it. It stays when the session is there. Takes the slot lock for a moment.
    pub fn set_handle(&self, handle: Arc<H>) {
        self.hold.set_handle(handle);
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn spot(&self) -> Spot {
        self.hold.spot()
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn slot(&self) -> &Slot<K, V, H> {
        self.hold.slot()
    }

    /// Numbers the incarnation, in a registry that draws [no numbers](crate::Builder::unnumbered). False, and nothing is changed, if
    /// the slot has had this number or a higher one, or if it is 2^63 or more. Models: `c15_board`.
    #[doc(hidden)]
    pub fn renumber(&mut self, number: Incarnation) -> bool {
        self.hold.slot().lock().renumber(number)
    }

    /// Returns false if the vacancy was superseded: its slot was replaced or removed, or the registry dropped. A session that is
    /// started now will not be kept. `true` may be outdated when it returns. Takes the slot lock for a moment.
    pub fn is_current(&self) -> bool {
        self.hold.is_current()
    }

    /// Returns the key.
    pub fn key(&self) -> &K {
        self.hold.key()
    }

    /// Returns the incarnation of the session that will fill it, usable as a fencing token.
    pub fn incarnation(&self) -> Incarnation {
        self.hold.incarnation()
    }

    /// Returns the ticket of this call, which its turn will have too.
    pub fn ticket(&self) -> Ticket {
        self.hold.ticket()
    }
}

/// A session that is being closed. Its key is held: the next session cannot start before this is dropped, split or closed.
///
/// Dropping it drops the session first and then frees the key, even in a panic. (The order of the fields is claim C2 of
/// PROOFS.md.)
#[must_use = "dropping a closing drops the session and frees the key"]
pub struct Closing<K, V, H = ()> {
    session: Box<V>,
    hold: Hold<K, V, H>,
}

impl<K, V, H> Closing<K, V, H> {
    /// Of an idle session that was claimed to be closed.
    pub(crate) fn claimed(slot: &Arc<Slot<K, V, H>>, session: Box<V>) -> Self {
        let hold = Hold::new(Arc::clone(slot));
        Self { session, hold }
    }

    /// Returns the session, to stop it: `closing.session_mut().stop().await`. The phase stays `Closing`, and the handle can be
    /// found, until the closing is dropped.
    pub fn session_mut(&mut self) -> &mut V {
        &mut self.session
    }

    /// Drops the session, and returns the vacancy for the next one.
    pub fn closed(self) -> Vacancy<K, V, H> {
        let Self { session, hold } = self;
        drop(session);
        let (vacancy, handle) = begin_start(hold);
        drop(handle);
        vacancy
    }

    /// Returns the vacancy and the old session. Bind them to two variables: locals drop in reverse order, so the session
    /// goes first. (The fields of one tuple drop in the other order.)
    ///
    /// The next incarnation begins now: the phase is `Starting` and the handle is gone, although the old session is still
    /// there. For a stop that takes time, [`session_mut`](Self::session_mut) keeps the phase.
    pub fn split(self) -> (Vacancy<K, V, H>, V) {
        let Self { session, hold } = self;
        let (vacancy, handle) = begin_start(hold);
        // Declared after the vacancy, so that it drops before it if the handle's drop panics.
        let session = session;
        drop(handle);
        (vacancy, *session)
    }

    /// Returns the key.
    pub fn key(&self) -> &K {
        self.hold.key()
    }

    /// Returns the incarnation of the session.
    pub fn incarnation(&self) -> Incarnation {
        self.hold.incarnation()
    }

    /// Returns the ticket of the turn that was vacated.
    pub fn ticket(&self) -> Ticket {
        self.hold.ticket()
    }

    /// The session for a closer, and the hold to drop after it. The phase stays `Closing`.
    pub(crate) fn into_parts(self) -> (Hold<K, V, H>, V) {
        (self.hold, *self.session)
    }
}

/// Begins the next incarnation. Returns the handle of the old one, for the caller to drop.
fn begin_start<K, V, H>(hold: Hold<K, V, H>) -> (Vacancy<K, V, H>, Option<Arc<H>>) {
    let handle = hold.slot().home.begin_start(hold.slot());
    (Vacancy { hold }, handle)
}

impl<K, V, H> fmt::Debug for Turn<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hold.fmt("Turn", f)
    }
}

impl<K, V, H> fmt::Debug for Vacancy<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hold.fmt("Vacancy", f)
    }
}

impl<K, V, H> fmt::Debug for Closing<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hold.fmt("Closing", f)
    }
}
