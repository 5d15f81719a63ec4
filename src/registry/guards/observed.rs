//! A slot as it was observed, to act on it if nothing has changed; and the result of a replacement.

#[cfg(feature = "tokio")]
use crate::{Closing, registry::slot::outcome::Claim};
use crate::{
    Moved, ReplaceError, Status, Turn, Vacancy,
    registry::{
        guards::hold::Hold,
        map::shard::{Purpose, Shard, Slot, Succession},
        slot::queue::{Place, Priority},
        wake::block_on,
    },
    sync::Arc,
};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// The status of a session at one moment, and the identity of its slot. It does not hold the session. Its methods act on the
/// session only if nothing has changed since. So you can choose a session by its status and end it without a race: for example,
/// the session that has been idle longest.
///
/// ```
/// use turnwise::{Phase, Registry, Turn};
///
/// let sessions: Registry<String, u32> = Registry::new();
/// drop(sessions.enter_blocking("a")?.or_insert(1));
/// drop(sessions.enter_blocking("b")?.or_insert(2));
///
/// // Stop the session that was idle longest, unless it was used or touched since the snapshot. (`since` ignores touches.)
/// let longest = sessions.snapshot().into_iter()
///     .filter(|seen| seen.status().phase == Phase::Idle)
///     .min_by_key(|seen| seen.status().since);
/// if let Some(turn) = longest.and_then(|seen| seen.claim().ok()) {
///     drop(Turn::vacate(turn));
/// }
/// assert_eq!(sessions.len(), 1);
/// # Ok::<(), turnwise::EnterError>(())
/// ```
pub struct Observed<K, V, H = ()> {
    slot: Arc<Slot<K, V, H>>,
    status: Status,
    /// The version of the slot's board. Any later change shows in it.
    version: u64,
}

impl<K, V, H> Observed<K, V, H> {
    pub(crate) fn new(slot: &Arc<Slot<K, V, H>>) -> Self {
        let (status, version) = slot.read();
        Self {
            slot: Arc::clone(slot),
            status,
            version,
        }
    }

    /// Returns the key.
    pub fn key(&self) -> &K {
        &self.slot.key
    }

    /// Returns the status at the moment of the observation.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns the [handle](Turn::set_handle) of this incarnation, if its holder has set one. `None` if the slot has another
    /// incarnation by now. Takes the slot lock for a moment.
    pub fn handle(&self) -> Option<Arc<H>> {
        let locked = self.slot.lock();
        let same = locked.status().incarnation == self.status.incarnation;
        if same { locked.handle() } else { None }
    }

    /// The ticket and handle of the call that has this slot now; with a ticket, only of that call.
    #[cfg(feature = "tokio")]
    pub(crate) fn reach(&self, only: Option<crate::Ticket>) -> Option<(crate::Ticket, Arc<H>)> {
        self.slot.lock().reach(only)
    }

    /// Takes the turn of an idle session, if nothing has happened to it since it was observed.
    ///
    /// # Errors
    ///
    /// [`Moved`] if it was not idle, or was used, touched, replaced or removed since, or is
    /// [kept alive](crate::Registry::keep_alive).
    pub fn claim(&self) -> Result<Turn<K, V, H>, Moved> {
        let now = self.slot.home.now();
        let session = self.slot.lock().claim_at(self.version, now).ok_or(Moved)?;
        Ok(Turn::claimed(&self.slot, session))
    }

    /// Begins to close a session that has been idle for `idle_for`, as
    /// [`cleanup_idle`](crate::Registry::cleanup_idle) would. All is decided now, under the slot lock. Of the observation only the
    /// incarnation matters, if `same` says so.
    #[cfg(feature = "tokio")]
    pub(crate) fn close_idle(
        &self,
        idle_for: std::time::Duration,
        same: bool,
    ) -> Result<Closing<K, V, H>, Claim<()>> {
        let now = self.slot.home.now();
        let mut locked = self.slot.lock();
        if same && locked.status().incarnation != self.status.incarnation {
            return Err(Claim::Moved);
        }
        let claim = locked.claim(idle_for, true, now);
        drop(locked);
        match claim {
            Claim::Taken(session) => Ok(Closing::claimed(&self.slot, session)),
            Claim::Young => Err(Claim::Young),
            Claim::Kept => Err(Claim::Kept),
            Claim::Moved => Err(Claim::Moved),
        }
    }

    /// The number of guards that keep this incarnation alive. Takes the slot lock for a moment.
    #[cfg(feature = "tokio")]
    pub(crate) fn kept(&self) -> u32 {
        let locked = self.slot.lock();
        let same = locked.status().incarnation == self.status.incarnation;
        if same { locked.kept() } else { 0 }
    }

    /// Like [`Registry::replace`](crate::Registry::replace), if this incarnation still has the key.
    ///
    /// # Errors
    ///
    /// [`ReplaceError`] if this incarnation does not have the key any more, or if the registry is closed.
    pub fn replace(&self) -> Result<Replaced<K, V, H>, ReplaceError>
    where
        K: Clone,
    {
        let replaced = self.succeed(Purpose::ReplaceSeen)?;
        replaced.ok_or(ReplaceError::Moved)
    }

    /// Like [`Registry::remove`](crate::Registry::remove), if this incarnation still has the key. Returns `Ok(None)` if
    /// there was only a vacancy that was granted.
    ///
    /// # Errors
    ///
    /// [`Moved`] if this incarnation does not have the key any more.
    pub fn remove(&self) -> Result<Option<Old<K, V, H>>, Moved>
    where
        K: Clone,
    {
        let replaced = self.succeed(Purpose::Remove);
        let replaced = replaced.expect("only an insertion is refused");
        let Replaced { old, vacancy } = replaced.ok_or(Moved)?;
        drop(vacancy);
        Ok(old)
    }

    fn succeed(&self, purpose: Purpose) -> Result<Option<Replaced<K, V, H>>, ReplaceError>
    where
        K: Clone,
    {
        let mut key = Some(self.slot.key.clone());
        let now = self.slot.home.now();
        let succession = Shard::replace(
            &self.slot.home,
            self.slot.hash,
            |held| Arc::ptr_eq(held, &self.slot),
            |locked| locked.status().incarnation == self.status.incarnation,
            &mut key,
            purpose,
            now,
        );
        let replaced = succession
            .map(|succession| Some(Replaced::new(succession?)))
            .map_err(|_| ReplaceError::Closed);
        // An unused key, dropped when a panic in its drop can lose nothing.
        drop(key);
        replaced
    }
}

/// The result of [`Registry::replace`](crate::Registry::replace): the new vacancy, and what was in the old slot.
#[must_use = "dropping it drops the old session and passes the vacancy to the next caller in the queue"]
pub struct Replaced<K, V, H = ()> {
    /// `None` if the key was absent, or had only a vacancy that was granted and not yet taken.
    pub old: Option<Old<K, V, H>>,
    /// The vacancy of the new slot.
    pub vacancy: Vacancy<K, V, H>,
}

/// What was in a slot that was replaced or removed.
#[must_use = "dropping it drops the session, or does not wait for its holder"]
pub enum Old<K, V, H = ()> {
    /// The session. It was idle, or granted to a queued call that had not taken it.
    Idle(V),
    /// The turn, vacancy or closing of the slot is still held, perhaps by an [`Enter`](crate::Enter) that found the key free.
    /// Await this until it is released.
    Held(Released<K, V, H>),
}

impl<K, V, H> Replaced<K, V, H> {
    pub(crate) fn new(succession: Succession<K, V, H>) -> Self {
        let hold = Hold::new(succession.slot);
        let vacancy = Vacancy::new(hold);
        let (old, handle) = match succession.old {
            None => (None, None),
            Some((slot, remains)) => {
                let held = remains.held.then(|| Old::Held(Released::new(slot)));
                let idle = remains.session.map(|session| Old::Idle(*session));
                (idle.or(held), remains.handle)
            }
        };
        let replaced = Self { old, vacancy };
        // Dropped when a panic in the handle's drop can lose nothing.
        drop(handle);
        replaced
    }
}

/// Resolves when the old holder has let go: its session was dropped, or [released](Turn::release) to it. Await it, or block a
/// thread with [`wait`](Self::wait). It may be polled again after that.
///
/// # Cancel safety
///
/// Dropping it leaves no trace.
#[must_use = "this waits only when it is polled"]
pub struct Released<K, V, H = ()> {
    slot: Arc<Slot<K, V, H>>,
    /// Its place in the queue of the superseded slot, once polled.
    place: Option<Place>,
}

impl<K, V, H> Released<K, V, H> {
    /// For a slot that is superseded.
    pub(crate) fn new(slot: Arc<Slot<K, V, H>>) -> Self {
        Self { slot, place: None }
    }

    /// Blocks this thread until the old holder has let go.
    pub fn wait(mut self) {
        block_on(None, |cx| Pin::new(&mut self).poll(cx))
            .expect("without a deadline there is an end");
    }
}

impl<K, V, H> Future for Released<K, V, H> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let waker = cx.waker().clone();
        let mut locked = this.slot.lock();
        if locked.departed() {
            drop(locked); // before the waker
            return Poll::Ready(());
        }
        let place = *this
            .place
            .get_or_insert_with(|| locked.join(Priority::Normal, None));
        let before = locked.watch(place, waker);
        drop(locked);
        drop(before);
        Poll::Pending
    }
}

impl<K, V, H> Drop for Released<K, V, H> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let left = self.slot.lock().unwatch(place);
            drop(left); // the waker, after the lock
        }
    }
}

impl<K, V, H> fmt::Debug for Observed<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl<K, V, H> fmt::Debug for Released<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released").finish_non_exhaustive()
    }
}

impl<K, V, H> fmt::Debug for Replaced<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replaced")
            .field("old", &self.old)
            .field("vacancy", &self.vacancy)
            .finish()
    }
}

impl<K, V, H> fmt::Debug for Old<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle(_) => f.write_str("Idle(..)"),
            Self::Held(released) => f.debug_tuple("Held").field(released).finish(),
        }
    }
}

#[cfg(all(test, feature = "tokio", not(feature = "model")))]
mod tests {
    use crate::{Registry, Turn, registry::slot::outcome::Claim};
    use std::time::Duration;

    /// The next session has the key of the one that was observed, in the same slot.
    #[test]
    fn a_close_of_what_was_observed_leaves_the_next_one() {
        let sessions: Registry<&str, u32> = Registry::new();
        let turn = sessions.enter_blocking(&"a").expect("open").or_insert(1);
        let seen = sessions.observe(&"a").expect("it is there");
        drop(Turn::vacate(turn).closed().fill(2));
        let closed = seen.close_idle(Duration::ZERO, true);
        assert!(matches!(closed, Err(Claim::Moved)), "it is another one");
        let closed = seen.close_idle(Duration::ZERO, false);
        assert!(closed.is_ok_and(|mut closing| *closing.session_mut() == 2));
    }
}
