//! The tasks of a world.

use crate::{
    host::Task,
    sync::{Arc, PoisonError, Unseen},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    task::Wake,
};

pub(crate) struct Running {
    pub(crate) machine: usize,
    pub(crate) task: Option<Task>,
    pub(crate) ready: Arc<Ready>,
}

/// The tasks that can run.
pub(crate) type Queue = Arc<Unseen<Vec<usize>>>;

pub(crate) struct Ready {
    pub(crate) task: usize,
    pub(crate) woken: AtomicBool,
    pub(crate) queue: Queue,
}

impl Wake for Ready {
    fn wake(self: std::sync::Arc<Self>) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.push(self.task);
        }
    }
}
