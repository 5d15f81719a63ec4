//! What the tasks of a history share, and what one of them may do: every call, and every way out of what it gives.

use crate::ledger::{Key, Ledger, Lives, Session, step};
use shuttle::rand::{Rng, thread_rng};
use shuttle::{future::block_on, thread};
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::time::Duration;
use turnwise::{
    Closing, EnterError, Entry, Old, Phase, Registry, Ticket, Turn, Vacancy, WaitError,
};

/// Seeded the same each time: a schedule can be run again only if everything else is the same.
type Fixed = BuildHasherDefault<DefaultHasher>;

pub(crate) const KEYS: [Key; 2] = [0, 1];
const TASKS: usize = 3;

/// A registry that behaves the same in each run.
pub(crate) fn registry<V>(shards: usize) -> Registry<Key, V, (), Fixed> {
    Registry::builder()
        .shards(shards)
        .hasher(Fixed::default())
        .build()
}

/// What the tasks of one history share.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) sessions: Registry<Key, Session, (), Fixed>,
    pub(crate) ledger: Arc<Ledger>,
    /// Does anyone send lines away? Not while some replace: who loses his place then has lost it to a bug.
    dismisses: bool,
}

impl World {
    pub(crate) fn new(shards: usize, lives: Lives) -> Self {
        Self {
            sessions: registry(shards),
            ledger: Ledger::new(lives),
            dismisses: lives == Lives::One,
        }
    }

    /// Starts the tasks, and waits for their end.
    pub(crate) fn run(&self, task: impl Fn(&Self) + Clone + Send + 'static) {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (world, task) = (self.clone(), task.clone());
                thread::spawn(move || task(&world))
            })
            .collect();
        for task in tasks {
            task.join().expect("a panic has failed the run already");
        }
    }

    /// C12: what rests is in the map, and nothing else; with the last registry it goes too.
    pub(crate) fn settle(self) {
        let Self {
            sessions, ledger, ..
        } = self;
        sessions.check_invariants();
        let resting = sessions.snapshot();
        for seen in &resting {
            assert_eq!(
                seen.status().phase,
                Phase::Idle,
                "nobody holds a turn any more"
            );
            assert_eq!(seen.status().waiting, 0, "nobody waits any more");
        }
        assert_eq!(sessions.len(), resting.len(), "every slot holds a session");
        ledger.at_rest(resting.len());
        drop(resting);
        drop(sessions);
        ledger.at_rest(0);
    }

    fn refused(&self, error: EnterError) {
        assert_eq!(error, EnterError::Dismissed);
        assert!(self.dismisses, "C5: a place in the line was lost");
    }

    /// Starts what is vacant, works one turn, and leaves by one of the ways out.
    pub(crate) fn serve(&self, entry: Entry<Key, Session>) {
        match entry {
            Entry::Occupied(turn) => self.work(turn),
            Entry::Vacant(vacancy) => self.start(vacancy),
        }
    }

    fn start(&self, vacancy: Vacancy<Key, Session>) {
        let key = *vacancy.key();
        let held = self
            .ledger
            .hold(key, vacancy.incarnation(), vacancy.ticket());
        match thread_rng().gen_range(0..8u8) {
            0 => step(),
            1 => panics(|| {
                let _vacancy = vacancy;
                let _held = held;
                step();
                engine::panic_now()
            }),
            _ => {
                let session = self.ledger.start(key);
                // The turn goes on in the same incarnation.
                drop(held);
                self.work(vacancy.fill(session));
            }
        }
    }

    fn work(&self, mut turn: Turn<Key, Session>) {
        let key = *Turn::key(&turn);
        let held = self
            .ledger
            .hold(key, Turn::incarnation(&turn), Turn::ticket(&turn));
        turn.work();
        match thread_rng().gen_range(0..8u8) {
            0 => panics(|| {
                let mut turn = turn;
                let _held = held;
                turn.spoil();
                engine::panic_now()
            }),
            1 => {
                drop(held);
                let ticket = Turn::ticket(&turn);
                self.end(Turn::vacate(turn), ticket);
            }
            2 => {
                drop(held);
                drop(Turn::release(turn));
            }
            _ => {
                drop(held);
                drop(turn);
            }
        }
    }

    fn end(&self, closing: Closing<Key, Session>, ticket: Ticket) {
        let held = self
            .ledger
            .hold(*closing.key(), closing.incarnation(), ticket);
        step();
        drop(held);
        match thread_rng().gen_range(0..3u8) {
            0 => drop(closing),
            1 => {
                let (vacancy, session) = closing.split();
                drop(session);
                drop(vacancy);
            }
            _ => self.start(closing.closed()),
        }
    }

    /// One operation that keeps C2.
    pub(crate) fn plain(&self) {
        let key = KEYS[thread_rng().gen_range(0..KEYS.len())];
        match thread_rng().gen_range(0..12u8) {
            0 => match self.sessions.enter_blocking(&key) {
                Ok(entry) => self.serve(entry),
                Err(refused) => self.refused(refused),
            },
            1 | 2 => match block_on(self.sessions.enter(&key)) {
                Ok(entry) => self.serve(entry),
                Err(refused) => self.refused(refused),
            },
            3 => {
                let enter = self.sessions.enter(&key);
                step();
                drop(enter);
            }
            4 => match self
                .sessions
                .enter(&key)
                .wait_timeout(Duration::from_millis(1))
            {
                Ok(entry) => self.serve(entry),
                Err(WaitError::TimedOut(enter)) => drop(enter),
                Err(WaitError::Refused(refused)) => self.refused(refused),
                Err(other) => panic!("{other:?}"),
            },
            5 => {
                if let Ok(entry) = self.sessions.try_enter(&key) {
                    self.serve(entry);
                }
            }
            6 => {
                if let Some(enter) = self.sessions.enter_existing(&key) {
                    match enter.wait() {
                        Ok(entry) => self.serve(entry),
                        Err(refused) => self.refused(refused),
                    }
                }
            }
            7 => {
                self.sessions
                    .cleanup_idle(Duration::ZERO, |_, session, _| drop(session));
            }
            8 => {
                if let Some(turn) = self.sessions.claim_idle(Duration::ZERO).next() {
                    self.work(turn);
                }
            }
            9 => {
                if let Some(seen) = self.sessions.observe(&key) {
                    step();
                    if let Ok(turn) = seen.claim() {
                        self.work(turn);
                    }
                }
            }
            10 if self.dismisses => {
                self.sessions.dismiss(&key);
            }
            _ => {
                self.sessions.touch(&key);
                let _ = self.sessions.status(&key);
            }
        }
    }

    /// One operation that supersedes whoever is there.
    pub(crate) fn supersede(&self) {
        let key = KEYS[thread_rng().gen_range(0..KEYS.len())];
        let replaced = match thread_rng().gen_range(0..4u8) {
            0 => Some(
                self.sessions
                    .replace(&key)
                    .expect("never closed, never full"),
            ),
            1 => {
                self.part(self.sessions.remove(&key));
                None
            }
            2 => self.sessions.observe(&key).and_then(|seen| {
                step();
                seen.replace().ok()
            }),
            _ => {
                if let Some(seen) = self.sessions.observe(&key) {
                    step();
                    self.part(seen.remove().unwrap_or(None));
                }
                None
            }
        };
        if let Some(replaced) = replaced {
            self.part(replaced.old);
            self.start(replaced.vacancy);
        }
    }

    fn part(&self, old: Option<Old<Key, Session>>) {
        match old {
            Some(Old::Rested(session)) => drop(session),
            Some(Old::Held(departure)) if thread_rng().gen_range(0..2u8) == 0 => departure.wait(),
            Some(Old::Held(_)) | None => {}
        }
    }
}

/// Runs what panics, and catches it.
fn panics(body: impl FnOnce()) {
    assert!(engine::unwind(body).is_err(), "it panicked");
}
