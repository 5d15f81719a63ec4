//! What a scenario has: machines with a node and a manager each, and time that passes beside them.

use crate::harness::{History, is_replay};
use crate::record::Recorder;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::clear_triggers;
use turnwise::Incarnation;
use turnwise::manager::{
    Acquiring, Agent, Backend, LossNotice, NotOwned, Owned, Ownership, SendError, SessionManager,
    StopReason, Term, TurnContext, TurnError,
};
use turnwise_cluster::testing::{Did, Faults, Held, Link, World};
use turnwise_cluster::{Node, Settings};

pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];
pub(crate) const MILLI: Duration = Duration::from_millis(1);
/// Time goes on in leaps that end terms, and a message may meet one at each of its tries: in one schedule for 8 s.
const PATIENCE: Duration = Duration::from_secs(30);
/// No manager waits so long.
const LONG: Duration = Duration::from_secs(3600);

/// Plain std, invisible to the scheduler.
type Seen<T> = Arc<Mutex<T>>;

pub(crate) fn see<T, R>(seen: &Mutex<T>, act: impl FnOnce(&mut T) -> R) -> R {
    act(&mut seen.lock().expect("nothing panics with it"))
}

#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) world: World,
    pub(crate) nodes: Vec<Node<Link>>,
    pub(crate) managers: Vec<SessionManager<Actor>>,
    pub(crate) witnesses: Vec<Arc<Witness>>,
    heard: Seen<BTreeSet<u32>>,
    over: Arc<AtomicBool>,
}

impl Cluster {
    /// Time passes from now on. A lease lives for 1 s, with a margin of 0.3 s.
    pub(crate) fn new(machines: usize) -> (Self, JoinHandle<()>) {
        let seed = shuttle::rand::RngCore::next_u64(&mut shuttle::rand::thread_rng());
        let drift = Faults {
            drift: 5,
            ..Faults::default()
        };
        let world = World::elsewhere(seed, machines, drift, Duration::ZERO, |task| {
            drop(tokio::spawn(task));
        });
        let (heard, over) = (Seen::default(), Arc::<AtomicBool>::default());
        let (mut nodes, mut managers, mut witnesses) = (Vec::new(), Vec::new(), Vec::new());
        let asks = Arc::<AtomicUsize>::default();
        for (machine, name) in NAMES.iter().enumerate().take(machines) {
            let settings = Settings::new(*name)
                .time_to_live(1000 * MILLI)
                .margin(300 * MILLI)
                .wait(3000 * MILLI);
            let node = world.node(machine, settings).expect("they make sense");
            let witness = Arc::new(Witness {
                name,
                node: node.clone(),
                world: world.clone(),
                terms: Mutex::default(),
                lost: AtomicUsize::new(0),
                asks: Arc::clone(&asks),
            });
            let actor = Actor {
                witness: Arc::clone(&witness),
                heard: Arc::clone(&heard),
            };
            let manager = SessionManager::builder(actor).shards(1);
            let manager = manager.ownership(Arc::clone(&witness) as _).build();
            managers.push(manager.expect("the settings make sense"));
            nodes.push(node);
            witnesses.push(witness);
        }
        let (clock, ends) = (world.clone(), Arc::clone(&over));
        let clock = tokio::spawn(async move {
            while !ends.load(Ordering::SeqCst) {
                shuttle::future::yield_now().await;
                let time = clock.chance(|chance| {
                    let is_long = chance.below(300) == 0;
                    chance.seconds(0.0, if is_long { 0.6 } else { 0.004 })
                });
                clock.pass(time);
            }
        });
        let cluster = Self {
            world,
            nodes,
            managers,
            witnesses,
            heard,
            over,
        };
        (cluster, clock)
    }

    /// Sends a message, and says what its sender gets.
    pub(crate) async fn send(&self, machine: usize, key: &str, message: u32) -> String {
        let sending = self.managers[machine].send_message(key, message);
        let answer = sending.await;
        let heard = self.has_heard(message);
        let words = match answer {
            Ok(_) => "reply".to_owned(),
            Err(SendError { error, message, .. }) => {
                assert_eq!(
                    message.is_none(),
                    heard,
                    "B4: handed back exactly if unheard"
                );
                let heard = if heard { "heard" } else { "unheard" };
                let error = match error {
                    // Why not is the engine's.
                    TurnError::Unavailable(_) => "Unavailable".to_owned(),
                    error => format!("{error:?}"),
                };
                format!("{heard}, {error}")
            }
        };
        Recorder::current().say(NAMES[machine], format!("{message}: {words}"));
        words
    }

    /// Sends until it is answered: `Elsewhere` is asked there, and what is unheard is sent again.
    pub(crate) async fn deliver(&self, machine: usize, key: &str, message: u32) -> String {
        let mut at = machine;
        while self.world.now() < PATIENCE {
            let words = self.send(at, key, message).await;
            let elsewhere = NAMES
                .iter()
                .position(|name| words.contains(&format!("{name:?}")));
            match elsewhere {
                Some(owner) => at = owner,
                None if words.starts_with("unheard") => at = machine,
                None => return words,
            }
        }
        "undelivered".to_owned()
    }

    /// From now on.
    pub(crate) fn cut(&self, machine: usize, time: Duration) {
        let now = self.world.now();
        self.world.cut(machine, now, now + time);
    }

    /// A task.
    pub(crate) fn spawn<F: Future<Output = R> + Send + 'static, R: Send + 'static>(
        &self,
        act: impl FnOnce(Self) -> F,
    ) -> JoinHandle<R> {
        tokio::spawn(act(self.clone()))
    }

    /// Waits until it is so. Time passes meanwhile.
    pub(crate) async fn until(&self, is: impl Fn() -> bool) {
        while !is() {
            shuttle::future::yield_now().await;
        }
    }

    pub(crate) fn has_heard(&self, message: u32) -> bool {
        see(&self.heard, |heard| heard.contains(&message))
    }

    pub(crate) async fn leave(&self, machine: usize) {
        let shutdown = self.managers[machine].shutdown(LONG);
        self.nodes[machine].leave(shutdown).await;
    }

    /// All nodes leave, and everything has ended.
    pub(crate) async fn end(self, clock: JoinHandle<()>) {
        for machine in 0..self.nodes.len() {
            self.leave(machine).await;
        }
        self.over.store(true, Ordering::SeqCst);
        clock.await.expect("the clock does not panic");
        self.world.end();
        if let Err(words) = self.world.history().check() {
            for line in format!("{:?}", self.world.history()).lines() {
                Recorder::current().say("history", line);
            }
            panic!("{words}");
        }
    }
}

/// The node, as the manager sees it, and what it does.
pub(crate) struct Witness {
    name: &'static str,
    node: Node<Link>,
    world: World,
    terms: Mutex<BTreeMap<u64, Arc<dyn Term>>>,
    pub(crate) lost: AtomicUsize,
    asks: Arc<AtomicUsize>,
}

impl Witness {
    fn did(&self, key: &str, did: Did) {
        Recorder::current().say(self.name, format!("{key} {did:?}"));
        self.world.history().push(self.name, key, did);
    }

    /// One step with the look before it.
    fn acts(&self, key: &str, fence: u64) {
        let term = see(&self.terms, |terms| terms.get(&fence).cloned());
        if term.is_some_and(|term| term.holds()) {
            self.did(key, Did::Acts(fence));
        }
    }
}

impl Ownership<String> for Witness {
    fn acquire<'a>(&'a self, key: &'a String) -> Acquiring<'a> {
        let ask = self.asks.fetch_add(1, Ordering::SeqCst);
        self.did(key, Did::Asks(ask));
        Box::pin(async move {
            let held = Held::acquire(&self.node, key).await;
            match &held {
                Ok(held) => {
                    let term = held.term();
                    see(&self.terms, |terms| {
                        terms.insert(held.fence(), Arc::clone(&term))
                    });
                    // The manager looks, too, before it starts.
                    let holds = term.holds();
                    let owns = Did::Owns(ask, held.fence());
                    self.did(key, if holds { owns } else { Did::Fails(ask) });
                }
                Err(NotOwned::Elsewhere(owner)) => {
                    self.did(key, Did::Elsewhere(ask, owner.to_string()));
                }
                Err(_) => self.did(key, Did::Fails(ask)),
            }
            let held = held?;
            let number = Incarnation::try_from(held.fence()).expect("it is a number");
            Ok(Owned::new(number, held.term()))
        })
    }

    fn release(&self, key: &String, number: Incarnation) {
        self.did(key, Did::Releases(number.get()));
        Ownership::release(&self.node, key, number);
    }

    fn watch(&self, notice: LossNotice) {
        Ownership::<String>::watch(&self.node, notice);
    }
}

/// A backend whose sessions act outside, step by step.
pub(crate) struct Actor {
    witness: Arc<Witness>,
    heard: Seen<BTreeSet<u32>>,
}

/// A message that takes for ever.
pub(crate) const HANGS: u32 = 1000;

impl Backend for Actor {
    type Key = String;
    type Session = (String, u64);
    type Handle = ();
    type Event = Infallible;
    type Error = Infallible;

    async fn start(
        &self,
        key: &String,
        cx: &TurnContext<Infallible>,
    ) -> Result<((String, u64), ()), Infallible> {
        let fence = cx.incarnation().get();
        tokio::task::yield_now().await;
        self.witness.acts(key, fence);
        Ok(((key.clone(), fence), ()))
    }

    async fn stop(
        &self,
        _: &String,
        _: (String, u64),
        reason: StopReason,
    ) -> Result<(), Infallible> {
        if reason == StopReason::Lost {
            self.witness.lost.fetch_add(1, Ordering::SeqCst);
        }
        tokio::task::yield_now().await;
        Ok(())
    }
}

impl Agent for Actor {
    type Message = u32;
    type Reply = u64;

    async fn send(
        &self,
        session: &mut (String, u64),
        message: u32,
        cx: &TurnContext<Infallible>,
    ) -> Result<u64, Infallible> {
        see(&self.heard, |heard| heard.insert(message));
        let (key, fence) = session;
        loop {
            for _ in 0..12 {
                self.witness.acts(key, *fence);
                tokio::task::yield_now().await;
            }
            if message < HANGS || cx.is_cancelled() {
                return Ok(*fence);
            }
        }
    }
}

/// How many were answered, and how many had their answer lost.
pub(crate) fn summary(ends: &[String]) -> String {
    let count = |words: &str| ends.iter().filter(|end| *end == words).count();
    let (replies, lost) = (count("reply"), count("heard, Lost"));
    if replies + lost < ends.len() {
        return ends.join("; ");
    }
    format!("{replies} replies, {lost} lost")
}

/// Every schedule ends in one of these, and each of these is seen, but for the rare ones.
pub(crate) fn ends_in<F, R>(
    (name, claims, tasks): (&'static str, &'static str, usize),
    expected: &'static [&'static str],
    rare: &'static [&'static str],
    run: F,
) where
    F: Fn() -> R + Clone + Send + Sync + 'static,
    R: Future<Output = String> + 'static,
{
    let outcomes = Seen::<BTreeMap<String, usize>>::default();
    let seen = Arc::clone(&outcomes);
    let run = move || {
        // A schedule that failed before may have left some.
        clear_triggers();
        Recorder::begin();
        let outcome = shuttle::future::block_on(run());
        let is_known = expected.iter().chain(rare).any(|end| *end == outcome);
        assert!(
            is_known || std::env::var("SEE").is_ok(),
            "{claims}: not expected, seen: {outcome}"
        );
        see(&seen, |seen| *seen.entry(outcome).or_default() += 1);
    };
    let history = History {
        name,
        claims,
        tasks,
        schedules: 1200,
        run,
    };
    history.sampled();
    if is_replay() {
        return;
    }
    see(&outcomes, |seen| {
        for (outcome, times) in &*seen {
            println!("{times:>6} {outcome}");
        }
        for outcome in expected {
            assert!(
                seen.contains_key(*outcome),
                "{claims}: expected, never seen: {outcome}"
            );
        }
    });
}
