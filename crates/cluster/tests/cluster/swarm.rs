//! Nodes that ask for keys, act on them and release them, at random times.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use turnwise::manager::NotOwned;
use turnwise_cluster::{
    Node, Settings,
    testing::{Did, Faults, Held, Link, World},
};

/// Faults end then.
pub(crate) const HEALED: Duration = Duration::from_secs(60);
/// No session is started from then on, and each is stopped.
const CLOSED: Duration = Duration::from_secs(80);
/// Nothing is under way any more.
const QUIET: Duration = Duration::from_secs(100);

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// All that can go wrong, but for doubled requests.
pub(crate) const ALL: Faults = Faults {
    lost: 3,
    late: 10,
    doubled: 0,
    cuts: 3,
    pauses: 2,
    drift: 5,
    early: 0,
};

/// A world with nodes, each of which wants each key.
#[derive(Clone)]
pub(crate) struct Swarm {
    pub(crate) world: World,
    pub(crate) nodes: Vec<Node<Link>>,
    pub(crate) keys: Vec<&'static str>,
    seed: u64,
    faults: Faults,
    pub(crate) habits: Habits,
    asks: Arc<AtomicUsize>,
    guards: Option<Vec<Guards>>,
    /// What a resource that compares fences would say. Sessions may be stopped between their look and their act.
    resource: Option<Arc<Mutex<Resource>>>,
}

/// What sessions and calls do.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    /// In percent: how often a session rests for up to so many seconds instead of 0.3.
    pub(crate) rests: (usize, f64),
    /// In percent: how often a call goes before its answer.
    pub(crate) goes: usize,
    /// Calls of the first node only. What a call that went did is unknown, and excuses much.
    pub(crate) only_first: bool,
    /// The longest pause between two calls.
    pub(crate) pause: f64,
    /// The longest session.
    pub(crate) life: f64,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            rests: (10, 8.0),
            goes: 20,
            only_first: false,
            pause: 2.0,
            life: 40.0,
        }
    }
}

/// Keeps the highest fence. One for each key would say no more: all fences are one sequence.
#[derive(Default)]
pub(crate) struct Resource {
    highest: u64,
    pub(crate) refused: usize,
    pub(crate) fault: Option<String>,
}

/// The margin is what it must be, and no more: twice 5 % of 10 s, and a nap.
pub(crate) fn settings(machine: usize) -> Settings {
    Settings::new(NAMES[machine]).margin(SECOND * 6 / 5)
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Swarm {
    pub(crate) fn new(seed: u64, nodes: usize, keys: usize, faults: Faults) -> Self {
        let world = World::new(seed, nodes, faults, HEALED);
        let node = |machine| {
            let node = world.node(machine, settings(machine));
            node.expect("the settings make sense")
        };
        Self {
            nodes: (0..nodes).map(node).collect(),
            keys: ["x", "y"][..keys].to_vec(),
            seed,
            faults,
            habits: Habits::default(),
            asks: Arc::default(),
            guards: None,
            resource: None,
            world,
        }
    }

    /// The same, with guards.
    pub(crate) fn guarded(seed: u64, nodes: usize, keys: usize, faults: Faults) -> Self {
        let mut swarm = Self::new(seed, 0, keys, faults);
        swarm.world = World::new(seed, nodes, faults, HEALED);
        let guards: Vec<_> = (0..nodes).map(|_| Guards::default()).collect();
        let nodes = guards.iter().enumerate().map(|(machine, guards)| {
            let (world, guards) = (swarm.world.clone(), guards.clone());
            let begin = move || {
                let (before, guards) = (world.clock(machine), guards.clone());
                let world = world.clone();
                move |time| guards.told(world.clock(machine), before + time)
            };
            let node = swarm.world.guarded(machine, settings(machine), begin);
            node.expect("the settings make sense")
        });
        swarm.nodes = nodes.collect();
        swarm.guards = Some(guards);
        swarm
    }

    /// Runs it to its end, and checks what happened. Then somebody must be able to have each key.
    pub(crate) fn check(seed: u64, nodes: usize, keys: usize, faults: Faults) -> (usize, usize) {
        let swarm = Self::new(seed, nodes, keys, faults);
        swarm.live();
        let counts = swarm.world.history().counts();
        swarm.passes(seed);
        swarm.nobody_is_stuck(seed, false);
        swarm.world.end();
        counts
    }

    /// A request that takes effect twice is no step of one register, so B12 is not asked for then.
    pub(crate) fn passes(&self, seed: u64) {
        let history = self.world.history();
        let mut end = history.exclusive().and_then(|()| history.fences());
        if self.faults.doubled == 0 {
            end = end.and_then(|()| history.linearizable());
        }
        if let Err(words) = end {
            panic!("{words}\nseed {seed}");
        }
    }

    /// The same with stops between a look and an act, and a resource that compares fences.
    pub(crate) fn fenced(seed: u64, nodes: usize, faults: Faults) -> (Self, Arc<Mutex<Resource>>) {
        let mut swarm = Self::new(seed, nodes, 1, faults);
        let resource = Arc::<Mutex<Resource>>::default();
        swarm.resource = Some(Arc::clone(&resource));
        swarm.live();
        (swarm, resource)
    }

    pub(crate) fn live(&self) {
        for machine in 0..self.nodes.len() {
            for key in self.keys.clone() {
                let swarm = self.clone();
                let lives = async move { swarm.lives(machine, key).await };
                self.world.spawn(machine, lives);
            }
        }
        self.world.run(QUIET);
    }

    async fn lives(&self, machine: usize, key: &'static str) {
        while self.world.now() < CLOSED {
            self.sleep(machine, 0.0, self.habits.pause).await;
            let may = machine == 0 || !self.habits.only_first;
            let gives_up = may && self.world.chance(|chance| chance.percent(self.habits.goes));
            let asking = self.ask(machine, key);
            let held = if gives_up {
                let limit = self.sleep(machine, 0.0, self.habits.pause);
                either(asking, limit).await
            } else {
                Some(asking.await)
            };
            if let Some(Some(held)) = held {
                self.session(machine, key, held).await;
            }
        }
    }

    /// Asks once, and writes down what came of it.
    pub(crate) async fn ask(&self, machine: usize, key: &'static str) -> Option<Held<Link>> {
        let (name, history) = (NAMES[machine], self.world.history());
        let ask = self.asks.fetch_add(1, Ordering::SeqCst);
        history.push(name, key, Did::Asks(ask));
        match Held::acquire(&self.nodes[machine], key).await {
            // The manager looks once more before it starts.
            Ok(held) if held.term().holds() => {
                history.push(name, key, Did::Owns(ask, held.fence()));
                return Some(held);
            }
            Ok(held) => {
                history.push(name, key, Did::Fails(ask));
                held.release();
            }
            Err(NotOwned::Elsewhere(other)) => {
                history.push(name, key, Did::Elsewhere(ask, other.to_string()));
            }
            Err(_) => history.push(name, key, Did::Fails(ask)),
        }
        None
    }

    /// Acts, or rests for a while, until it is stopped or its term has ended.
    async fn session(&self, machine: usize, key: &'static str, held: Held<Link>) {
        let (name, history, fence) = (NAMES[machine], self.world.history(), held.fence());
        let life = self
            .world
            .chance(|chance| chance.seconds(0.0, self.habits.life));
        let end = (self.world.now() + life).min(CLOSED);
        let guard = self.guards.as_ref().map(|guards| guards[machine].start());
        loop {
            let (often, long) = self.habits.rests;
            let rests = self.world.chance(|chance| chance.percent(often));
            let (from, to) = if rests { (0.3, long) } else { (0.3, 0.3) };
            self.sleep(machine, from, to).await;
            let holds = held.term().holds();
            if let Some(guard) = &guard {
                let killed = guard.is_killed(self.world.clock(machine));
                assert_eq!(
                    killed, !holds,
                    "B4: a guard ends what is lost, and nothing else"
                );
            }
            if !holds {
                history.push(name, key, Did::Loses(fence));
                break;
            }
            if self.resource.is_none() && self.faults.early == 0 {
                let owner = self.world.owner(key).map(|(_, owner)| owner);
                let is_own = owner.as_deref() == Some(self.nodes[machine].owner());
                assert!(
                    is_own,
                    "B1: {name} acts, and the engine lets others in\nseed {}",
                    self.seed
                );
            }
            if self.world.now() > end {
                history.push(name, key, Did::Releases(fence));
                break;
            }
            self.act(name, key, fence);
        }
        held.release();
    }

    fn act(&self, name: &'static str, key: &'static str, fence: u64) {
        let history = self.world.history();
        history.push(name, key, Did::Acts(fence));
        let Some(resource) = &self.resource else {
            return;
        };
        // Stopped between the look and the act.
        let late = self.world.chance(|chance| {
            let late = chance.percent(5);
            late.then(|| chance.seconds(0.0, 20.0))
        });
        let resource = Arc::clone(resource);
        self.world.after(late.unwrap_or_default(), move |world| {
            let owner = world.owner(key).map(|(fence, _)| fence);
            let mut resource = resource.lock().expect("nothing panics with it");
            if fence >= resource.highest {
                resource.highest = fence;
                return;
            }
            resource.refused += 1;
            if owner == Some(fence) {
                resource.fault = Some(format!("B2: the owner's {fence} is refused"));
            }
        });
    }

    /// Each key can be had. If `at_once`, by any node. Otherwise a record may be left that no session rests on, by a request that came
    /// late or twice, and the node that it names can have the key.
    pub(crate) fn nobody_is_stuck(&self, seed: u64, at_once: bool) {
        let done = Arc::new(AtomicUsize::new(0));
        for (index, key) in self.keys.iter().enumerate() {
            let (swarm, done, key) = (self.clone(), Arc::clone(&done), *key);
            self.world.spawn(index, async move {
                let asked = Held::acquire(&swarm.nodes[index], key).await;
                let asked = match asked {
                    Err(NotOwned::Elsewhere(other)) if !at_once => {
                        let other = NAMES.iter().position(|name| **name == *other);
                        let other = other.expect("it is the name of a node");
                        Held::acquire(&swarm.nodes[other], key).await
                    }
                    asked => asked,
                };
                match asked {
                    Ok(held) => held.release(),
                    Err(error) => panic!("B8: nobody can have {key}: {error:?}\nseed {seed}"),
                }
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        self.world.run(QUIET + 20 * SECOND);
        let done = done.load(Ordering::SeqCst);
        assert_eq!(done, self.keys.len(), "B8: a call has no end\nseed {seed}");
    }

    async fn sleep(&self, machine: usize, from: f64, to: f64) {
        let time = self.world.chance(|chance| chance.seconds(from, to));
        self.world.sleep(machine, time).await;
    }
}

/// The guards of a machine's sessions, as `turnwise-process` has them: a deadline that has passed is not moved.
#[derive(Clone, Default)]
struct Guards(Arc<Mutex<(Duration, Vec<Guard>)>>);

#[derive(Clone)]
struct Guard(Arc<Mutex<Duration>>);

impl Guards {
    fn start(&self) -> Guard {
        let mut guards = self.0.lock().expect("nothing panics with it");
        let guard = Guard(Arc::new(Mutex::new(guards.0)));
        guards.1.push(guard.clone());
        guard
    }

    fn told(&self, now: Duration, until: Duration) {
        let mut guards = self.0.lock().expect("nothing panics with it");
        guards.0 = until;
        guards
            .1
            .retain(|guard| Arc::strong_count(&guard.0) > 1 && !guard.is_killed(now));
        for guard in &guards.1 {
            *guard.0.lock().expect("nothing panics with it") = until;
        }
    }
}

impl Guard {
    fn is_killed(&self, now: Duration) -> bool {
        now >= *self.0.lock().expect("nothing panics with it")
    }
}

/// `None` if the second ends first.
pub(crate) async fn either<T>(
    first: impl Future<Output = T>,
    second: impl Future<Output = ()>,
) -> Option<T> {
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    std::future::poll_fn(move |cx| match first.as_mut().poll(cx) {
        std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
        std::task::Poll::Pending => second.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// The seeds of every day, and one that is drawn; `TURNWISE_SEED` names one alone.
pub(crate) fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let one = std::env::var("TURNWISE_SEED").ok();
    let one: Option<u64> = one.map(|seed| seed.parse().expect("it is a number"));
    let times = std::env::var("TURNWISE_TIMES").ok();
    let times: u64 = times.map_or(1, |times| times.parse().expect("it is a number"));
    one.map_or(0..count * times, |seed| seed..seed + 1)
}
