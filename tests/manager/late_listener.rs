//! Listeners that come late: what the manager has kept of a session's events, and what is missing.

use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use turnwise::{Agent, Backend, Incarnation, SessionManager, TurnContext, manager::*};

use crate::script::{Gate, explode};
use crate::{SECOND, settled};

/// An event. It weighs 10 bytes; from 100 on, its number.
#[derive(Debug)]
struct Word(u32);

/// Its clone panics.
const UNLUCKY: u32 = 13;

impl Clone for Word {
    fn clone(&self) -> Self {
        if self.0 == UNLUCKY {
            explode();
        }
        Self(self.0)
    }
}

/// A session emits 1 and 2 as it starts, and then what the test sends.
#[derive(Clone, Default)]
struct Speakers(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    controls: HashMap<&'static str, SessionControl<Word>>,
    /// The next start waits for this gate.
    gate: Option<Gate>,
}

impl Speakers {
    fn control(&self) -> SessionControl<Word> {
        let state = self.0.lock().expect("nothing panics with it");
        state.controls["a"].clone()
    }

    fn manager(&self, bytes: usize) -> SessionManager<Self> {
        let builder = SessionManager::builder(self.clone())
            .shards(1)
            .keep_events(bytes);
        builder.build().expect("in a runtime")
    }
}

impl Backend for Speakers {
    type Key = &'static str;
    type Session = ();
    type Handle = ();
    type Event = Word;
    type Error = Infallible;

    async fn start(
        &self,
        key: &&'static str,
        cx: &TurnContext<Word>,
    ) -> Result<((), ()), Infallible> {
        let gate = {
            let mut state = self.0.lock().expect("nothing panics with it");
            state.controls.insert(key, cx.session());
            state.gate.take()
        };
        cx.emit(Word(1));
        cx.emit(Word(2));
        if let Some(gate) = gate {
            gate.pass().await;
        }
        Ok(((), ()))
    }

    fn weight(event: &Word) -> usize {
        match event.0 {
            0..100 => 10,
            more => more as usize,
        }
    }
}

impl Agent for Speakers {
    type Message = Vec<u32>;
    type Reply = ();

    async fn send(
        &self,
        _: &mut (),
        words: Vec<u32>,
        cx: &TurnContext<Word>,
    ) -> Result<(), Infallible> {
        for word in words {
            cx.send(Word(word)).await;
        }
        Ok(())
    }
}

fn id(incarnation: u64, number: u64) -> EventId {
    let incarnation = Incarnation::try_from(incarnation).expect("a number");
    EventId {
        incarnation,
        number,
    }
}

/// What there is to read: `5` is an event, `-5` a gap. The ids follow it.
fn read(listener: &mut Subscription<Word>) -> String {
    let mut all = Vec::new();
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(next)) = pin!(listener.next()).poll(&mut cx) {
        all.push(match next {
            Update::Event(word) => word.0.to_string(),
            Update::Lagged(count) => format!("-{count}"),
        });
    }
    let last = listener.last_id();
    let last = last.map_or("none".to_owned(), |last| last.to_string());
    format!("{}; {last}", all.join(" "))
}

#[tokio::test(start_paused = true)]
async fn a_late_listener_catches_up() {
    let speakers = Speakers::default();
    let m = speakers.manager(1000);
    let mut first = m.listen(&"a");
    assert_eq!(first.last_id(), None);
    m.send_message(&"a", vec![3]).await.expect("it replies");
    assert_eq!(read(&mut first), "1 2 3; 1.3", "of the start, too");
    let last = first.last_id().expect("it has read");
    drop(first);
    // Its connection is gone, and the turn is over before the next one.
    m.send_message(&"a", vec![4, 5]).await.expect("it replies");
    speakers.control().emit(Word(6));
    tokio::time::sleep(SECOND).await;
    let mut late = m.listen_from(&"a", last);
    speakers.control().emit(Word(7));
    assert_eq!(read(&mut late), "4 5 6 7; 1.7");
    // A second one has as much, and one that has read everything has nothing.
    assert_eq!(read(&mut m.listen_from(&"a", last)), "4 5 6 7; 1.7");
    assert_eq!(
        read(&mut m.listen_from(&"a", id(1, 0))),
        "1 2 3 4 5 6 7; 1.7"
    );
    assert_eq!(read(&mut m.listen_from(&"a", id(1, 7))), "; none");
    assert_eq!(read(&mut m.listen_from(&"a", id(1, 70))), "; none");
    assert_eq!(read(&mut m.listen(&"a")), "; none");
    m.shutdown(SECOND).await;
    assert!(late.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_listener_comes_during_the_start() {
    let speakers = Speakers::default();
    let gate = Gate::new();
    speakers.0.lock().expect("nothing panics with it").gate = Some(gate.clone());
    let m = speakers.manager(1000);
    let sending = m.send_message(&"a", vec![3]);
    settled().await;
    let mut late = m.listen_from(&"a", id(1, 1));
    assert_eq!(read(&mut late), "2; 1.2");
    gate.open();
    sending.await.expect("it replies");
    assert_eq!(read(&mut late), "3; 1.3");
    m.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_kept_is_counted() {
    let speakers = Speakers::default();
    let m = speakers.manager(30);
    m.send_message(&"a", vec![3, 4, 5])
        .await
        .expect("it replies");
    let from = |number| read(&mut m.listen_from(&"a", id(1, number)));
    assert_eq!(from(0), "-2 3 4 5; 1.5", "30 bytes are three events");
    assert_eq!(from(1), "-1 3 4 5; 1.5");
    assert_eq!(from(2), "3 4 5; 1.5");
    // Too heavy for the ring, and still heard.
    let mut heard = m.listen(&"a");
    m.send_message(&"a", vec![100]).await.expect("it replies");
    assert_eq!(read(&mut heard), "100; 1.6");
    assert_eq!(from(3), "4 5 -1; 1.5", "the others stay");
    m.send_message(&"a", vec![7]).await.expect("it replies");
    assert_eq!(from(3), "4 5 -1 7; 1.7");
    m.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn another_session_is_not_continued() {
    let speakers = Speakers::default();
    let m = speakers.manager(1000);
    m.send_message(&"a", vec![3]).await.expect("it replies");
    assert!(m.stop(&"a").await.expect("it stops"));
    let mut early = m.listen_from(&"a", id(1, 2));
    assert_eq!(read(&mut early), "-1; none", "the 3 went with its session");
    m.send_message(&"a", vec![4]).await.expect("it replies");
    assert_eq!(read(&mut early), "1 2 4; 3.3");
    assert_eq!(read(&mut m.listen_from(&"a", id(1, 2))), "-1 1 2 4; 3.3");
    assert_eq!(read(&mut m.listen_from(&"a", id(9, 2))), "-1 1 2 4; 3.3");
    assert_eq!(read(&mut m.listen_from(&"b", id(1, 2))), "-1; none");
    m.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_by_default() {
    let speakers = Speakers::default();
    let m = SessionManager::builder(speakers.clone()).build();
    let m = m.expect("in a runtime");
    let mut heard = m.listen(&"a");
    m.send_message(&"a", vec![3]).await.expect("it replies");
    assert_eq!(read(&mut heard), "1 2 3; none");
    let mut late = m.listen_from(&"a", id(1, 2));
    m.send_message(&"a", vec![4]).await.expect("it replies");
    assert_eq!(read(&mut late), "-1 4; none");
    m.shutdown(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_clone_panics() {
    let speakers = Speakers::default();
    let m = speakers.manager(1000);
    m.send_message(&"a", vec![3]).await.expect("it replies");
    // Without a listener, nothing is cloned.
    speakers.control().emit(Word(UNLUCKY));
    let copied = catch_unwind(AssertUnwindSafe(|| drop(m.listen_from(&"a", id(1, 2)))));
    assert!(copied.is_err(), "by the listener, who has no subscription");
    assert_eq!(read(&mut m.listen_from(&"a", id(1, 4))), "; none");
    speakers.control().emit(Word(5));
    assert_eq!(read(&mut m.listen_from(&"a", id(1, 4))), "5; 1.5");
    // In a turn it is the turn's.
    let error = m.send_message(&"a", vec![UNLUCKY]).await;
    let error = error.expect_err("it panics").error;
    assert!(matches!(error, TurnError::Panicked));
    m.send_message(&"a", vec![]).await.expect("a new session");
    assert_eq!(read(&mut m.listen_from(&"a", id(3, 0))), "1 2; 3.2");
    m.shutdown(SECOND).await;
}

/// A session speaks while listeners come: each has every event once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_comes_twice() {
    let speakers = Speakers::default();
    let m = speakers.manager(1 << 20);
    m.send_message(&"a", vec![]).await.expect("it starts");
    let control = speakers.control();
    let speaks = std::thread::spawn(move || {
        for number in 3..=1000 {
            control.emit(Word(number + 100));
        }
    });
    let mut after = 2;
    while after < 1000 {
        let mut late = m.listen_from(&"a", id(1, after));
        for _ in 0..3.min(1000 - after) {
            let next = late.next().await.expect("it goes on");
            let Update::Event(word) = next else {
                panic!("{next:?} after {after}");
            };
            after += 1;
            assert_eq!(u64::from(word.0), after + 100);
            assert_eq!(late.last_id(), Some(id(1, after)));
        }
    }
    speaks.join().expect("it does not panic");
    m.shutdown(SECOND).await;
}

#[test]
fn an_id_goes_around() {
    let there = id(14, 153);
    assert_eq!(there.to_string(), "14.153");
    assert_eq!("14.153".parse(), Ok(there));
    assert!(there > id(14, 2) && there < id(15, 0));
    for text in [
        "", "14", "14.", ".153", "0.1", "14.x", "14.1.2", "14.-1", "14. 1",
    ] {
        assert!(text.parse::<EventId>().is_err(), "{text}");
    }
}
