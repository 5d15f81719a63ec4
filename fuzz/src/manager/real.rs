//! The manager itself, with a hand on its time and on each of its futures.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::Instant;
use turnwise::testing::{Call, Method, Script, Scripted};
use turnwise::{
    Clock, ClockHand, SessionManager, Ticket,
    manager::{SessionEvent, Subscription, Timeouts, Update, WhenFull},
};

use super::callers::{Agent, Caller};
use super::words::*;
use super::worker::{Heard, Worker};

pub(crate) struct Real {
    pub(crate) manager: Option<SessionManager<Agent>>,
    /// After the manager: what it spawned is dropped here at the latest.
    pub(crate) runtime: Option<Runtime>,
    pub(crate) heard: Arc<Heard>,
    pub(crate) script: Script<Worker>,
    pub(crate) here: Arc<()>,
    pub(crate) callers: Vec<Caller>,
    events: Subscription<SessionEvent<u8>>,
    outputs: Vec<Subscription<Id>>,
    told: Vec<SessionEvent<u8>>,
    emitted: [Vec<Id>; KEYS],
    hand: ClockHand,
    begun: Instant,
    now: Ms,
}

pub(crate) fn ms(time: Ms) -> Duration {
    Duration::from_millis(time)
}

impl Real {
    pub(crate) fn new(set: Settings) -> Self {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime can be built");
        let heard = Arc::<Heard>::default();
        let here = Arc::new(());
        let (agent, script) = Scripted::around(Worker {
            heard: Arc::clone(&heard),
            _here: Arc::clone(&here),
        });
        let (clock, hand) = Clock::manual();
        let timeouts = Timeouts::default().start(ms(START)).abort(ms(ABORT));
        let timeouts = timeouts.stop(ms(STOP)).room(ms(ROOM));
        let timeouts = timeouts.turn(set.turn.map(ms));
        let mut builder = SessionManager::builder(agent)
            .timeouts(timeouts)
            .clock(clock);
        if let Some(most) = set.max_sessions {
            let full = match set.evicts {
                true => WhenFull::EvictIdle,
                false => WhenFull::Refuse,
            };
            builder = builder.max_sessions(most, full);
        }
        if let Some(most) = set.max_waiting {
            builder = builder.max_waiting(most);
        }
        if set.reaps {
            builder = builder.stop_idle_after(ms(IDLE));
        }
        let within = runtime.enter();
        let begun = Instant::now();
        let manager = builder.build().expect("the settings make sense");
        drop(within);
        let keys = 0..u8::try_from(KEYS).expect("few keys");
        let mut real = Self {
            runtime: Some(runtime),
            heard,
            script,
            here,
            callers: Vec::new(),
            events: manager.subscribe(),
            outputs: keys.map(|key| manager.listen(&key)).collect(),
            told: Vec::new(),
            emitted: Default::default(),
            manager: Some(manager),
            hand,
            begun,
            now: 0,
        };
        real.settle();
        real
    }

    /// Time goes on to this moment. What falls into it happens.
    pub(crate) fn pass_to(&mut self, moment: Ms) {
        self.hand.advance(ms(moment - self.now));
        self.now = moment;
        let until = self.begun + ms(moment);
        let runtime = self.runtime.as_ref().expect("it lives");
        runtime.block_on(async { tokio::time::sleep_until(until).await });
        self.settle();
    }

    /// Until nobody can go on.
    pub(crate) fn settle(&mut self) {
        let runtime = self.runtime.take().expect("it lives");
        runtime.block_on(async {
            loop {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                let went_on = self.callers.iter_mut().filter(|caller| caller.is_woken());
                if went_on.map(Caller::poll).count() == 0 {
                    break;
                }
            }
        });
        self.runtime = Some(runtime);
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Some(Update::Event(event))) = pin!(self.events.next()).poll(&mut cx) {
            self.told.push(event);
        }
        for (key, output) in self.outputs.iter_mut().enumerate() {
            while let Poll::Ready(Some(Update::Event(id))) = pin!(output.next()).poll(&mut cx) {
                self.emitted[key].push(id);
            }
        }
    }

    /// A call is made where the clock is the program's.
    pub(crate) fn enters(&self) -> Handle {
        self.runtime.as_ref().expect("it lives").handle().clone()
    }

    /// So much time passes that everything with a limit ends. Nobody polls.
    pub(crate) fn rest(&mut self) {
        let runtime = self.runtime.as_ref().expect("it lives");
        runtime.block_on(async { tokio::time::sleep(ms(100_000_000)).await });
    }

    pub(crate) fn emitted(&self) -> &[Vec<Id>; KEYS] {
        &self.emitted
    }

    /// What subscribers got of a key.
    pub(crate) fn events(&self, key: usize) -> Vec<Event> {
        let id = |ticket: Ticket| {
            let is_it = |caller: &Caller| caller.ticket == Some(ticket) && caller.key == key;
            self.callers.iter().position(is_it).unwrap_or(Id::MAX)
        };
        let told = self.told.iter().filter_map(|event| {
            Some(match event {
                SessionEvent::Started { key, .. } => (*key, Event::Started),
                SessionEvent::StartFailed { key, .. } => (*key, Event::StartFailed),
                SessionEvent::TurnBegan { key, turn, .. } => (*key, Event::Began(id(*turn))),
                SessionEvent::TurnEnded {
                    key, turn, outcome, ..
                } => (*key, Event::Ended(id(*turn), *outcome)),
                SessionEvent::Stopped {
                    key, reason, error, ..
                } => (*key, Event::Stopped(*reason, error.is_none())),
                _ => return None,
            })
        });
        let told = told.filter(|(of, _)| usize::from(*of) == key);
        told.map(|(_, event)| event).collect()
    }

    /// The call of the backend that is under way.
    pub(crate) fn under_way(&self, key: usize) -> Vec<Method> {
        let record = self.script.ledger().record();
        let is_it = |call: &&Call<u8>| usize::from(call.key) == key && call.end.is_none();
        record
            .iter()
            .filter(is_it)
            .map(|call| call.method)
            .collect()
    }
}
