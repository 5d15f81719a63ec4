//! What was seen of a session, with its identity; and what a replacement gives back.

#[cfg(feature = "tokio")]
use crate::registry::slot::outcome::Claim;
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

/// A session as it was when it was looked at. It holds the identity, not the session: to act on it only if what was seen
/// still holds. Conditional stops, predicates and "the longest idle first" are built on it without a race.
///
/// ```
/// use turnwise::{Phase, Registry, Turn};
///
/// let sessions: Registry<String, u32> = Registry::new();
/// drop(sessions.enter_blocking("a")?.or_insert(1));
/// drop(sessions.enter_blocking("b")?.or_insert(2));
///
/// // Stop the one that has idle_since longest, unless it was used or touched since we looked. (Touches before are not seen.)
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
    /// Of the slot's board: any change since is seen by it.
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

    /// The key.
    pub fn key(&self) -> &K {
        &self.slot.key
    }

    /// The status when it was looked at.
    pub fn status(&self) -> Status {
        self.status
    }

    /// What the holder of this incarnation leaves for others to reach; `None` also if another incarnation has the slot by
    /// now. Takes the slot lock for a moment.
    pub fn handle(&self) -> Option<Arc<H>> {
        let locked = self.slot.lock();
        let same = locked.status().incarnation == self.status.incarnation;
        if same { locked.handle() } else { None }
    }

    /// What the call that has this slot by now left for others to reach; with a ticket, only if it is that one.
    #[cfg(feature = "tokio")]
    pub(crate) fn caller(&self, only: Option<crate::Ticket>) -> Option<Arc<H>> {
        let caller = self.slot.lock().caller(only);
        caller.map(|(_, handle)| handle)
    }

    /// The turn of a idle session, if nothing at all has happened to it since it was looked at.
    ///
    /// # Errors
    ///
    /// [`Moved`] if it was not idle, or was used, touched, replaced or removed since.
    pub fn claim(&self) -> Result<Turn<K, V, H>, Moved> {
        let now = self.slot.clock.now();
        let session = self.slot.lock().claim_at(self.version, now).ok_or(Moved)?;
        Ok(Turn::claimed(&self.slot, session))
    }

    /// The turn of a session that is idle and was not active within `idle_for`, as [`ClaimIdle`](crate::ClaimIdle) would
    /// claim it: whatever happened since it was looked at, all is decided now, under the slot lock.
    #[cfg(feature = "tokio")]
    pub(crate) fn claim_idle(
        &self,
        idle_for: std::time::Duration,
    ) -> Result<Turn<K, V, H>, Unclaimed> {
        let now = self.slot.clock.now();
        let claim = self.slot.lock().claim(idle_for, now);
        match claim {
            Claim::Taken(session) => Ok(Turn::claimed(&self.slot, session)),
            Claim::Young => Err(Unclaimed::Young),
            Claim::Moved => Err(Unclaimed::Moved),
        }
    }

    /// [`Registry::replace`](crate::Registry::replace), if this incarnation is still the key's current one.
    ///
    /// # Errors
    ///
    /// [`ReplaceError`].
    pub fn replace(&self) -> Result<Replaced<K, V, H>, ReplaceError>
    where
        K: Clone,
    {
        let replaced = self.succeed(Purpose::ReplaceSeen)?;
        replaced.ok_or(ReplaceError::Moved)
    }

    /// [`Registry::remove`](crate::Registry::remove), if this incarnation is still the key's current one. `Ok(None)`: there
    /// was a granted vacancy only.
    ///
    /// # Errors
    ///
    /// [`Moved`] if it is not.
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
        let Some(shard) = self.slot.home.upgrade() else {
            return Ok(None);
        };
        let mut key = Some(self.slot.key.clone());
        let now = self.slot.clock.now();
        let succession = Shard::replace(
            &shard,
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
        // A key that was not needed, and what may be the last reference: dropped when nothing can be lost by a panic in them.
        drop((key, shard));
        replaced
    }
}

/// Why a session was not claimed.
#[cfg(feature = "tokio")]
pub(crate) enum Unclaimed {
    /// Used or touched within the time.
    Young,
    /// Not idle there any more.
    Moved,
}

/// A replacement: the vacancy of the new slot, and what became of the old one.
#[must_use = "dropping it drops the old session, and the vacancy goes to the next in the queue"]
pub struct Replaced<K, V, H = ()> {
    /// `None` if the key was absent, or nobody had looked at the grant of its vacancy.
    pub old: Option<Old<K, V, H>>,
    /// The vacancy of the key from now on.
    pub vacancy: Vacancy<K, V, H>,
}

/// What was in the old slot.
#[must_use = "dropping it drops the session, or does not wait for its holder"]
pub enum Old<K, V, H = ()> {
    /// The session, which was idle.
    Idle(V),
    /// Somebody held its turn, vacancy or closing, and still does.
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
                let idle_since = remains.session.map(|session| Old::Idle(*session));
                (idle_since.or(held), remains.handle)
            }
        };
        let replaced = Self { old, vacancy };
        // The handle is dropped when nothing can be lost by a panic in it.
        drop(handle);
        replaced
    }
}

/// Ends when the holder of a superseded slot has let go: its session was dropped, or released to it. A future, or
/// [`wait`](Self::wait) for it with a thread.
///
/// **Cancel-safe**: dropping it leaves no trace. It may be polled again after it has ended.
#[must_use = "a departure is waited for by polling it"]
pub struct Released<K, V, H = ()> {
    slot: Arc<Slot<K, V, H>>,
    /// In the queue of the superseded slot, once polled.
    place: Option<Place>,
}

impl<K, V, H> Released<K, V, H> {
    /// Of a slot that is superseded.
    pub(crate) fn new(slot: Arc<Slot<K, V, H>>) -> Self {
        Self { slot, place: None }
    }

    /// Waits with this thread.
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
            Self::Held(departure) => f.debug_tuple("Held").field(departure).finish(),
        }
    }
}
