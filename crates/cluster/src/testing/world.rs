//! Machines with clocks of their own, and a network that loses, delays and doubles messages. All from one seed.

use super::{
    chance::Chance,
    history::{Did, History},
    queue::{Queue, Ready, Running},
    store::Store,
};
use crate::{
    host::Task,
    sync::{Arc, PoisonError, Unseen},
};
use std::{
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    mem,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// What the network and the machines do wrong, until a moment. Numbers are percents of messages.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Lost: one direction of one message.
    pub lost: usize,
    /// Later than others: half of these by 0.3 to 2 s, and half by up to 15 s.
    pub late: usize,
    /// A request arrives twice.
    pub doubled: usize,
    /// Each machine is cut off so often, for up to 25 s. Half of what is sent meanwhile arrives after that.
    pub cuts: usize,
    /// Each machine is stopped so often, for up to 25 s.
    pub pauses: usize,
    /// The highest difference of the rates of a machine's clock and the engine's, in percent.
    pub drift: usize,
    /// The engine revokes a lease too early: of renewals.
    pub early: usize,
}

/// A simulated world. Clones are the same world.
#[derive(Clone)]
pub struct World(Arc<Inner>);

struct Inner {
    state: Unseen<State>,
    history: History,
    ready: Queue,
    /// Runs tasks elsewhere, if not here.
    elsewhere: Option<Box<dyn Fn(Task) + Send + Sync>>,
}

pub(crate) struct State {
    pub(crate) now: u64,
    /// By time, and then in the order in which they were made.
    events: BTreeMap<(u64, u64), Box<dyn FnOnce(&World) + Send>>,
    made: u64,
    pub(crate) chance: Chance,
    pub(crate) faults: Faults,
    /// From then on there are no faults.
    pub(crate) healed: u64,
    pub(crate) store: Store,
    pub(crate) asked: usize,
    machines: Vec<Clock>,
    tasks: Vec<Running>,
}

#[derive(Clone, Default)]
struct Clock {
    offset: u64,
    rate: f64,
    cuts: Vec<(u64, u64)>,
    pauses: Vec<(u64, u64)>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

impl World {
    /// Returns a world with this number of machines. Its faults end at `healed`. Its tasks run in [`run`](Self::run).
    pub fn new(seed: u64, machines: usize, faults: Faults, healed: Duration) -> Self {
        Self::with(seed, machines, faults, healed, None)
    }

    /// Returns a world whose tasks `spawn` runs, for another scheduler. Time passes when [`pass`](Self::pass) is called.
    pub fn elsewhere(
        seed: u64,
        machines: usize,
        faults: Faults,
        healed: Duration,
        spawn: impl Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        Self::with(seed, machines, faults, healed, Some(Box::new(spawn)))
    }

    fn with(
        seed: u64,
        machines: usize,
        faults: Faults,
        healed: Duration,
        elsewhere: Option<Box<dyn Fn(Task) + Send + Sync>>,
    ) -> Self {
        let mut chance = Chance::new(seed);
        let end = healed.as_secs_f64();
        let times = |of: usize, chance: &mut Chance| {
            let times = (0..of).map(|_| {
                let from = chance.seconds(0.0, end).as_nanos() as u64;
                let until = from + chance.seconds(0.5, 25.0).as_nanos() as u64;
                (from, until.min(healed.as_nanos() as u64))
            });
            times.collect()
        };
        let machines = (0..machines).map(|_| {
            let drift = faults.drift as f64 / 100.0;
            let part = chance.below(2001) as f64 / 1000.0 - 1.0;
            Clock {
                offset: 1_000_000_000 * (1 + chance.below(1000) as u64),
                rate: 1.0 + part * drift,
                cuts: times(faults.cuts, &mut chance),
                pauses: times(faults.pauses, &mut chance),
            }
        });
        let machines: Vec<Clock> = machines.collect();
        let mut state = State {
            now: 0,
            events: BTreeMap::new(),
            made: 0,
            chance,
            faults,
            healed: healed.as_nanos() as u64,
            store: Store::default(),
            asked: 0,
            machines,
            tasks: Vec::new(),
        };
        // A machine that goes on is an event, too.
        let stops = state.machines.iter().flat_map(|machine| &machine.pauses);
        for until in stops.map(|(_, until)| *until).collect::<Vec<_>>() {
            state.after(until, Box::new(|_| ()));
        }
        Self(Arc::new(Inner {
            state: Unseen::new(state),
            history: History::default(),
            ready: Queue::default(),
            elsewhere,
        }))
    }

    pub(crate) fn with_state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut state)
    }

    /// Returns the history.
    pub fn history(&self) -> &History {
        &self.0.history
    }

    /// Cuts this machine off from the engine, from one time until another, by the engine's clock.
    pub fn cut(&self, machine: usize, from: Duration, until: Duration) {
        let cut = (from.as_nanos() as u64, until.as_nanos() as u64);
        self.with_state(|state| state.machines[machine].cuts.push(cut));
    }

    /// Returns the time, by the engine's clock.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.with_state(|state| state.now))
    }

    /// Returns the time, by the clock of this machine.
    pub fn clock(&self, machine: usize) -> Duration {
        let now = self.with_state(|state| {
            let Clock { offset, rate, .. } = state.machines[machine];
            offset + (state.now as f64 * rate) as u64
        });
        Duration::from_nanos(now)
    }

    /// Calls a closure with the world's generator of numbers.
    pub fn chance<T>(&self, act: impl FnOnce(&mut Chance) -> T) -> T {
        self.with_state(|state| act(&mut state.chance))
    }

    /// Returns the number of batches that have reached the engine.
    pub fn asked(&self) -> usize {
        self.with_state(|state| state.asked)
    }

    /// Runs a task on this machine. It stands still while the machine is stopped.
    pub fn spawn(&self, machine: usize, task: impl Future<Output = ()> + Send + 'static) {
        let task: Task = Box::pin(task);
        if let Some(spawn) = &self.0.elsewhere {
            return spawn(task);
        }
        let queue = Arc::clone(&self.0.ready);
        let ready = self.with_state(|state| {
            let ready = Arc::new(Ready {
                task: state.tasks.len(),
                woken: AtomicBool::new(false),
                queue,
            });
            state.tasks.push(Running {
                machine,
                task: Some(task),
                ready: Arc::clone(&ready),
            });
            ready
        });
        ready.wake();
    }

    /// Calls a closure after this time, by the engine's clock.
    pub fn after(&self, time: Duration, act: impl FnOnce(&Self) + Send + 'static) {
        self.with_state(|state| state.after(time.as_nanos() as u64, Box::new(act)));
    }

    /// Sleeps by the clock of this machine.
    pub fn sleep(&self, machine: usize, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        let rate = self.with_state(|state| state.machines[machine].rate);
        let waker: Arc<Unseen<(bool, Option<Waker>)>> = Arc::default();
        let timer = Arc::clone(&waker);
        self.after(time.div_f64(rate), move |_| {
            let mut waker = timer.lock().unwrap_or_else(PoisonError::into_inner);
            waker.0 = true;
            let waker = waker.1.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        poll_fn(move |cx| {
            let mut timer = waker.lock().unwrap_or_else(PoisonError::into_inner);
            if timer.0 {
                return Poll::Ready(());
            }
            timer.1 = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    /// Lets this time pass, with everything that is due meanwhile.
    pub fn pass(&self, time: Duration) {
        let until = self.with_state(|state| state.now + time.as_nanos() as u64);
        while self.advance(until) {}
        self.with_state(|state| state.now = until);
    }

    /// The next event until this moment happens. False if there is none.
    fn advance(&self, until: u64) -> bool {
        let event = self.with_state(|state| {
            let first = state.events.first_entry()?;
            let (at, _) = *first.key();
            (at <= until).then(|| {
                state.now = state.now.max(at);
                first.remove()
            })
        });
        event.map(|event| event(self)).is_some()
    }

    /// Runs all tasks until this moment. All tasks that can run do so before time passes, in a random order.
    pub fn run(&self, until: Duration) {
        while self.now() < until {
            if !self.step() && !self.advance(u64::MAX) {
                return;
            }
        }
    }

    /// Drops all tasks and everything that is due later.
    pub fn end(&self) {
        let (tasks, events) =
            self.with_state(|state| (mem::take(&mut state.tasks), mem::take(&mut state.events)));
        drop((tasks, events));
    }

    /// One task runs. False if none can.
    fn step(&self) -> bool {
        let chosen = self.with_state(|state| {
            let now = state.now;
            let mut queue = self.0.ready.lock().unwrap_or_else(PoisonError::into_inner);
            let goes = |task: &usize| {
                let machine = &state.machines[state.tasks[*task].machine];
                !machine.pauses.iter().any(|(a, b)| (*a..*b).contains(&now))
            };
            let first = state.chance.below(queue.len().max(1));
            let index = (first..queue.len()).chain(0..first);
            let index = { index }.find(|index| goes(&queue[*index]))?;
            let index = queue.swap_remove(index);
            drop(queue);
            let running = &mut state.tasks[index];
            running.ready.woken.store(false, Ordering::SeqCst);
            let waker = Waker::from(Arc::clone(&running.ready));
            Some((index, running.task.take(), waker))
        });
        let Some((index, task, waker)) = chosen else {
            return false;
        };
        let Some(mut task) = task else {
            return true;
        };
        let end = task.as_mut().poll(&mut Context::from_waker(&waker));
        if end.is_pending() {
            self.with_state(|state| state.tasks[index].task = Some(task));
        }
        true
    }

    /// Returns the fence and the owner of a key at the engine.
    pub fn owner(&self, key: &str) -> Option<(u64, Arc<str>)> {
        let owner = self.with_state(|state| state.store.owner(state.now, key.as_bytes()));
        self.note_expired();
        owner
    }

    pub(crate) fn note_expired(&self) {
        for (key, fence) in self.with_state(|state| state.store.expired()) {
            let key = String::from_utf8_lossy(&key);
            self.history().push("engine", &key, Did::Expired(fence));
        }
    }

    /// A message to or from a machine.
    pub(crate) fn send(&self, machine: usize, act: impl FnOnce(&Self) + Send + 'static) {
        self.with_state(|state| {
            if let Some(delay) = state.delay(machine) {
                state.after(delay, Box::new(act));
            }
        });
    }
}

impl State {
    pub(crate) fn after(&mut self, time: u64, act: Box<dyn FnOnce(&World) + Send>) {
        self.made += 1;
        let at = (self.now.saturating_add(time), self.made);
        self.events.insert(at, act);
    }

    /// `None` if the message is lost.
    fn delay(&mut self, machine: usize) -> Option<u64> {
        let nanos = |time: Duration| time.as_nanos() as u64;
        let (now, faults, chance) = (self.now, self.faults, &mut self.chance);
        let short = nanos(chance.seconds(0.000_1, 0.3));
        let mut cuts = self.machines[machine].cuts.iter();
        if let Some((_, end)) = cuts.find(|(a, b)| (*a..*b).contains(&now)) {
            let late = nanos(chance.seconds(0.0, 5.0));
            return chance.percent(50).then(|| end - now + late);
        }
        if now >= self.healed {
            return Some(short / 10);
        }
        if chance.percent(faults.lost) {
            return None;
        }
        let late = chance.percent(faults.late);
        Some(match late {
            true if chance.percent(50) => nanos(chance.seconds(0.3, 2.0)),
            true => nanos(chance.seconds(2.0, 15.0)),
            false => short,
        })
    }
}
