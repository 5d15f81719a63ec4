//! Calls from outside of the manager's runtime: from threads that know none, from another one, after the end of its own.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use turnwise::manager::*;
use turnwise::{Backend, SessionManager};

use turnwise::testing::End;

use crate::script::{Act, Gate, Step, fail, say, until};
use crate::{HOUR, MINUTE, plain};

pub(crate) fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(1).enable_all();
    builder.build().expect("a runtime")
}

/// Waits with this thread, which knows no runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// Every call, and every future, on a thread that knows no runtime: also those with limits, of time too.
#[test]
fn a_thread_without_a_runtime_calls_and_waits() {
    let runtime = runtime();
    let (m, stage) = {
        let _within = runtime.enter();
        plain()
    };
    let (mut events, mut heard) = (m.subscribe(), m.listen("a"));
    for act in [Act::pass(), Act::take(Duration::from_millis(1))] {
        for step in [Step::Start, Step::IsHealthy, Step::Stop] {
            stage.script.tell("a", step, act.clone());
        }
        let turn = block_on(m.turn("a")).expect("free");
        let options = TurnOptions::default().wait(Duration::from_millis(1));
        let late = block_on(m.with(options.clone()).turn("a"));
        assert!(matches!(late, Err(TurnError::WaitTimedOut)));
        let late = m.with(options).send_message("a", say("late"));
        let error = block_on(late).expect_err("the turn is held").error;
        assert!(matches!(error, TurnError::WaitTimedOut));
        drop(turn);
        SessionTurn::discard(block_on(m.turn("a")).expect("it rests"));
        block_on(m.with_turn("a", async |_| ())).expect("a new start");
        let sending = m.send_message("a", say("hello").in_parts(1));
        assert_eq!(block_on(sending).expect("it rests").text, "hello");
        drop(block_on(m.restart("a")).expect("it rests"));
        assert!(block_on(m.stop("a")).expect("it rests"));
        drop(block_on(m.turn("a")).expect("free"));
        let report = block_on(m.cleanup_idle(Duration::ZERO));
        assert_eq!(report.stopped, ["a"]);
    }
    assert_eq!(block_on(heard.next()), Some(Update::Event(("hello", 0))));
    let first = block_on(events.next());
    assert!(matches!(
        first,
        Some(Update::Event(SessionEvent::Started { .. }))
    ));
    assert!(block_on(m.shutdown(HOUR)).stopped.is_empty());
    drop(m);
    runtime.block_on(stage.check());
}

/// A closure's limit is kept there too.
#[test]
fn a_closure_on_a_thread_without_a_runtime_has_its_limit() {
    let runtime = runtime();
    let (m, stage) = {
        let _within = runtime.enter();
        let short = Duration::from_millis(1);
        let timeouts = turnwise::manager::Timeouts::default()
            .turn(short)
            .abort(short);
        crate::stage(|builder| builder.timeouts(timeouts))
    };
    let hangs = m.with_turn("a", async |_| std::future::pending::<()>().await);
    let ended = block_on(hangs);
    assert!(matches!(ended, Err(TurnError::TurnTimedOut)));
    block_on(m.turn("a")).map(drop).expect("a new start");
    assert_eq!(stage.script.stops("a"), [StopReason::Dirty]);
    drop(m);
    runtime.block_on(stage.check());
}

/// A caller may have a runtime of its own and end it: start and session are the manager's, and so are their timers.
#[test]
fn a_start_outlives_the_runtime_of_its_caller() {
    let own = runtime();
    let (m, stage) = {
        let _within = own.enter();
        plain()
    };
    let takes = Act::take(Duration::from_millis(20));
    stage.script.tell("a", Step::Start, takes);
    let callers = runtime();
    let polled = callers.block_on(async {
        let mut entering = m.turn("a");
        std::future::poll_fn(|cx| Poll::Ready(pin!(&mut entering).poll(cx).is_pending())).await
    });
    assert!(polled, "it takes its time");
    drop(callers);
    let turn = own.block_on(m.turn("a"));
    drop(turn.expect("of the same start"));
    let ends = [End::Passed, End::CutShort, End::Panicked];
    let counts = ends.map(|end| stage.script.count("a", Step::Start, end));
    assert_eq!(counts, [1, 0, 0]);
    own.block_on(stage.end(m));
}

/// The last handle goes on a thread that knows no runtime.
#[test]
fn the_last_handle_may_go_anywhere() {
    let runtime = runtime();
    let (m, stage) = {
        let _within = runtime.enter();
        plain()
    };
    let turn = runtime.block_on(m.turn("a")).expect("free");
    drop(runtime.block_on(m.turn("b")).expect("free"));
    thread::spawn(move || drop((m, turn)))
        .join()
        .expect("no panic");
    let script = Arc::clone(&stage.script);
    runtime.block_on(stage.check());
    for key in ["a", "b"] {
        assert_eq!(script.stops(key), [StopReason::Shutdown]);
    }
}

/// The runtime of a manager ends first. Nobody waits for ever: who waits is told, who comes is told, and so is who shuts
/// it down.
#[test]
fn a_manager_whose_runtime_is_gone_keeps_nobody_waiting() {
    let own = runtime();
    let (m, mut stage) = {
        let _within = own.enter();
        plain()
    };
    let gate = Gate::new();
    drop(own.block_on(m.turn("rests")).expect("free"));
    let held = own.block_on(m.turn("held")).expect("free");
    stage.script.tell("starts", Step::Start, until(&gate));
    let starts = m.send_message("starts", say("hello"));
    let mut busy = m.send_message("busy", say("hello").until(&gate));
    own.block_on(busy.started()).expect("free");
    let in_line = m.send_message("held", say("hello"));
    let stopping = m.stop("held");
    let entering = m.turn("held");
    drop(own);

    for sending in [starts, busy, in_line] {
        let error = block_on(sending).expect_err("its task is gone").error;
        assert!(matches!(error, TurnError::Closed));
    }
    assert!(matches!(block_on(stopping), Err(StopError::Closed)));
    let options = TurnOptions::default().wait(HOUR);
    let late = block_on(m.with(options).turn("held"));
    assert!(late.is_err(), "there is no time left");
    drop(held);
    // In line still, and then granted; what must run in a task cannot.
    drop(block_on(entering));
    stage.script.tell("new", Step::Start, until(&gate));
    let new = block_on(m.turn("new"));
    assert!(new.is_err(), "there is no time left");
    assert!(matches!(block_on(m.stop("rests")), Err(StopError::Closed)));
    let report = block_on(m.cleanup_idle(Duration::ZERO));
    assert!(report.stopped.is_empty());
    let report = block_on(m.shutdown(MINUTE));
    assert_eq!(block_on(m.shutdown(Duration::ZERO)), report);
    drop(m);
    let gone = stage.gone.take().expect("nobody took it");
    block_on(gone).expect_err("all is dropped, though nothing could be stopped");
}

/// The runtime of a manager ends at every moment of every call: each of them ends, with `Closed`, and what no session has heard
/// comes back.
#[test]
fn a_dead_runtime_closes_every_call() {
    for state in ["free", "idle", "held", "starting", "unhealthy", "running"] {
        for polls in 0..5 {
            for call in 0..6 {
                runtime_ends(state, polls, call);
            }
        }
    }
}

/// One call at one moment, and then one of each after the end.
fn runtime_ends(state: &str, polls: usize, call: usize) {
    let own = Builder::new_current_thread().enable_all().build();
    let own = own.expect("a runtime");
    let (m, mut stage) = {
        let _within = own.enter();
        plain()
    };
    let gate = Gate::new();
    let until = || until(&gate);
    let mut held = None;
    own.block_on(async {
        if state != "free" && state != "starting" {
            held = Some(m.turn("a").await.expect("free"));
        }
        match state {
            "idle" => drop(held.take()),
            "starting" => stage.script.tell("a", Step::Start, until()),
            "unhealthy" => {
                drop(held.take());
                stage.script.tell("a", Step::IsHealthy, fail());
                stage.script.tell("a", Step::Stop, until());
            }
            "running" => {
                drop(held.take());
                let runs = m.send_message("a", say("runs").until(&gate));
                gate.reached().await;
                runs.detach();
            }
            _ => {}
        }
    });
    let mut under_way = one_call(&m, call);
    own.block_on(async {
        for _ in 0..polls {
            let polled = std::future::poll_fn(|cx| Poll::Ready(under_way.as_mut().poll(cx)));
            if let Poll::Ready(ended) = polled.await {
                under_way = Box::pin(std::future::ready(ended.or(Ok(()))));
            }
            tokio::task::yield_now().await;
        }
    });
    drop(own);
    let context = format!("{state}, {polls} polls, call {call}");
    let heard = stage.script.heard("a").contains(&"hello");
    match block_on(under_way) {
        Ok(()) => {}
        Err((error, message)) => {
            assert_eq!(error, "Closed", "{context}");
            assert_ne!(message, Some(heard), "{context}: heard or handed back");
        }
    }
    for late in 0..6 {
        let (error, message) = block_on(one_call(&m, late)).expect_err(&context);
        assert_eq!(error, "Closed", "{context}, then call {late}");
        assert_ne!(message, Some(false), "{context}: it comes back");
    }
    block_on(m.shutdown(MINUTE));
    drop((held, m));
    let gone = stage.gone.take().expect("nobody took it");
    block_on(gone).expect_err("all is dropped, though nothing could be stopped");
}

/// How a call ended; of a message, whether it came back.
type Ended = Result<(), (String, Option<bool>)>;

fn one_call(m: &crate::Manager, call: usize) -> std::pin::Pin<Box<dyn Future<Output = Ended>>> {
    let name = |error: TurnError<_>| (format!("{error:?}"), None);
    let wait = TurnOptions::default().wait(HOUR);
    match call {
        0 => {
            let entering = m.turn("a");
            Box::pin(async move { entering.await.map(drop).map_err(name) })
        }
        1 => {
            let entering = m.with(wait).turn("a");
            Box::pin(async move { entering.await.map(drop).map_err(name) })
        }
        2 => {
            let entering = m.restart("a");
            Box::pin(async move { entering.await.map(drop).map_err(name) })
        }
        3 => {
            let closure = m.with_turn("a", async |_| std::future::pending::<()>().await);
            Box::pin(async move { closure.await.map_err(name) })
        }
        4 => {
            let sending = m.send_message("a", say("hello").and(Act::hang()));
            Box::pin(async move {
                let error = sending.await.expect_err("it hangs");
                Err((format!("{:?}", error.error), Some(error.message.is_some())))
            })
        }
        _ => {
            // Of a key that may have a session; with none there would be nothing to stop.
            let stopping = m.stop("a");
            Box::pin(async move {
                match stopping.await {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(("Closed".to_owned(), None)),
                    Err(error) => Err((format!("{error:?}"), None)),
                }
            })
        }
    }
}

/// What a program that spawns must be able to rely on, checked when this compiles.
#[tokio::test(start_paused = true)]
async fn handles_and_futures_go_to_other_threads_and_outlive_their_caller() {
    fn goes<T: Send + 'static>(what: T) -> T {
        what
    }
    fn shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let (m, stage) = plain();
    shared(&m);
    let key = String::from("a");
    let turn = goes(goes(m.turn(&key)).await.expect("free"));
    let sending = goes(m.send_message(&key, say("hello")));
    let entering = (
        goes(m.restart(&key)),
        goes(m.with(TurnOptions::no_wait()).turn(&key)),
    );
    let closure = goes(m.with_turn(&key, async |_| ()));
    let stopping = goes(m.stop(&key));
    let sweep = goes(m.cleanup_idle(MINUTE));
    let told = (goes(m.subscribe()), goes(m.listen(&key)));
    drop(key);
    drop((turn, entering, closure, sweep, told));
    assert!(stopping.await.expect("it stops"));
    drop(goes(sending.into_stream()));
    drop(goes(m.shutdown(MINUTE)));
    stage.end(m).await;
}

/// Sessions under keys whose copies can be counted.
struct Counted;

impl Backend for Counted {
    type Key = Arc<str>;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Infallible;

    async fn start(
        &self,
        _: &Arc<str>,
        _: &TurnContext<Self::Event>,
    ) -> Result<((), ()), Infallible> {
        Ok(((), ()))
    }
}

/// Its sessions are not stopped then, and go with it: the list of idle sessions refers to them, and each of them to the list.
#[test]
fn a_manager_that_outlives_its_runtime_keeps_no_key() {
    let (runtime, key) = (runtime(), Arc::<str>::from("a"));
    let m = {
        let _within = runtime.enter();
        let m = SessionManager::builder(Counted).max_sessions(2, WhenFull::EvictIdle);
        m.build().expect("the settings make sense")
    };
    drop(block_on(m.turn(&key)).expect("room"));
    assert!(Arc::strong_count(&key) > 1, "its slot has a copy");
    drop(runtime);
    drop(m);
    assert_eq!(
        Arc::strong_count(&key),
        1,
        "C12: a slot outlives its manager"
    );
}
