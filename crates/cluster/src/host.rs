//! Where a node runs: its clock, its sleeps and its tasks.

use crate::sync;
#[cfg(feature = "testing")]
use crate::sync::Arc;
use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    pin::pin,
    task::Poll,
    time::Duration,
};

pub(crate) use crate::sync::Task;

/// A machine of a simulation. Each has a clock of its own.
#[cfg(feature = "testing")]
pub(crate) trait Machine: Send + Sync {
    /// In nanoseconds.
    fn now(&self) -> u64;
    /// By this machine's clock.
    fn sleep(&self, time: Duration) -> Task;
    fn run(&self, task: Task);
    fn nonce(&self) -> u64;
}

#[derive(Clone)]
pub(crate) enum Host {
    System,
    #[cfg(feature = "testing")]
    Simulated(Arc<dyn Machine>),
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    /// Of a clock that goes on while the machine is suspended. In nanoseconds.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::System => sync::boot_nanos(),
            #[cfg(feature = "testing")]
            Self::Simulated(machine) => machine.now(),
        }
    }

    /// Sleeps longer if the machine is suspended: a sleep is no measure of time.
    pub(crate) fn sleep(&self, time: Duration) -> Task {
        match self {
            Self::System => Box::pin(tokio::time::sleep(time)),
            #[cfg(feature = "testing")]
            Self::Simulated(machine) => machine.sleep(time),
        }
    }

    /// `None` if it takes longer. The future is dropped then.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        future: impl Future<Output = T>,
    ) -> Option<T> {
        let mut future = pin!(future);
        let mut sleep = self.sleep(limit);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => sleep.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    pub(crate) fn nonce(&self) -> u64 {
        match self {
            Self::System => sync::nonce(),
            #[cfg(feature = "testing")]
            Self::Simulated(machine) => machine.nonce(),
        }
    }

    /// Runs the tasks until the first has ended.
    pub(crate) fn run(&self, tasks: Vec<Task>) -> io::Result<()> {
        match self {
            Self::System => sync::own_thread(tasks),
            #[cfg(feature = "testing")]
            Self::Simulated(machine) => {
                tasks.into_iter().for_each(|task| machine.run(task));
                Ok(())
            }
        }
    }
}
