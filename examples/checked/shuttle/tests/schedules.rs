//! The desk in random schedules: any task that can go on may be the next. Time does not pass by itself: a limit passes when
//! a test says so, with `tokio::time::trigger_timeouts`.

use checked::{Desk, Draft, Lent, Store};
use shuttle::{Config, Runner, scheduler::RandomScheduler};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use turnwise::testing::{Act, Method, Scripted};
use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::StopReason};

const SCHEDULES: usize = 300;

/// Runs it in so many schedules. A task of a debug build may need more stack than shuttle's 32 KB.
fn check(run: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    Runner::new(RandomScheduler::new(SCHEDULES), config).run(run);
}

/// Two senders and a stop: a line that was answered is written, once.
#[test]
fn what_was_answered_is_written() {
    check(|| {
        shuttle::future::block_on(senders_and_a_stop(|desk| desk));
    });
}

/// A fault on purpose: a test that cannot find it shows nothing.
#[test]
#[should_panic(expected = "the store: ")]
fn a_stop_that_does_not_wait_is_found() {
    check(|| {
        shuttle::future::block_on(senders_and_a_stop(Hasty));
    });
}

/// That the schedules do interleave: a test that stops before the lines are sent in all of them would show nothing.
#[test]
#[should_panic(expected = "stopped in between")]
fn a_stop_comes_in_between() {
    check(|| {
        shuttle::future::block_on(async {
            if senders_and_a_stop(|desk| desk).await > 1 {
                panic!("stopped in between");
            }
        });
    });
}

/// How many sessions there were.
async fn senders_and_a_stop<B>(backend: impl Fn(Desk) -> B) -> usize
where
    B: Agent<Key = String, Message = String, Reply = Option<usize>, Error = Lent>,
{
    let store = Arc::<Store>::default();
    let (scripted, script) = Scripted::around(backend(Desk(Arc::clone(&store))));
    let documents = SessionManager::builder(scripted)
        .shards(1)
        .build()
        .expect("the settings make sense");
    script.on(Method::Stop, Act::pass());

    let senders = ["one", "two"].map(|line| {
        let sending = documents.send_message("a", line.to_owned());
        // The stop may abort it.
        tokio::spawn(async move { sending.await.ok().flatten().map(|_| line) })
    });
    documents.stop("a").await.expect("nothing fails");
    let mut answered = Vec::new();
    for sender in senders {
        answered.extend(sender.await.expect("nothing panics"));
    }
    // The deadline is never reached: nothing passes it.
    documents.shutdown(Duration::from_secs(3600)).await;

    let lines = store.read("a");
    for line in answered {
        let written = lines.iter().filter(|written| *written == line);
        assert_eq!(
            written.count(),
            1,
            "the store: {line} was answered, so it is written, once"
        );
    }
    assert_eq!(store.lent(), 0, "the store: lent for ever");
    script.assert_played();
    script.ledger().assert_balanced();
    let starts = script.ledger().record().into_iter();
    starts.filter(|call| call.method == Method::Start).count()
}

/// The desk, but for its stop: a task of its own carries the document back, and nobody waits for it.
struct Hasty(Desk);

impl Backend for Hasty {
    type Key = String;
    type Session = Draft;
    type Handle = ();
    type Event = Infallible;
    type Error = Lent;

    async fn start(
        &self,
        name: &String,
        cx: &TurnContext<Infallible>,
    ) -> Result<(Draft, ()), Lent> {
        self.0.start(name, cx).await
    }

    async fn stop(&self, name: &String, draft: Draft, reason: StopReason) -> Result<(), Lent> {
        let (desk, name) = (Desk(Arc::clone(&self.0.0)), name.clone());
        tokio::spawn(async move {
            for _ in 0..2_000 {
                tokio::task::yield_now().await; // it is a long way
            }
            desk.stop(&name, draft, reason).await
        });
        Ok(())
    }
}

impl Agent for Hasty {
    type Message = String;
    type Reply = Option<usize>;

    async fn send(
        &self,
        draft: &mut Draft,
        line: String,
        cx: &TurnContext<Infallible>,
    ) -> Result<Option<usize>, Lent> {
        self.0.send(draft, line, cx).await
    }
}
