//! `turnwise::testing`, with the real manager on tokio's paused clock and a manual one: each act at each method, and the
//! assertions where they must fail.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

mod acts;
mod asserts;
mod cancel;
mod idle;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use turnwise::testing::{Call, End, Method, Script, Scripted};
use turnwise::{
    Agent, Backend, Clock, ClockHand, Incarnation, SessionManager, TurnContext,
    manager::{BuildError, StopReason},
};

type Manager = SessionManager<Scripted<Plain>>;

/// Longer than anything here takes.
const HOUR: Duration = Duration::from_secs(3600);

/// How often each method of the backend within was reached.
#[derive(Debug, Default)]
struct Counts {
    start: AtomicUsize,
    start_abandoned: AtomicUsize,
    is_healthy: AtomicUsize,
    send: AtomicUsize,
    stop: AtomicUsize,
    /// Of each turn.
    contexts: Mutex<Vec<TurnContext<Infallible>>>,
}

impl Counts {
    fn all(&self) -> [usize; 5] {
        [
            &self.start,
            &self.start_abandoned,
            &self.is_healthy,
            &self.send,
            &self.stop,
        ]
        .map(|count| count.load(Ordering::Relaxed))
    }
}

/// A backend without faults of its own.
#[derive(Debug, Default)]
struct Plain(Arc<Counts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Failed(&'static str);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Failed {}

fn count(of: &AtomicUsize) {
    of.fetch_add(1, Ordering::Relaxed);
}

impl Backend for Plain {
    type Key = String;
    type Session = Vec<&'static str>;
    type Handle = ();
    type Event = Infallible;
    type Error = Failed;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<(Vec<&'static str>, ()), Failed> {
        count(&self.0.start);
        Ok((Vec::new(), ()))
    }

    async fn start_abandoned(&self, _: &String, _: Incarnation) {
        count(&self.0.start_abandoned);
    }

    async fn is_healthy(&self, _: &mut Vec<&'static str>) -> bool {
        count(&self.0.is_healthy);
        true
    }

    async fn stop(&self, _: &String, _: Vec<&'static str>, _: StopReason) -> Result<(), Failed> {
        count(&self.0.stop);
        Ok(())
    }
}

impl Agent for Plain {
    type Message = &'static str;
    /// How many it has heard, and whether it was cancelled then.
    type Reply = (usize, bool);

    async fn send(
        &self,
        heard: &mut Vec<&'static str>,
        message: &'static str,
        cx: &TurnContext<Infallible>,
    ) -> Result<(usize, bool), Failed> {
        count(&self.0.send);
        let contexts = self.0.contexts.lock();
        contexts.expect("nothing panics").push(cx.map(Some));
        heard.push(message);
        Ok((heard.len(), cx.is_cancelled()))
    }
}

struct World {
    manager: Manager,
    script: Script<Plain>,
    counts: Arc<Counts>,
    hand: ClockHand,
}

fn world() -> Result<World, BuildError> {
    let counts = Arc::<Counts>::default();
    let (scripted, script) = Scripted::around(Plain(Arc::clone(&counts)));
    let (clock, hand) = Clock::manual();
    let manager = SessionManager::builder(scripted).clock(clock).build()?;
    Ok(World {
        manager,
        script,
        counts,
        hand,
    })
}

impl World {
    /// The methods and their ends.
    fn calls(&self) -> Vec<(Method, End)> {
        let calls = self.script.ledger().record();
        let end = |call: &Call<String>| call.end.expect("no call runs now");
        calls.iter().map(|call| (call.method, end(call))).collect()
    }

    /// All went as it was said, and the backend within was reached so often, method by method.
    #[track_caller]
    fn ends(self, calls: &[(Method, End)], reached: [usize; 5]) {
        assert_eq!(self.calls(), calls);
        assert_eq!(self.counts.all(), reached, "reached");
        self.script.assert_played();
        self.script.ledger().assert_never_two();
    }
}
