//! What orders the steps of a test: gates, and waits for what will be so.

use parking_lot::Mutex;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::sync::watch;

/// Passes once it is open.
pub(crate) struct Gate(watch::Sender<bool>, AtomicUsize);

impl Gate {
    pub(crate) fn closed() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(false), AtomicUsize::new(0)))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn pass(&self) {
        self.1.fetch_add(1, SeqCst);
        let mut open = self.0.subscribe();
        let _open = open
            .wait_for(|open| *open)
            .await
            .expect("the gate is there");
    }

    /// Waits until so many have come.
    pub(crate) async fn reached(&self, by: usize) {
        until(|| self.1.load(SeqCst) >= by).await;
    }
}

/// A place where a gate may stand.
#[derive(Default)]
pub(crate) struct Place(Mutex<Option<Arc<Gate>>>);

impl Place {
    /// Whoever comes here from now on waits.
    pub(crate) fn close(&self) -> Arc<Gate> {
        let gate = Gate::closed();
        *self.0.lock() = Some(Arc::clone(&gate));
        gate
    }

    /// Whoever comes here from now on passes. Those who wait go on waiting.
    pub(crate) fn free(&self) {
        *self.0.lock() = None;
    }

    pub(crate) async fn pass(&self) {
        let gate = self.0.lock().clone();
        if let Some(gate) = gate {
            gate.pass().await;
        }
    }
}

/// Waits for something that will be so. The deadline of the test ends what does not come.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
