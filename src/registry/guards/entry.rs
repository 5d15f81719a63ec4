//! The result of `enter`, like an entry of std's maps.

use crate::{
    Turn, Vacancy,
    registry::guards::{
        hold::Hold,
        send_fn::{self, SendFnOnce},
    },
};
use std::fmt;

/// The result of [`enter`](crate::Registry::enter): the turn of a session, or the right to start one.
#[must_use = "dropping an entry passes it to the next caller in the queue"]
pub enum Entry<K, V, H = ()> {
    /// The key has a session, and this is its turn.
    Occupied(Turn<K, V, H>),
    /// The key has no session yet.
    Vacant(Vacancy<K, V, H>),
}

impl<K, V, H> Entry<K, V, H> {
    #[inline(always)]
    pub(crate) fn new(hold: Hold<K, V, H>, session: Option<Box<V>>) -> Self {
        match session {
            Some(session) => Self::Occupied(Turn::new(session, hold)),
            None => Self::Vacant(Vacancy::new(hold)),
        }
    }

    /// Returns the turn. If the key has no session, it gets `session`; otherwise `session` is dropped.
    #[inline]
    pub fn or_insert(self, session: V) -> Turn<K, V, H> {
        self.or_insert_with(|| session)
    }

    /// Returns the turn. If the key has no session, `start` makes it, outside all locks and for as long as it takes. If `start`
    /// panics, the vacancy goes to the next caller in the queue.
    #[inline(always)]
    pub fn or_insert_with(self, start: impl FnOnce() -> V) -> Turn<K, V, H> {
        match self {
            Self::Occupied(turn) => {
                drop(start); // see `or_try_insert_with`
                turn
            }
            Self::Vacant(vacancy) => {
                let session = start();
                vacancy.fill(session)
            }
        }
    }

    /// Like [`or_insert_with`](Self::or_insert_with), for a start that can fail. `start` receives the vacancy, with its key
    /// and incarnation.
    ///
    /// # Errors
    ///
    /// Those of `start`. The vacancy then goes to the next caller in the queue.
    pub fn or_try_insert_with<E>(
        self,
        start: impl FnOnce(&Vacancy<K, V, H>) -> Result<V, E>,
    ) -> Result<Turn<K, V, H>, E> {
        match self {
            Self::Occupied(turn) => {
                // Dropped here, while the turn is a local variable. A return value is leaked when the drop of a local
                // panics, and a leaked turn keeps its key for ever.
                drop(start);
                Ok(turn)
            }
            Self::Vacant(vacancy) => {
                let session = start(&vacancy)?;
                Ok(vacancy.fill(session))
            }
        }
    }

    /// Returns the turn. If the key has no session, the async closure `start` makes it.
    ///
    /// Pass an `async |vacancy| ..` closure or an `async fn`, not `|vacancy| async ..`. The future can be spawned:
    ///
    /// ```
    /// use turnwise::{EnterError, Registry};
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sessions: Registry<&'static str, u64> = Registry::new();
    /// let first = tokio::spawn(async move {
    ///     let entry = sessions.enter(&"a").await?;
    ///     let turn = entry.or_start(async |vacancy| Ok(vacancy.incarnation().get())).await?;
    ///     Ok::<_, EnterError>(*turn)
    /// });
    /// assert!(first.await?? > 0);
    /// # Ok(()) }
    /// ```
    ///
    /// For this the future of `start` must be `Send` ([`SendFnOnce`]). If it is not, `match` on the entry and
    /// [`fill`](Vacancy::fill) the vacancy.
    ///
    /// # Errors
    ///
    /// Those of `start`. The vacancy then goes to the next caller in the queue.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `start`, and the vacancy goes to the next caller in the queue.
    ///
    /// # Performance
    ///
    /// The future of `start` is boxed. An occupied entry allocates nothing.
    pub async fn or_start<E, F>(self, start: F) -> Result<Turn<K, V, H>, E>
    where
        F: AsyncFnOnce(&Vacancy<K, V, H>) -> Result<V, E>
            + for<'a> SendFnOnce<&'a Vacancy<K, V, H>, Result<V, E>>,
    {
        match self {
            Self::Occupied(turn) => {
                drop(start); // see `or_try_insert_with`
                Ok(turn)
            }
            Self::Vacant(vacancy) => {
                let session = send_fn::call(start, &vacancy).await?;
                Ok(vacancy.fill(session))
            }
        }
    }

    /// Returns the turn. `None` if there is no session: then the vacancy is dropped.
    pub fn occupied(self) -> Option<Turn<K, V, H>> {
        match self {
            Self::Occupied(turn) => Some(turn),
            Self::Vacant(_) => None,
        }
    }

    /// Returns the key.
    pub fn key(&self) -> &K {
        match self {
            Self::Occupied(turn) => Turn::key(turn),
            Self::Vacant(vacancy) => vacancy.key(),
        }
    }
}

impl<K, V, H> fmt::Debug for Entry<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occupied(turn) => f.debug_tuple("Occupied").field(turn).finish(),
            Self::Vacant(vacancy) => f.debug_tuple("Vacant").field(vacancy).finish(),
        }
    }
}
