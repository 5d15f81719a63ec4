//! tokio for tests: each runtime has a deadline. A test that hangs fails within a minute, and its name is printed.
//!
//! A test program has one line at its root, and every `#[tokio::test]` in it is covered, those of tomorrow too:
//!
//!     extern crate deadline as tokio;
//!
//! Everything is tokio's, except [`runtime::Builder`] and [`runtime::Runtime`], which `#[tokio::test]` expands to. The test
//! `every_test_has_a_deadline` finds programs without the line.
//!
//! Two things end a test that hangs:
//! - Under a paused clock, the clock moves to its next timer whenever nothing can run. A lost wake-up leaves the test's own
//!   future without one, so the clock comes to [`LONGEST`] at once, and the test panics.
//! - A thread of its own, the watchdog, ends the process after [`LIMIT`]: no panic can be put into a test whose thread is
//!   blocked. The name comes from the thread, which libtest calls after its test.

pub use tokio::*;

use std::{
    env,
    io::{Write, stderr},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

/// How long a runtime of a test may live. Seconds do; a loaded machine takes longer.
pub const LIMIT: Duration = Duration::from_secs(55);

/// How far a paused clock may go. Longer than any test sleeps.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// Set to a number of seconds, it is the limit instead of [`LIMIT`]: for tests that are long on purpose, and for canaries.
pub const SECONDS: &str = "TURNWISE_TEST_SECONDS";

/// Ends the process if this is not dropped in time.
#[derive(Debug)]
#[must_use = "it watches until it is dropped"]
pub struct Watch {
    _until: mpsc::Sender<()>,
}

/// Watches this test from now on. For tests without a runtime, `deadline-attribute` calls it.
pub fn watch() -> Watch {
    watch_for(LIMIT)
}

/// The same, for a test that is long on purpose.
pub fn watch_for(limit: Duration) -> Watch {
    let (until, ended) = mpsc::channel();
    let name = thread::current().name().unwrap_or("a thread").to_owned();
    let seconds = env::var(SECONDS).ok().and_then(|text| text.parse().ok());
    let limit = seconds.map_or(limit, Duration::from_secs);
    let watchdog = move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            let words = format!("\n{name} hangs: it has not ended after {limit:?}\n");
            // Not by `eprintln!`: libtest would keep it until the test has ended.
            let _printed = stderr().write_all(words.as_bytes());
            std::process::exit(101);
        }
    };
    let named = thread::Builder::new().name("watchdog".to_owned());
    named.spawn(watchdog).expect("a thread can be started");
    Watch { _until: until }
}

/// tokio's, with a deadline.
pub mod runtime {
    pub use tokio::runtime::*;

    use super::{LONGEST, Watch, watch};
    use std::{io, ops::Deref, thread, time::Duration};

    /// tokio's builder, so far as tests use it.
    #[derive(Debug)]
    pub struct Builder {
        builder: tokio::runtime::Builder,
        is_paused: bool,
    }

    impl Builder {
        /// See tokio's.
        pub fn new_current_thread() -> Self {
            Self {
                builder: tokio::runtime::Builder::new_current_thread(),
                is_paused: false,
            }
        }

        /// See tokio's.
        pub fn new_multi_thread() -> Self {
            Self {
                builder: tokio::runtime::Builder::new_multi_thread(),
                is_paused: false,
            }
        }

        /// See tokio's.
        pub fn worker_threads(&mut self, count: usize) -> &mut Self {
            self.builder.worker_threads(count);
            self
        }

        /// See tokio's.
        pub fn start_paused(&mut self, is_paused: bool) -> &mut Self {
            self.builder.start_paused(is_paused);
            self.is_paused = is_paused;
            self
        }

        /// See tokio's.
        pub fn enable_all(&mut self) -> &mut Self {
            self.builder.enable_all();
            self
        }

        /// A runtime that is watched from now until it is dropped.
        ///
        /// # Errors
        ///
        /// Tokio's.
        pub fn build(&mut self) -> io::Result<Runtime> {
            Ok(Runtime {
                runtime: self.builder.build()?,
                is_paused: self.is_paused,
                _watch: watch(),
            })
        }
    }

    /// A runtime that is watched until it is dropped: the drop is watched too.
    #[derive(Debug)]
    pub struct Runtime {
        runtime: tokio::runtime::Runtime,
        is_paused: bool,
        _watch: Watch,
    }

    impl Runtime {
        /// See tokio's.
        ///
        /// # Panics
        ///
        /// If nothing goes on under a paused clock.
        pub fn block_on<F: Future>(&self, future: F) -> F::Output {
            if !self.is_paused {
                return self.runtime.block_on(future);
            }
            let ended = self.runtime.block_on(async {
                // Made inside the runtime, of which its timer is.
                tokio::time::timeout(LONGEST, future).await
            });
            ended.unwrap_or_else(|_| {
                let this = thread::current();
                let name = this.name().unwrap_or("a thread");
                panic!("{name} hangs: nothing ends it, and the paused clock has gone {LONGEST:?}")
            })
        }

        /// See tokio's.
        pub fn shutdown_background(self) {
            self.runtime.shutdown_background();
        }

        /// See tokio's.
        pub fn shutdown_timeout(self, limit: Duration) {
            self.runtime.shutdown_timeout(limit);
        }
    }

    impl Deref for Runtime {
        type Target = tokio::runtime::Runtime;

        fn deref(&self) -> &Self::Target {
            &self.runtime
        }
    }
}
