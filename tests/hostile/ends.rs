//! What comes after an end: an answer for a stop that was joined, and no event of a turn.

use std::convert::Infallible;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use turnwise::{Agent, Backend, TurnContext, manager::*};

use crate::{explode, manager, panics, plain, poll, waker};

/// A key whose next hash panics once `explodes` is set.
#[derive(Clone, Debug)]
struct Hashed {
    name: &'static str,
    explodes: Arc<AtomicBool>,
}

impl PartialEq for Hashed {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Hashed {}

impl Hash for Hashed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.explodes.swap(false, SeqCst) {
            explode();
        }
        self.name.hash(state);
    }
}

/// A stop cancels the turn under way. The waker of the turn begins a second stop, which joins the first. Then the first panics.
#[tokio::test(start_paused = true)]
async fn who_joined_a_stop_has_an_answer() {
    let m = plain::<Hashed>();
    let key = Hashed {
        name: "a",
        explodes: Arc::default(),
    };
    let turn = m.turn(&key).await.expect("free");
    let joined = Arc::new(Mutex::new(None));
    let joins = {
        let (m, key, joined) = (m.clone(), key.clone(), Arc::clone(&joined));
        waker(move || {
            *joined.lock().expect("no panic under it") = Some(m.stop(&key));
            key.explodes.store(true, SeqCst);
        })
    };
    let mut cancelled = Box::pin(SessionTurn::cancelled(&turn));
    assert!(poll(&mut cancelled, &joins).is_pending());
    assert!(panics(|| drop(m.stop(&key))), "the hash panics");
    drop(cancelled);
    drop(turn);
    let joined = joined.lock().expect("no panic under it").take();
    // In a task of its own: it is polled again only if it is woken.
    let joined = tokio::spawn(joined.expect("the turn was cancelled"));
    let _answer = joined.await.expect("A6: it has an answer");
    drop(m.shutdown(Duration::ZERO).await);
}

/// An agent that emits events on another thread too. The event [`SLOW`] is weighed until the test lets it go on.
#[derive(Default)]
struct Emits(Mutex<Option<JoinHandle<()>>>);

const SLOW: u32 = 77;
/// The slow event is being weighed.
static BEGUN: Barrier = Barrier::new(2);
/// The slow event has been weighed.
static WEIGHED: Barrier = Barrier::new(2);

impl Backend for Emits {
    type Key = String;
    type Session = ();
    type Handle = ();
    type Event = u32;
    type Error = Infallible;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<((), ()), Infallible> {
        Ok(((), ()))
    }

    fn weight(event: &u32) -> usize {
        if *event == SLOW {
            BEGUN.wait();
            WEIGHED.wait();
        }
        4
    }
}

impl Agent for Emits {
    type Message = bool;
    type Reply = ();

    async fn send(
        &self,
        (): &mut (),
        is_first: bool,
        cx: &TurnContext<u32>,
    ) -> Result<(), Infallible> {
        let mut emitting = self.0.lock().expect("no panic under it");
        if is_first {
            let mine = cx.map(Some);
            *emitting = Some(thread::spawn(move || mine.emit(SLOW)));
            BEGUN.wait();
        } else {
            let emitting = emitting.take().expect("the first turn began it");
            cx.emit(1);
            WEIGHED.wait();
            emitting.join().expect("it does not panic");
            cx.emit(2);
        }
        Ok(())
    }
}

/// An event is being weighed while its turn ends. It comes neither to the answer of its own turn nor into the next turn.
#[tokio::test(start_paused = true)]
async fn no_event_comes_after_the_end_of_its_turn() {
    let m = manager(Emits::default());
    let mut listening = m.listen("a");
    let mut first = m.send_message("a", true);
    assert_eq!(first.next_event().await, None, "the turn has ended");
    m.send_message("a", false).await.expect("it is answered");
    assert_eq!(first.next_event().await, None);
    first.await.expect("it is answered");
    let mut events = Vec::new();
    while let Poll::Ready(Some(event)) = poll(&mut Box::pin(listening.next()), Waker::noop()) {
        events.push(event);
    }
    assert_eq!(events, [Update::Event(1), Update::Event(2)]);
}
