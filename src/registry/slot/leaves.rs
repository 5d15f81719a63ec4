//! What an arriving call leaves for others to reach: a handle or nothing.

use crate::sync::Arc;

/// Taken under the slot lock, by the transition that gives the call its place. What is not taken stays with the caller, and is
/// dropped after the locks.
pub(crate) trait Leaves<H> {
    fn take(&mut self) -> Option<Arc<H>>;
}

/// A type of its own, so that a call without a handle pays nothing for those with one.
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
