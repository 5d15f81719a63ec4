//! What an arriving call leaves for others: a handle or nothing.

use crate::sync::Arc;

/// Taken under the slot lock, by the transition that gives the call its place. If it is not taken, the caller drops it
/// after the locks.
pub(crate) trait Leaves<H> {
    fn take(&mut self) -> Option<Arc<H>>;
}

/// A separate type, so that a call without a handle does not pay for handles.
pub(crate) struct Nothing;

impl<H> Leaves<H> for Nothing {
    #[inline(always)]
    fn take(&mut self) -> Option<Arc<H>> {
        None
    }
}

impl<H> Leaves<H> for Option<Arc<H>> {
    #[inline(always)]
    fn take(&mut self) -> Self {
        self.take()
    }
}

/// A handle that is made when the call leaves it, unless it was made before.
#[cfg(feature = "tokio")]
pub(crate) struct Lazy<H, F> {
    make: F,
    pub(crate) made: Option<Arc<H>>,
}

#[cfg(feature = "tokio")]
impl<H, F: Fn() -> Arc<H>> Lazy<H, F> {
    pub(crate) fn new(make: F, made: Option<Arc<H>>) -> Self {
        Self { make, made }
    }
}

#[cfg(feature = "tokio")]
impl<H, F: Fn() -> Arc<H>> Leaves<H> for Lazy<H, F> {
    fn take(&mut self) -> Option<Arc<H>> {
        Some(Arc::clone(self.made.get_or_insert_with(&self.make)))
    }
}
