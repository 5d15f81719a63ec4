//! What `enter` gives, in the shape of std's map entries.

use crate::{
    Turn, Vacancy,
    registry::guards::{
        hold::Hold,
        send_fn::{self, SendFnOnce},
    },
};
use std::fmt;

/// What `enter` gives: the turn of a session, or the right to start one.
#[must_use = "dropping an entry gives it to the next in the queue"]
pub enum Entry<K, V, H = ()> {
    /// There is a session, and this is its turn.
    Occupied(Turn<K, V, H>),
    /// There is none yet.
    Vacant(Vacancy<K, V, H>),
}

impl<K, V, H> Entry<K, V, H> {
    #[inline]
    pub(crate) fn new(hold: Hold<K, V, H>, session: Option<Box<V>>) -> Self {
        match session {
            Some(session) => Self::Occupied(Turn::new(session, hold)),
            None => Self::Vacant(Vacancy::new(hold)),
        }
    }

    /// The key.
    pub fn key(&self) -> &K {
        match self {
            Self::Occupied(turn) => Turn::key(turn),
            Self::Vacant(vacancy) => vacancy.key(),
        }
    }

    /// The turn, if there is a session. A vacancy is dropped.
    pub fn occupied(self) -> Option<Turn<K, V, H>> {
        match self {
            Self::Occupied(turn) => Some(turn),
            Self::Vacant(_) => None,
        }
    }

    /// The turn; of `session`, if the key had none. Else `session` is dropped.
    pub fn or_insert(self, session: V) -> Turn<K, V, H> {
        self.or_insert_with(|| session)
    }

    /// The turn; of the session that `start` makes, if there was none. `start` runs outside all locks, for as long as it
    /// likes. If it panics, the vacancy goes to the next in the queue.
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

    /// As [`or_insert_with`](Self::or_insert_with), for a start that can fail and may want to know its key and number.
    ///
    /// # Errors
    ///
    /// Those of `start`; the vacancy then goes to the next in the queue.
    pub fn or_try_insert_with<E>(
        self,
        start: impl FnOnce(&Vacancy<K, V, H>) -> Result<V, E>,
    ) -> Result<Turn<K, V, H>, E> {
        match self {
            Self::Occupied(turn) => {
                // Here, where the turn is a local: a value that is being returned when a local's drop panics is leaked, and
                // a turn that is leaked is a key that is stuck.
                drop(start);
                Ok(turn)
            }
            Self::Vacant(vacancy) => {
                let session = start(&vacancy)?;
                Ok(vacancy.fill(session))
            }
        }
    }

    /// The async twin of [`or_try_insert_with`](Self::or_try_insert_with): the turn; of the session that `start` makes, if there
    /// was none.
    ///
    /// `start` is an `async |vacancy| ..` closure or an `async fn`, not `|vacancy| async ..`. The future may be spawned:
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
    /// That is why the future of `start` must be `Send` ([`SendFnOnce`]). If it is not, `match` on the entry and
    /// [`fill`](Vacancy::fill) the vacancy.
    ///
    /// # Errors
    ///
    /// Those of `start`; the vacancy then goes to the next in the queue.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, `start` is dropped and the vacancy goes to the next in the queue.
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
}

impl<K, V, H> fmt::Debug for Entry<K, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occupied(turn) => f.debug_tuple("Occupied").field(turn).finish(),
            Self::Vacant(vacancy) => f.debug_tuple("Vacant").field(vacancy).finish(),
        }
    }
}
