//! How long an etcd does not answer, as a client sees it that uses nothing of turnwise.

use crate::post;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// Asks each member for a value all the time. It stops when this is dropped.
#[derive(Debug)]
pub struct Away {
    seen: Arc<Mutex<Seen>>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Seen {
    answered: Instant,
    longest: Duration,
}

impl Seen {
    fn longest(&self) -> Duration {
        self.longest.max(self.answered.elapsed())
    }
}

impl Away {
    /// Of the members that listen on these ports.
    pub fn watch(ports: impl IntoIterator<Item = u16>) -> Self {
        let (answered, longest) = (Instant::now(), Duration::ZERO);
        let seen = Arc::new(Mutex::new(Seen { answered, longest }));
        let mut tasks = JoinSet::new();
        for port in ports {
            let seen = Arc::clone(&seen);
            tasks.spawn(async move {
                loop {
                    // A leader answers this only after it has heard from a majority, and no disk is written: as for a renewal.
                    let answer = post(port, "/v3/kv/range", r#"{"key":"AA=="}"#).await;
                    if answer.is_some_and(|answer| answer["header"].is_object()) {
                        let mut seen = lock(&seen);
                        seen.longest = seen.longest();
                        seen.answered = Instant::now();
                    }
                    sleep(Duration::from_millis(50)).await;
                }
            });
        }
        let _tasks = tasks;
        Self { seen, _tasks }
    }

    /// The longest time without an answer of any member.
    pub fn longest(&self) -> Duration {
        lock(&self.seen).longest()
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
