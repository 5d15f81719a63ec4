//! Events that must arrive: `send` waits for the sender's reader, and for nobody else.

mod ends;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;
use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::*};

use crate::{HOUR, MINUTE, SECOND, seconds, settled};

/// Runs what it is sent.
struct Runs;

type Body = Box<dyn FnOnce(TurnContext<Line>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A number, a weight, and a mark of all that are there.
#[derive(Clone, Debug)]
struct Line(usize, usize, #[allow(dead_code)] Arc<()>);

fn line(number: usize) -> Line {
    Line(number, 1, Arc::new(()))
}

fn runs<F: Future<Output = ()> + Send + 'static>(
    body: impl FnOnce(TurnContext<Line>) -> F + Send + 'static,
) -> Body {
    Box::new(|cx| Box::pin(body(cx)))
}

impl Backend for Runs {
    type Key = &'static str;
    type Session = ();
    type Handle = ();
    type Event = Line;
    type Error = Infallible;

    async fn start(
        &self,
        _: &&'static str,
        cx: &TurnContext<Line>,
    ) -> Result<((), ()), Infallible> {
        for number in 0..3 {
            cx.send(line(number)).await;
        }
        Ok(((), ()))
    }

    fn weight(event: &Line) -> usize {
        event.1
    }
}

impl Agent for Runs {
    type Message = Body;
    type Reply = ();

    async fn send(
        &self,
        (): &mut (),
        body: Body,
        cx: &TurnContext<Line>,
    ) -> Result<(), Infallible> {
        body(cx.map(Some)).await;
        Ok(())
    }
}

fn manager(set: impl FnOnce(ManagerBuilder<Runs>) -> ManagerBuilder<Runs>) -> SessionManager<Runs> {
    let built = set(SessionManager::builder(Runs)).build();
    built.expect("in a runtime")
}

/// Keeps two unread events.
fn of_two() -> SessionManager<Runs> {
    manager(|builder| builder.unread_events(2))
}

/// Sends lines with these numbers.
fn sends(numbers: std::ops::Range<usize>) -> Body {
    runs(async move |cx| {
        for number in numbers {
            cx.send(line(number)).await;
        }
    })
}

/// What the sender reads to the end: the number of each line, or how many were dropped.
async fn rest(sending: &mut Sending<Runs>) -> Vec<Result<usize, u64>> {
    let mut read = Vec::new();
    while let Some(update) = sending.next_event().await {
        read.push(match update {
            Update::Event(Line(number, ..)) => Ok(number),
            Update::Lagged(count) => Err(count),
        });
    }
    read
}

fn is_pending<F: Future>(future: Pin<&mut F>) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    matches!(future.poll(&mut cx), Poll::Pending)
}

const LINES: usize = 200_000;

/// What a REPL prints arrives at a slow reader, each line, in order; and no more is kept than may be unread.
#[tokio::test(start_paused = true)]
async fn every_line_arrives() {
    let m = manager(|builder| builder);
    let here = Arc::new(());
    let mark = Arc::clone(&here);
    let mut sending = m.send_message(
        &"a",
        runs(async move |cx| {
            for number in 0..LINES {
                cx.send(Line(number, 1, Arc::clone(&mark))).await;
            }
        }),
    );
    let mut most = 0;
    for number in 0..LINES {
        if number % 1000 == 0 {
            settled().await;
        }
        let update = sending.next_event().await;
        assert!(
            matches!(update, Some(Update::Event(Line(read, ..))) if read == number),
            "{number}: {update:?}"
        );
        most = most.max(Arc::strong_count(&here));
    }
    assert!(sending.next_event().await.is_none());
    sending.await.expect("a reply");
    // Ours, the agent's, the one in its hand, the one just read.
    assert!((1024..=1024 + 4).contains(&most), "{most} at once");
    m.shutdown(HOUR).await;
}

/// The same as a stream, and on several threads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_arrives_from_another_thread() {
    let m = manager(|builder| builder.unread_events(7));
    let mut stream = m.send_message(&"a", sends(0..20_000)).into_stream();
    let mut next = 0;
    loop {
        let update =
            std::future::poll_fn(|cx| futures_core::Stream::poll_next(Pin::new(&mut stream), cx));
        match update.await.expect("it ends with the reply") {
            Update::Event(Line(number, ..)) => assert_eq!(number, next),
            Update::Lagged(count) => panic!("{count} of them are lost"),
            Update::Done(reply) => break reply.expect("a reply"),
        }
        next += 1;
    }
    assert_eq!(next, 20_000);
    m.shutdown(HOUR).await;
}

/// Without a reader nothing waits: detached, dropped, awaited for the reply.
#[tokio::test(start_paused = true)]
async fn without_a_reader_nothing_waits() {
    let m = of_two();
    m.send_message(&"a", sends(0..10)).await.expect("a reply");
    m.send_message(&"a", sends(0..10)).detach();
    m.send_message(&"a", sends(0..1)).await.expect("it goes on");
    // Each of these while it waits.
    let mut sending = m.send_message(&"a", sends(0..10));
    settled().await;
    assert!(is_pending(Pin::new(&mut sending)));
    sending.await.expect("a reply");
    let sending = m.send_message(&"a", sends(0..10));
    settled().await;
    sending.detach();
    let next = m.send_message(&"a", sends(0..1)).await;
    next.expect("it goes on");
    let (ends, ended) = oneshot::channel();
    let sending = m.send_message(
        &"a",
        runs(async move |cx| {
            for number in 0..10 {
                cx.send(line(number)).await;
            }
            let _ = ends.send(cx.is_cancelled());
        }),
    );
    settled().await;
    drop(sending);
    assert!(ended.await.expect("it ends"));
    m.shutdown(HOUR).await;
    assert_eq!(m.stats().turns.done, 7);
}

/// A caller that has waited for the reply for a while reads on. It is a lossy reader from then on.
#[tokio::test(start_paused = true)]
async fn a_reader_that_awaits_the_reply_first_is_lossy() {
    let m = of_two();
    let mut sending = m.send_message(
        &"a",
        runs(async |cx| {
            for number in 0..10 {
                cx.send(line(number)).await;
            }
            tokio::time::sleep(HOUR).await;
        }),
    );
    let timeout = tokio::time::timeout(MINUTE, &mut sending).await;
    timeout.expect_err("it takes an hour");
    assert_eq!(rest(&mut sending).await, [Err(8), Ok(8), Ok(9)]);
    sending.await.expect("a reply");
    m.shutdown(HOUR).await;
}

/// A reader that stops: it is given up after `quiet`, and the turn goes on. A slow one is not.
#[tokio::test(start_paused = true)]
async fn silence_gives_up_the_reader_and_not_the_turn() {
    let timeouts = Timeouts::default().quiet(10 * SECOND);
    let m = manager(|builder| builder.unread_events(2).timeouts(timeouts.clone()));
    let (reply, took) = seconds(async {
        let mut sending = m.send_message(&"a", sends(0..10));
        settled().await;
        tokio::time::sleep(MINUTE).await;
        assert_eq!(rest(&mut sending).await, [Ok(0), Ok(1), Err(8)]);
        sending.await
    })
    .await;
    reply.expect("the turn goes on");
    assert_eq!(took, 60);
    // The turn was over long before.
    let mut sending = m.send_message(&"a", sends(0..4));
    tokio::time::sleep(10 * SECOND + SECOND).await;
    assert_eq!(m.stats().turns.done, 2);
    assert_eq!(rest(&mut sending).await, [Ok(0), Ok(1), Err(2)]);

    // One line in nine seconds is slow, and not silent.
    let (read, took) = seconds(async {
        let mut sending = m.send_message(&"a", sends(0..10));
        for number in 0..10 {
            tokio::time::sleep(9 * SECOND).await;
            let update = sending.next_event().await;
            assert!(matches!(update, Some(Update::Event(Line(read, ..))) if read == number));
        }
        sending.await
    })
    .await;
    read.expect("it was read");
    assert_eq!(took, 90);

    // After its wait the turn may be silent for as long as any other, and not longer.
    let (sent, took) = seconds(async {
        let mut sending = m.send_message(
            &"a",
            runs(async |cx| {
                for number in 0..3 {
                    cx.send(line(number)).await;
                }
                tokio::time::sleep(HOUR).await;
            }),
        );
        tokio::time::sleep(8 * SECOND).await;
        assert!(sending.next_event().await.is_some());
        sending.await
    })
    .await;
    let error = sent.expect_err("it is silent").error;
    assert!(matches!(error, TurnError::Silent), "{error:?}");
    assert_eq!(took, 8 + 10 + 5);
    m.shutdown(HOUR).await;
}

/// Without `quiet`, a slow reader holds the turn, until its limit.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_the_turn_until_its_limit() {
    let m = manager(|builder| {
        let timeouts = Timeouts::default().turn(HOUR);
        builder.unread_events(2).timeouts(timeouts)
    });
    let mut sending = m.send_message(&"a", sends(0..3));
    tokio::time::sleep(HOUR - SECOND).await;
    assert_eq!(m.stats().turns.done, 0);
    tokio::time::sleep(2 * SECOND).await;
    // Woken by its limit, it ends with a reply.
    assert_eq!(m.stats().turns.done, 1);
    assert_eq!(rest(&mut sending).await, [Ok(0), Ok(1), Err(1)]);
    m.shutdown(HOUR).await;
}

/// What was sent stays, what was emitted makes room: for the next emitted one, and for one that is sent.
#[tokio::test(start_paused = true)]
async fn emitted_events_make_room_and_sent_ones_do_not() {
    let m = manager(|builder| builder.unread_events(4));
    let mixed = |last: &'static [usize]| {
        runs(async move |cx| {
            cx.emit(line(0));
            cx.send(line(1)).await;
            for number in 2..6 {
                cx.emit(line(number));
            }
            for number in last {
                cx.send(line(*number)).await;
            }
            cx.emit(line(100));
        })
    };
    for (last, read) in [
        (&[][..], vec![Ok(1), Err(2), Ok(4), Ok(5), Ok(100)]),
        (&[6, 7], vec![Ok(1), Err(4), Ok(6), Ok(7), Ok(100)]),
        // Full of sent ones: the emitted one is dropped itself.
        (&[6, 7, 8], vec![Ok(1), Err(4), Ok(6), Ok(7), Ok(8), Err(1)]),
    ] {
        let mut sending = m.send_message(&"a", mixed(last));
        settled().await;
        // The first was dropped before the second.
        let mut expected = vec![Err(1)];
        expected.extend(read);
        assert_eq!(rest(&mut sending).await, expected, "{last:?}");
    }
    m.shutdown(HOUR).await;
}

/// Bytes are bounded too. One event that exceeds the limit by itself waits until it is alone.
#[tokio::test(start_paused = true)]
async fn a_huge_event_passes_alone() {
    let m = manager(|builder| builder.unread_bytes(10));
    let weights = [4, 6, 1, 11, usize::MAX, 1, 9, 1];
    let unread = Arc::new(AtomicUsize::new(0));
    let mut sending = m.send_message(&"a", {
        let unread = Arc::clone(&unread);
        runs(async move |cx| {
            for (number, weight) in weights.into_iter().enumerate() {
                cx.emit(Line(100, 11, Arc::new(())));
                cx.send(Line(number, weight, Arc::new(()))).await;
                unread.fetch_add(1, Ordering::SeqCst);
            }
        })
    });
    // After each read: how many have their place.
    let mut read = Vec::new();
    let placed = [2, 3, 3, 4, 5, 7, 8, 8];
    for placed in placed {
        settled().await;
        assert_eq!(unread.load(Ordering::SeqCst), placed, "{read:?}");
        let mut update = sending.next_event().await;
        if let Some(Update::Lagged(_)) = update {
            update = sending.next_event().await;
        }
        if let Some(Update::Event(Line(number, ..))) = update {
            read.push(number);
        }
    }
    assert_eq!(read, (0..weights.len()).collect::<Vec<_>>());
    m.shutdown(HOUR).await;
}

/// What else the turn or its session does is no sign of the reader.
#[tokio::test(start_paused = true)]
async fn a_reader_is_given_up_though_its_turn_says_something() {
    let timeouts = Timeouts::default().quiet(10 * SECOND);
    let m = manager(|builder| builder.unread_events(2).timeouts(timeouts));
    let body = runs(async |cx| {
        let sends = async {
            for number in 0..5 {
                cx.send(line(number)).await;
            }
        };
        let says = async {
            loop {
                cx.note("alive");
                cx.session().note("alive");
                tokio::time::sleep(SECOND).await;
            }
        };
        tokio::select! { () = sends => {}, () = says => {} }
    });
    let sending = m.send_message(&"a", body);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(m.stats().turns.done, 1, "the reader was given up");
    sending.await.expect("the turn goes on");
    m.shutdown(HOUR).await;
}
