//! What a scenario has: a manager over a scripted backend, the ledger, and time that passes when it says so.

use crate::backend::{Act, Failed, Message, Player, Reply, Script, Scripted};
use crate::harness::{History, is_replay};
use crate::ledger::{Key, Ledger};
use crate::record::Recorder;
use shuttle::current::{me, set_label_for_task};
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{clear_triggers, trigger_timeouts};
use turnwise::{
    SessionManager,
    manager::{DrainReport, ManagerBuilder, SendError, Sending, StopError, TurnError, TurnOptions},
};

pub(crate) type Manager = SessionManager<Scripted>;

/// Longer than any scenario: a time limit passes when the scenario says so, whatever its length.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

/// A key that nobody uses.
const LATE: Key = Key::MAX;

/// What a scenario has.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) manager: Manager,
    pub(crate) ledger: Arc<Ledger>,
}

impl World {
    pub(crate) fn new(script: Script) -> Self {
        Self::built(script, None, |builder| builder)
    }

    /// With other settings. `most` is how many sessions the ledger lets live at once.
    pub(crate) fn built(
        script: Script,
        most: Option<usize>,
        build: impl FnOnce(ManagerBuilder<Scripted>) -> ManagerBuilder<Scripted>,
    ) -> Self {
        let ledger = Ledger::new(Recorder::current(), most);
        let (backend, calls) = Scripted::around(Player::new(Arc::clone(&ledger), script));
        ledger.watch(calls.ledger());
        let builder = build(SessionManager::builder(backend).shards(1));
        // The task that ends the manager is spawned here: its limits are those of a shutdown.
        let manager = called("shuts", || builder.build());
        Self {
            manager: manager.expect("the settings make sense"),
            ledger,
        }
    }

    pub(crate) fn send(&self, key: Key, id: u32, act: Act) -> Sending<Scripted> {
        self.send_with(key, id, act, TurnOptions::default())
    }

    pub(crate) fn send_with(
        &self,
        key: Key,
        id: u32,
        act: Act,
        options: TurnOptions,
    ) -> Sending<Scripted> {
        let message = Message { id, act };
        self.manager.with(options).send_message(&key, message)
    }

    /// What a sender hears in the end, in words: `reply of #2`, `unheard, Closed`, `heard, Aborted`.
    pub(crate) async fn hear(
        &self,
        id: u32,
        sending: impl Future<Output = Result<Reply, SendError<Message, Failed>>>,
    ) -> String {
        let answer = sending.await;
        let heard = self.ledger.read(|book| book.heard.get(&id).copied());
        let words = match &answer {
            Ok(reply) => {
                assert_eq!(reply.to, id, "A2: the answer of another message is read");
                assert_eq!(heard, Some(reply.incarnation), "answered, and not heard");
                format!("reply of #{}", reply.incarnation)
            }
            Err(SendError { error, message, .. }) => {
                let back = message.as_ref().map(|message| message.id);
                assert!(
                    back.is_none_or(|back| back == id),
                    "another message is back"
                );
                assert_eq!(
                    back.is_none(),
                    heard.is_some(),
                    "a message is handed back exactly if no session has heard it"
                );
                let heard = if heard.is_some() { "heard" } else { "unheard" };
                format!("{heard}, {}", refusal(error))
            }
        };
        self.ledger.say(format!("message {id}"), &words);
        words
    }

    /// How a stop ended, in words.
    pub(crate) async fn stopped(
        &self,
        stopping: impl Future<Output = Result<bool, StopError<Failed>>>,
    ) -> String {
        let words = match stopping.await {
            Ok(true) => "stopped".to_owned(),
            Ok(false) => "nothing".to_owned(),
            Err(error) => format!("{error:?}"),
        };
        self.ledger.say("stop", &words);
        words
    }

    /// Every limit that runs now has passed. Those that begin later have not.
    pub(crate) fn time_passes(&self) {
        self.ledger.say("time", "passes");
        trigger_timeouts(|_| true);
        clear_triggers();
    }

    /// Every limit that this caller's calls run in now has passed.
    pub(crate) fn time_passes_for(&self, who: &'static str) {
        self.ledger.say("time", format!("passes for {who}"));
        trigger_timeouts(move |labels| labels.get::<Caller>() == Some(&Caller(who)));
        clear_triggers();
    }

    /// The main task waits, and something that it calls does too.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        who: &'static str,
        run: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        called(who, || tokio::spawn(run))
    }

    /// A task that sends a message, and hears what comes of it.
    pub(crate) fn sends(
        &self,
        who: &'static str,
        key: Key,
        id: u32,
        act: Act,
    ) -> JoinHandle<String> {
        let world = self.clone();
        self.spawn(who, async move {
            world.hear(id, world.send(key, id, act)).await
        })
    }

    /// Time passes again and again for what this caller's calls run in, until the task has ended.
    pub(crate) async fn end_in_time<T>(&self, who: &'static str, task: JoinHandle<T>) -> T {
        self.ledger.say("time", format!("flows for {who}"));
        while !task.is_finished() {
            shuttle::future::yield_now().await;
            trigger_timeouts(move |labels| labels.get::<Caller>() == Some(&Caller(who)));
            clear_triggers();
        }
        join(task).await
    }

    /// Begins the end of the manager. The report names every key that has a session when the call has returned, or gets one
    /// after all.
    pub(crate) fn shut_down(
        &self,
        deadline: Duration,
    ) -> impl Future<Output = DrainReport<Key>> + Send + use<> {
        let report = self.manager.shutdown(deadline);
        self.ledger.say("shutdown", "begins");
        let late = self.manager.turn(&LATE);
        assert_eq!(late.ticket(), None, "A4: admitted after a shutdown");
        let there = self.ledger.there();
        let stops = self.ledger.read(|book| book.stops.len());
        let ledger = Arc::clone(&self.ledger);
        async move {
            let report = report.await;
            ledger.say("shutdown", "ends");
            ledger.names(&report, there, stops);
            report
        }
    }

    /// The same in a task.
    pub(crate) fn shuts(
        &self,
        who: &'static str,
        deadline: Duration,
    ) -> JoinHandle<DrainReport<Key>> {
        let world = self.clone();
        self.spawn(who, async move { world.shut_down(deadline).await })
    }

    /// Ends the manager, every session, and each of its tasks.
    pub(crate) async fn end(self) -> Arc<Ledger> {
        self.shut_down(LONG).await;
        self.ledger.is_settled();
        self.gone_in_the_end().await
    }

    /// The last handle goes: with it every session, and each task.
    pub(crate) async fn gone_in_the_end(self) -> Arc<Ledger> {
        let Self { manager, ledger } = self;
        drop(manager);
        ledger.until(|book| book.gone).await;
        ledger.is_settled();
        ledger
    }
}

/// Who calls: a label of a task and of all that come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Caller(&'static str);

/// What is spawned meanwhile is called so: a task inherits what it is called by from the one that spawns it.
fn called<T>(who: &'static str, act: impl FnOnce() -> T) -> T {
    let before = set_label_for_task(me(), Caller(who));
    let done = act();
    set_label_for_task(me(), before.unwrap_or(Caller("main")));
    done
}

/// A refusal, in a word or two.
pub(crate) fn refusal(error: &TurnError<Failed>) -> String {
    match error {
        TurnError::Start(failed) => format!("Start of #{}", failed.0),
        TurnError::Agent(failed) => format!("Agent of #{}", failed.0),
        error => format!("{error:?}"),
    }
}

pub(crate) async fn join<T>(task: JoinHandle<T>) -> T {
    task.await
        .expect("no task is aborted, and a panic has failed the run already")
}

/// A scenario, and what it is a test of.
pub(crate) struct Scenario {
    /// The path of its test.
    pub(crate) name: &'static str,
    pub(crate) claims: &'static str,
    /// Callers that act at the same time.
    pub(crate) tasks: usize,
    /// Schedules in all, but for `just prove`.
    pub(crate) schedules: usize,
    /// Ends that are right, and too rare to be seen each time.
    pub(crate) rare: &'static [&'static str],
}

impl Scenario {
    pub(crate) const fn new(name: &'static str, claims: &'static str, tasks: usize) -> Self {
        Self {
            name,
            claims,
            tasks,
            schedules: 3600,
            rare: &[],
        }
    }

    pub(crate) fn rarely(self, rare: &'static [&'static str]) -> Self {
        Self { rare, ..self }
    }

    /// Every schedule ends in one of these, and each of these is seen, but for the rare ones.
    pub(crate) fn ends_in<F, R>(self, expected: &'static [&'static str], run: F)
    where
        F: Fn() -> R + Clone + Send + Sync + 'static,
        R: Future<Output = String> + 'static,
    {
        let Self {
            name,
            claims,
            tasks,
            schedules,
            rare,
        } = self;
        let outcomes = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let seen = Arc::clone(&outcomes);
        let run = move || {
            // A schedule that failed before may have left some.
            clear_triggers();
            Recorder::begin();
            let outcome = shuttle::future::block_on(run());
            assert!(
                expected.is_empty() || expected.iter().chain(rare).any(|end| *end == outcome),
                "{claims}: not expected, seen: {outcome}"
            );
            let mut seen = seen.lock().expect("nothing panics with it");
            *seen.entry(outcome).or_default() += 1;
        };
        let history = History {
            name,
            claims,
            tasks,
            schedules,
            run,
        };
        history.sampled();
        if is_replay() {
            return;
        }
        let seen = outcomes.lock().expect("nothing panics with it");
        for (outcome, times) in &*seen {
            println!("{times:>6} {outcome}");
        }
        for outcome in expected {
            assert!(
                seen.contains_key(*outcome),
                "{claims}: expected, never seen: {outcome}"
            );
        }
    }
}
