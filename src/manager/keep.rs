//! A guard that keeps a session alive without its turn.

use crate::manager::{
    backend::Backend,
    reach::Call,
    shared::{Resident, Shared},
};
use crate::{Incarnation, ToKey};
use std::{fmt, ops::Deref};

/// Keeps a session alive, without its turn; see [`SessionManager::keep_alive`](crate::SessionManager::keep_alive). It dereferences to
/// the [handle](Backend::Handle) of the session.
///
/// It does not keep the manager alive.
#[must_use = "dropping it ends the keep-alive"]
pub struct KeepAlive<B: Backend> {
    handle: B::Handle,
    kept: crate::KeepAlive<B::Key, Resident<B>, Call<B>>,
}

impl<B: Backend> KeepAlive<B> {
    /// Returns the key.
    pub fn key(this: &Self) -> &B::Key {
        this.kept.key()
    }

    /// Returns the generation number of the session that it keeps alive.
    pub fn incarnation(this: &Self) -> Incarnation {
        this.kept.incarnation()
    }
}

impl<B: Backend> Shared<B> {
    pub(crate) fn keep_alive<Q: ?Sized + ToKey<B::Key>>(&self, key: &Q) -> Option<KeepAlive<B>> {
        let kept = self.registry.keep_alive(key)?;
        // A stop may end the session after the first line. Then its handle is gone already, or soon will be.
        let handle = kept.handle()?.handle()?;
        let handle = B::Handle::clone(&handle);
        Some(KeepAlive { handle, kept })
    }
}

impl<B: Backend> Deref for KeepAlive<B> {
    type Target = B::Handle;

    fn deref(&self) -> &B::Handle {
        &self.handle
    }
}

impl<B: Backend> fmt::Debug for KeepAlive<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kept.fmt(f)
    }
}
