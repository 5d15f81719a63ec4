//! Four threads, eight keys, every operation: for ThreadSanitizer (`just tsan`), for Miri, and for the real locks of this
//! machine. What the models check within bounds is run here at full speed, and only tested.
//!
//! Each session holds a plain counter. Two turns at once, or a turn that does not see what the one before it wrote, would
//! be a data race for the sanitizer, and a wrong sum for the test.
//!
//! Claims: C1, C4, C12, C13.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;
use turnwise::*;

/// Each hand-over of a turn may wait for the scheduler: on a loaded machine that is most of the time.
const LONG: Duration = Duration::from_secs(300);
const THREADS: usize = 4;
const KEYS: usize = 8;
/// Under Miri every step is interpreted; ThreadSanitizer costs about ten times.
const ROUNDS: usize = if cfg!(miri) { 40 } else { 60_000 };

/// What was started and what has ended. Relaxed counters and no lock: the book-keeping must not order what the registry
/// should order, or the sanitizer would see no race.
#[derive(Debug, Default)]
struct Ledger {
    born: AtomicUsize,
    died: AtomicUsize,
}

/// A session: its holder's alone, so neither counter needs to be atomic.
#[derive(Debug)]
struct Session {
    ledger: Arc<Ledger>,
    begun: u64,
    ended: u64,
    /// Relaxed, so that it orders nothing that the registry should order.
    busy: AtomicBool,
}

impl Session {
    fn new(ledger: &Arc<Ledger>) -> Self {
        ledger.born.fetch_add(1, Ordering::Relaxed);
        Self {
            ledger: Arc::clone(ledger),
            begun: 0,
            ended: 0,
            busy: AtomicBool::new(false),
        }
    }

    fn work(&mut self) {
        assert!(
            !self.busy.swap(true, Ordering::Relaxed),
            "C1: two turns of one session"
        );
        assert_eq!(
            self.begun, self.ended,
            "C1: the last turn's work is not seen"
        );
        self.begun += 1;
        thread::yield_now();
        self.ended += 1;
        self.busy.store(false, Ordering::Relaxed);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.ledger.died.fetch_add(1, Ordering::Relaxed);
    }
}

/// A small generator of its own: the same sequence on every machine, and nothing shared between threads.
struct Chance(u64);

impl Chance {
    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

type Sessions = Registry<String, Session>;

struct Worker {
    sessions: Sessions,
    ledger: Arc<Ledger>,
    chance: Chance,
}

impl Worker {
    fn round(&mut self) {
        let key = format!("session-{}", self.chance.below(KEYS));
        let key = key.as_str();
        match self.chance.below(20) {
            0..=4 => {
                let entry = self.sessions.enter_blocking(key);
                self.answered(entry);
            }
            5 | 6 => {
                let entry = self.sessions.enter_first(key).wait();
                self.answered(entry);
            }
            7 => self.abandon(key),
            8 => match self
                .sessions
                .enter(key)
                .wait_timeout(Duration::from_micros(20))
            {
                Ok(entry) => self.serve(entry),
                Err(WaitError::TimedOut(enter)) => drop(enter),
                Err(WaitError::Refused(refused)) => assert_eq!(refused, EnterError::Dismissed),
                Err(other) => panic!("a new kind of refusal: {other:?}"),
            },
            9 => {
                if let Some(enter) = self.sessions.enter_existing(key) {
                    let entry = enter.wait();
                    self.answered(entry);
                }
            }
            10 | 11 => {
                if let Ok(entry) = self.sessions.try_enter(key) {
                    self.serve(entry);
                }
            }
            12 => {
                self.sessions
                    .cleanup_idle(Duration::ZERO, |_, session, _| drop(session));
            }
            13 => {
                if let Some(turn) = self.sessions.claim_idle(Duration::ZERO).next() {
                    self.work(turn);
                }
            }
            14 => {
                if let Some(seen) = self.sessions.observe(key) {
                    if let Ok(turn) = seen.claim() {
                        self.work(turn);
                    }
                }
            }
            15 => {
                let replaced = self.sessions.replace(key).expect("neither closed nor full");
                self.part(replaced.old);
                self.start(replaced.vacancy);
            }
            16 => {
                let old = self.sessions.remove(key);
                self.part(old);
            }
            17 => {
                self.sessions.dismiss(key);
            }
            18 => {
                self.sessions.touch(key);
            }
            _ => {
                let _ = self.sessions.status(key);
                let seen = self.sessions.snapshot();
                let number = |seen: &Observed<_, _, _>| seen.status().incarnation;
                let once: BTreeSet<_> = seen.iter().map(number).collect();
                assert_eq!(once.len(), seen.len(), "each incarnation is seen once");
            }
        }
    }

    /// Polls once, so that there is a waker to be woken, and leaves the line.
    fn abandon(&mut self, key: &str) {
        let mut enter = self.sessions.enter(key);
        let answer = std::pin::Pin::new(&mut enter).poll(&mut Context::from_waker(Waker::noop()));
        match answer {
            Poll::Ready(entry) => self.answered(entry),
            Poll::Pending => drop(enter),
        }
    }

    fn answered(&mut self, entry: Result<Entry<String, Session>, EnterError>) {
        match entry {
            Ok(entry) => self.serve(entry),
            Err(refused) => assert_eq!(refused, EnterError::Dismissed),
        }
    }

    fn serve(&mut self, entry: Entry<String, Session>) {
        match entry {
            Entry::Occupied(turn) => self.work(turn),
            Entry::Vacant(vacancy) => self.start(vacancy),
        }
    }

    /// A start fails now and then: the next in line starts, or the key is free.
    fn start(&mut self, vacancy: Vacancy<String, Session>) {
        if self.chance.below(8) == 0 {
            drop(vacancy);
        } else {
            let session = Session::new(&self.ledger);
            self.work(vacancy.fill(session));
        }
    }

    fn work(&mut self, mut turn: Turn<String, Session>) {
        turn.work();
        match self.chance.below(10) {
            0 => self.end(Turn::vacate(turn)),
            1 => drop(Turn::release(turn)),
            _ => drop(turn),
        }
    }

    fn end(&mut self, closing: Closing<String, Session>) {
        if self.chance.below(2) == 0 {
            drop(closing);
        } else {
            self.start(closing.closed());
        }
    }

    fn part(&mut self, old: Option<Old<String, Session>>) {
        match old {
            Some(Old::Held(departure)) if self.chance.below(2) == 0 => departure.wait(),
            old => drop(old),
        }
    }
}

/// At the end everybody has come through, every session has been dropped or rests, and the map holds those that rest.
#[test]
fn threads_and_keys_at_full_speed() {
    let _watch = deadline::watch_for(LONG);
    let ledger = Arc::new(Ledger::default());
    // Two shards, so that keys meet in one.
    let sessions: Sessions = Registry::builder().shards(2).build();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let mut worker = Worker {
                sessions: sessions.clone(),
                ledger: Arc::clone(&ledger),
                chance: Chance(thread as u64 + 1),
            };
            thread::spawn(move || (0..ROUNDS).for_each(|_| worker.round()))
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread's assertion has failed");
    }

    sessions.check_invariants();
    let resting = sessions.snapshot();
    assert_eq!(resting.len(), sessions.len());
    for seen in &resting {
        assert_eq!(
            (seen.status().phase, seen.status().waiting),
            (Phase::Idle, 0)
        );
    }
    let (born, died) = (&ledger.born, &ledger.died);
    assert!(
        born.load(Ordering::Relaxed) > KEYS,
        "something has happened"
    );
    assert_eq!(
        born.load(Ordering::Relaxed),
        died.load(Ordering::Relaxed) + resting.len(),
        "C12"
    );

    drop(resting);
    drop(sessions);
    assert_eq!(
        born.load(Ordering::Relaxed),
        died.load(Ordering::Relaxed),
        "C12: the last registry drops the rest"
    );
}

/// A drain while threads go on entering: each gets in or is told that the registry is closed, and nothing is left.
#[test]
fn a_drain_at_full_speed() {
    let _watch = deadline::watch_for(LONG);
    for round in 0..if cfg!(miri) { 2 } else { 500 } {
        let ledger = Arc::new(Ledger::default());
        let sessions: Sessions = Registry::builder().shards(2).build();
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (sessions, ledger) = (sessions.clone(), Arc::clone(&ledger));
                let mut chance = Chance(round * 100 + thread as u64);
                thread::spawn(move || {
                    loop {
                        match sessions
                            .enter_blocking(format!("session-{}", chance.below(KEYS)).as_str())
                        {
                            Ok(entry) => entry.or_insert_with(|| Session::new(&ledger)).work(),
                            Err(refused) => return assert_eq!(refused, EnterError::Closed),
                        }
                    }
                })
            })
            .collect();
        // Some of them are in the middle of it; how many is left to this machine's scheduler.
        while ledger.born.load(Ordering::Relaxed) < THREADS {
            thread::yield_now();
        }
        let mut drain = sessions.drain();
        while let Some(closing) = drain.next_blocking() {
            drop(closing);
        }
        assert!(sessions.is_empty(), "C13: drained");
        for thread in threads {
            thread.join().expect("a thread's assertion has failed");
        }
        sessions.check_invariants();
        assert_eq!(
            ledger.born.load(Ordering::Relaxed),
            ledger.died.load(Ordering::Relaxed),
            "C12"
        );
    }
}
