//! The guards: `Turn`, `Vacancy` and `Closing`. The type of the guard is the phase of its slot.

use crate::{
    Incarnation, Ticket,
    registry::{
        guards::hold::{HELD, Hold},
        map::shard::{Slot, list},
    },
    sync::{Arc, panicking},
};
use std::{
    fmt,
    ops::{Deref, DerefMut},
};

/// The exclusive right to use one session, which it dereferences to.
///
/// Dropping it ends the turn: the next in the queue is granted, or the session is idle. If the turn was superseded meanwhile
/// ([`Registry::replace`](crate::Registry::replace)), its session is dropped. If the drop is part of a panic that began
/// during the turn, the session is half-changed: it is dropped and its incarnation ends. A turn that began while its thread
/// unwound already (in a destructor) hands its session on whatever happens, as std's mutexes are not poisoned then.
///
/// Its functions are associated functions, as `Arc`'s are, so that they hide none of the session's methods:
/// `Turn::vacate(turn)`, not `turn.vacate()`.
///
/// **Cancellation.** A future that is dropped in the middle of a turn ends the turn as any drop does: the session goes to the
/// next in the queue *as it is*. Only a panic ends the incarnation. If a half-done exchange would spoil the session, mark it before
/// the first `await`, clear the mark at the end, and [`vacate`](Self::vacate) a session that is found marked.
///
/// **Hazards.** To enter a key while holding its turn waits for ever, and so do two tasks that enter two keys in two
/// orders. A turn that is given to [`std::mem::forget`] keeps its key busy for ever.
#[must_use = "dropping a turn ends it"]
pub struct Turn<K, V, H = ()> {
    /// There until the turn ends, as the hold's slot is. Dropped before the hold, should it come to that.
    session: Option<Box<V>>,
    hold: Hold<K, V, H>,
    /// The thread was unwinding already when the turn began: then its end in an unwinding thread means nothing. (A count of panics
    /// would tell more; std has none.)
    unwinding: Flag,
}

/// As large as a word, so that a turn consists of whole words: a copy of a byte at the end of one is read back before its
/// write is through, which costs as much as a lock.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
enum Flag {
    No,
    Yes,
}

impl<K, V, H> Turn<K, V, H> {
    #[inline]
    pub(crate) fn new(session: Box<V>, hold: Hold<K, V, H>) -> Self {
        Self {
            session: Some(session),
            hold,
            unwinding: if panicking() { Flag::Yes } else { Flag::No },
        }
    }

    /// The turn of a session that was claimed idle.
    pub(crate) fn claimed(slot: &Arc<Slot<K, V, H>>, session: Box<V>) -> Self {
        Self::new(session, Hold::new(Arc::clone(slot)))
    }

    /// The key.
    pub fn key(this: &Self) -> &K {
        this.hold.key()
    }

    /// The number of this session: a fencing token.
    pub fn incarnation(this: &Self) -> Incarnation {
        this.hold.incarnation()
    }

    /// The ticket of this turn.
    pub fn ticket(this: &Self) -> Ticket {
        this.hold.ticket()
    }

    /// False once the slot was replaced or removed, or the registry dropped. May be outdated when it returns, if true.
    /// Takes the slot lock for a moment.
    pub fn is_current(this: &Self) -> bool {
        this.hold.is_current()
    }

    /// How many wait in the queue for this turn to end.
    pub fn waiting(this: &Self) -> usize {
        this.hold.slot().glance().waiting as usize
    }

    /// Leaves a handle for others to reach by [`Registry::handle`](crate::Registry::handle). It stays until it is set
    /// again or the incarnation ends; the one before is dropped. Takes the slot lock for a moment.
    pub fn set_handle(this: &Self, handle: Arc<H>) {
        this.hold.set_handle(handle);
    }

    /// Ends this incarnation and keeps the key: stop the old session, then drop the vacancy, or fill it again.
    pub fn vacate(mut this: Self) -> Closing<K, V, H> {
        let session = this.session.take().expect(HELD);
        begin_close(session, this.hold.take())
    }

    /// Ends the turn as a drop does, but a superseded session comes back instead of being dropped.
    pub fn release(mut this: Self) -> Option<V> {
        let session = this.session.take().expect(HELD);
        let session = end_turn(session, &mut this.hold)?;
        drop(this.hold.take());
        Some(*session)
    }
}

fn begin_close<K, V, H>(session: Box<V>, hold: Hold<K, V, H>) -> Closing<K, V, H> {
    let now = hold.now();
    hold.slot().lock().begin_close(now);
    Closing { session, hold }
}

/// The session is idle, or goes to the next in the queue, and the hold has nothing to let go any more. It comes back if the slot was
/// superseded.
///
/// One critical section of the slot decides: a replacement comes before it, and is seen, or after it, and finds the
/// session idle or granted.
#[inline]
fn end_turn<K, V, H>(session: Box<V>, hold: &mut Hold<K, V, H>) -> Option<Box<V>> {
    let now = hold.now();
    let mut passed = None;
    let idle_since = hold.slot().lock().end_turn(session, now, &mut passed);
    match idle_since {
        Ok(()) => {
            // The session is in the slot: there is nothing to let go, also if the waker panics.
            let slot = hold.disarm()?;
            if let Some(passed) = passed {
                passed.finish();
            }
            list(&slot);
            None
        }
        Err(session) => Some(session),
    }
}

impl<K, V, H> Drop for Turn<K, V, H> {
    #[inline]
    fn drop(&mut self) {
        let Some(session) = self.session.take() else {
            return;
        };
        if panicking() && self.unwinding == Flag::No {
            return drop(begin_close(session, self.hold.take()));
        }
        // What comes back is dropped here, and the hold after it, with the fields: also if the session's drop panics.
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

/// The exclusive right to a slot that has no session: its holder starts one.
///
/// Dropped, it goes to the next in the queue, who may start the session in its turn; with nobody there the key is free. A start
/// that fails, panics or is cancelled is an ordinary drop of it.
#[must_use = "dropping a vacancy gives it to the next in the queue, or frees the key"]
pub struct Vacancy<K, V, H = ()> {
    hold: Hold<K, V, H>,
}

impl<K, V, H> Vacancy<K, V, H> {
    pub(crate) fn new(hold: Hold<K, V, H>) -> Self {
        Self { hold }
    }

    /// The key.
    pub fn key(&self) -> &K {
        self.hold.key()
    }

    /// The number of the session that will fill it.
    pub fn incarnation(&self) -> Incarnation {
        self.hold.incarnation()
    }

    /// The ticket, which the turn will have too.
    pub fn ticket(&self) -> Ticket {
        self.hold.ticket()
    }

    /// False once the slot was replaced or removed, or the registry dropped: a session that is started now will not be
    /// kept. May be outdated when it returns, if true. Takes the slot lock for a moment.
    pub fn is_current(&self) -> bool {
        self.hold.is_current()
    }

    /// Leaves a handle for others to reach while the session is being started, such as a switch that aborts it. It goes
    /// on into the session's life. Takes the slot lock for a moment.
    pub fn set_handle(&self, handle: Arc<H>) {
        self.hold.set_handle(handle);
    }

    /// The session is there; the holder has its first turn. If the slot was superseded meanwhile, the turn is too.
    pub fn fill(self, session: V) -> Turn<K, V, H> {
        let Self { hold } = self;
        let session = Box::new(session);
        let now = hold.now();
        hold.slot().lock().fill(now);
        Turn::new(session, hold)
    }
}

/// A session on its way out, its key still held: nobody can start the next one until this is dropped.
///
/// Dropped, the session goes first, then the key, also in a panic. (The order of the fields is the claim C2 of PROOFS.md.)
#[must_use = "dropping a closing drops the session and frees the key"]
pub struct Closing<K, V, H = ()> {
    session: Box<V>,
    hold: Hold<K, V, H>,
}

impl<K, V, H> Closing<K, V, H> {
    /// The key.
    pub fn key(&self) -> &K {
        self.hold.key()
    }

    /// The number of the session that ends.
    pub fn incarnation(&self) -> Incarnation {
        self.hold.incarnation()
    }

    /// The ticket of the turn that ended in this close.
    pub fn ticket(&self) -> Ticket {
        self.hold.ticket()
    }

    /// The session, for a last word or its stop: `closing.session_mut().stop().await`. The phase stays Closing, and the
    /// handle within reach, until the closing is dropped.
    pub fn session_mut(&mut self) -> &mut V {
        &mut self.session
    }

    /// The session and the vacancy that follows it, in this order: as two locals they drop in the right one, the session
    /// before the vacancy (as one tuple they do not). The next incarnation begins now, in the hands of the caller: the phase is Starting and the handle
    /// is gone, though the old session still lives. For a stop that takes time, [`session_mut`](Self::session_mut) keeps
    /// the phase.
    pub fn split(self) -> (Vacancy<K, V, H>, V) {
        let Self { session, hold } = self;
        let (vacancy, handle) = begin_start(hold);
        // A local after the vacancy, so that it drops before it, should the handle's drop panic.
        let session = session;
        drop(handle);
        (vacancy, *session)
    }

    /// Drops the session; then the next incarnation may start.
    pub fn closed(self) -> Vacancy<K, V, H> {
        let Self { session, hold } = self;
        drop(session);
        let (vacancy, handle) = begin_start(hold);
        drop(handle);
        vacancy
    }

    /// The session for a closer, and the hold to be dropped after it: the phase stays Closing.
    pub(crate) fn into_parts(self) -> (Hold<K, V, H>, V) {
        (self.hold, *self.session)
    }
}

/// A number is drawn if the registry is there and the slot is current; which is decided under the slot lock.
/// The handle of the incarnation that ended is the caller's to drop.
fn begin_start<K, V, H>(hold: Hold<K, V, H>) -> (Vacancy<K, V, H>, Option<Arc<H>>) {
    let now = hold.now();
    let shard = hold.slot().home.upgrade();
    let draw = shard.as_ref().map(|shard| || shard.draw());
    let handle = hold.slot().lock().begin_start(draw, now);
    // Before the guard is returned: it may be the last reference.
    drop(shard);
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
