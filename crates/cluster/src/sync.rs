//! The one file that differs between what ships and what is checked: see the same file of `turnwise`.

#[cfg(feature = "model")]
pub(crate) use engine::{Arc, atomic};

#[cfg(not(feature = "model"))]
pub(crate) use self::real::{boot_nanos, nonce, own_thread};
#[cfg(not(feature = "model"))]
pub(crate) use std::sync::{Arc, atomic};

/// What a node runs.
pub(crate) type Task = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// The lock of what the simulation records. No checker sees it, so it adds no schedules. It is not held across a wait.
#[cfg(feature = "testing")]
pub(crate) use std::sync::{Mutex as Unseen, PoisonError};

/// In the checked build each node has a simulated host.
#[cfg(feature = "model")]
mod unreal {
    use super::Task;
    use std::io;

    pub(crate) fn boot_nanos() -> u64 {
        unreachable!("a simulated host has its own clock")
    }

    pub(crate) fn nonce() -> u64 {
        unreachable!("a simulated host has its own")
    }

    pub(crate) fn own_thread(_: Vec<Task>) -> io::Result<()> {
        unreachable!("a simulated host runs its tasks")
    }
}
#[cfg(feature = "model")]
pub(crate) use self::unreal::{boot_nanos, nonce, own_thread};

#[cfg(not(feature = "model"))]
mod real {
    use super::Task;
    use std::{
        hash::{BuildHasher, RandomState},
        io, process, thread,
    };

    /// A clock that goes on while the machine is suspended. Since its start, in nanoseconds.
    #[cfg(unix)]
    #[inline]
    pub(crate) fn boot_nanos() -> u64 {
        use rustix::time::{ClockId, clock_gettime};
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let now = clock_gettime(clock);
        // None is negative, and 64 bits hold 584 years.
        (now.tv_sec as u64) * 1_000_000_000 + now.tv_nsec as u64
    }

    #[cfg(not(unix))]
    pub(crate) fn boot_nanos() -> u64 {
        use std::{sync::OnceLock, time::Instant};
        static BEGIN: OnceLock<Instant> = OnceLock::new();
        BEGIN.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 1
    }

    /// A number that no other process and no other node has.
    pub(crate) fn nonce() -> u64 {
        RandomState::new().hash_one((process::id(), boot_nanos()))
    }

    /// Runs the tasks on a thread of their own, with a runtime of its own. It ends with the first of them.
    pub(crate) fn own_thread(tasks: Vec<Task>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let run = move || {
            let mut tasks = tasks.into_iter();
            let first = tasks.next();
            runtime.block_on(async {
                tasks.for_each(|task| drop(tokio::spawn(task)));
                if let Some(first) = first {
                    first.await;
                }
            });
        };
        let thread = thread::Builder::new().name("turnwise-lease".to_owned());
        thread.spawn(run).map(drop)
    }
}
