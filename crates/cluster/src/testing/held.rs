//! Acquisitions outside of a manager.

use crate::{engine::Engine, keys::Won, node::Node, sync::Arc};
use turnwise::manager::{NotOwned, Term};

/// An acquisition, outside of a manager.
#[derive(Debug)]
pub struct Held<E: Engine> {
    node: Node<E>,
    key: Arc<[u8]>,
    won: Won,
}

impl<E: Engine> Held<E> {
    /// Acquires a key for this node, and returns the acquisition.
    ///
    /// # Errors
    ///
    /// [`NotOwned`].
    pub async fn acquire(node: &Node<E>, key: &str) -> Result<Self, NotOwned> {
        let key: Arc<[u8]> = key.as_bytes().into();
        let won = node.win(Arc::clone(&key)).await?;
        let node = node.clone();
        Ok(Self { node, key, won })
    }

    /// Returns the number of this acquisition.
    pub fn fence(&self) -> u64 {
        self.won.fence
    }

    /// Returns its term.
    pub fn term(&self) -> Arc<dyn Term> {
        Arc::clone(&self.won.lease) as _
    }

    /// Releases the key.
    pub fn release(self) {
        self.node.release_bytes(&self.key, self.won.fence);
    }
}
