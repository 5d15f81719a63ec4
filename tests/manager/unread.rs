//! What waits for a reader that does not read: bounded in events, and in bytes.

use std::convert::Infallible;
use std::mem::size_of;
use std::sync::Arc;
use std::time::Duration;

use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::*};

use crate::{HOUR, SECOND, settled, stage};

const MIB: usize = 1 << 20;
/// What a manager keeps for one reader if nothing else is set.
const KEPT_BYTES: usize = 16 * MIB;

/// Emits events of the weights that it is sent.
struct Emits {
    /// Cloned into each event, so that those that are kept can be counted.
    here: Arc<()>,
}

/// It weighs this much.
#[derive(Clone, Debug)]
struct Heavy(usize, #[allow(dead_code)] Arc<()>);

impl Backend for Emits {
    type Key = String;
    type Session = ();
    type Handle = ();
    type Event = Heavy;
    type Error = Infallible;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<((), ()), Infallible> {
        Ok(((), ()))
    }

    fn weight(event: &Heavy) -> usize {
        event.0
    }
}

impl Agent for Emits {
    type Message = Vec<usize>;
    type Reply = ();

    async fn send(
        &self,
        _: &mut (),
        weights: Vec<usize>,
        cx: &TurnContext<Heavy>,
    ) -> Result<(), Infallible> {
        for weight in weights {
            cx.emit(Heavy(weight, Arc::clone(&self.here)));
        }
        Ok(())
    }
}

/// A manager, and what counts the events that are kept. `None`: the default bound.
fn emits(unread_bytes: Option<usize>) -> (SessionManager<Emits>, Arc<()>) {
    let here = Arc::new(());
    let mut builder = SessionManager::builder(Emits {
        here: Arc::clone(&here),
    });
    if let Some(most) = unread_bytes {
        builder = builder.unread_bytes(most);
    }
    (builder.build().expect("the settings make sense"), here)
}

/// What a reader finds: the weights, and how many were missed between them.
async fn found(reader: &mut Subscription<Heavy>) -> Vec<Update<usize>> {
    let mut found = Vec::new();
    while let Some(event) = reader.next().await {
        found.push(match event {
            Update::Event(Heavy(weight, _)) => Update::Event(weight),
            Update::Lagged(count) => Update::Lagged(count),
        });
    }
    found
}

/// Each reader keeps the newest, as many as fit, and misses the others.
#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_is_bounded_in_bytes() {
    let (m, here) = emits(None);
    let before = Arc::strong_count(&here);
    let mut listener = m.listen("a");
    let mut sending = m.send_message("a", vec![MIB; 64]);
    settled().await;
    let fit = KEPT_BYTES / MIB;
    assert_eq!(Arc::strong_count(&here) - before, 2 * fit);
    m.shutdown(HOUR).await;
    let mut expected = vec![Update::Lagged(64 - fit as u64)];
    expected.resize(1 + fit, Update::Event(MIB));
    assert_eq!(found(&mut listener).await, expected);
    assert!(matches!(sending.next_event().await, Some(Update::Lagged(count)) if count == 48));
    drop(sending);
    assert_eq!(Arc::strong_count(&here) - before, 0);
}

/// The oldest go, as many as the newest needs.
#[tokio::test(start_paused = true)]
async fn what_is_read_makes_room_again() {
    let (m, _) = emits(Some(10));
    let mut listener = m.listen("a");
    m.send_message("a", vec![1, 2, 3, 4]).await.expect("free");
    for weight in [1, 2] {
        let event = listener.next().await;
        assert!(matches!(event, Some(Update::Event(Heavy(found, _))) if found == weight));
    }
    // 7 of 10 bytes wait.
    m.send_message("a", vec![3, 6, 0]).await.expect("idle");
    m.shutdown(HOUR).await;
    let expected = [
        Update::Lagged(2),
        Update::Event(3),
        Update::Event(6),
        Update::Event(0),
    ];
    assert_eq!(found(&mut listener).await, expected);
}

/// What is heavier than all that may wait is missed by everybody, in its place, and sends nothing else away.
#[tokio::test(start_paused = true)]
async fn an_event_heavier_than_the_bound_is_missed_in_its_place() {
    let (m, here) = emits(Some(10));
    let before = Arc::strong_count(&here);
    let mut listener = m.listen("a");
    let weights = vec![4, 11, usize::MAX, 5, 11, 1, 12];
    m.send_message("a", weights).await.expect("free");
    assert_eq!(Arc::strong_count(&here) - before, 3);
    m.shutdown(HOUR).await;
    let expected = [
        Update::Event(4),
        Update::Lagged(2),
        Update::Event(5),
        Update::Lagged(1),
        Update::Event(1),
        Update::Lagged(1),
    ];
    assert_eq!(found(&mut listener).await, expected);

    // With the default bound, the thirty events of 20 MB of a reader that does not read.
    let (m, here) = emits(None);
    let before = Arc::strong_count(&here);
    let mut listener = m.listen("a");
    m.send_message("a", vec![20_000_000; 30])
        .await
        .expect("free");
    assert_eq!(Arc::strong_count(&here), before);
    m.shutdown(HOUR).await;
    assert_eq!(found(&mut listener).await, [Update::Lagged(30)]);
}

/// A gap stays in its place when what is before it is given up.
#[tokio::test(start_paused = true)]
async fn what_was_missed_is_counted_once() {
    let (m, _) = emits(Some(10));
    let mut listener = m.listen("a");
    let weights = vec![4, 11, 4, 11, 4, 9];
    m.send_message("a", weights).await.expect("free");
    m.shutdown(HOUR).await;
    let expected = [Update::Lagged(5), Update::Event(9)];
    assert_eq!(found(&mut listener).await, expected);
}

/// The reports of the sweeps name every key: they count with all they hold.
#[tokio::test(start_paused = true)]
async fn unread_reports_of_sweeps_are_bounded_in_bytes() {
    const SESSIONS: usize = 100;
    const MOST: usize = 3 * SESSIONS * size_of::<(String, turnwise::manager::Skip)>();
    let (m, stage) = stage(|builder| builder.stop_idle_after(HOUR).unread_bytes(MOST).shards(1));
    let turns: Vec<_> = (0..SESSIONS).map(|key| m.turn(&key.to_string())).collect();
    for turn in turns {
        drop(turn.await.expect("free"));
    }
    let mut events = m.subscribe();
    for _ in 0..10 {
        stage.pass(Duration::from_secs(30)).await;
        settled().await;
    }
    let Some(Update::Lagged(missed)) = events.next().await else {
        panic!("they do not all fit")
    };
    let mut kept = 0;
    while let Ok(Some(event)) = tokio::time::timeout(SECOND, events.next()).await {
        let Update::Event(SessionEvent::Swept(report)) = event else {
            panic!("a sweep, not {event:?}")
        };
        assert_eq!(report.skipped.len(), SESSIONS);
        kept += 1;
    }
    assert_eq!(kept, 2, "the third does not fit with its own size");
    assert!(missed + kept >= 9, "{missed} were missed");
    stage.end(m).await;
}

#[tokio::test(start_paused = true)]
async fn no_room_for_events_makes_no_sense() {
    let here = Arc::new(());
    let refused = SessionManager::builder(Emits { here }).unread_bytes(0);
    assert_eq!(refused.build().map(drop), Err(BuildError::ZeroLimit));
}

/// Events that made room, and events that were too heavy, are counted together.
#[tokio::test(start_paused = true)]
async fn the_missed_are_counted_wherever_they_were() {
    let (m, _) = emits(Some(100));
    let mut reader = m.listen("a");
    // 60 makes room for 61, 61 for 62; the last is too heavy.
    let sent = m.send_message("a", vec![60, 61, 62, 200]).await;
    sent.expect("it is emitted");
    let printed = format!("{reader:?}");
    assert!(printed.contains("unread: 1, missed: 3"), "{printed}");
    m.shutdown(SECOND).await;
    let expected = [Update::Lagged(2), Update::Event(62), Update::Lagged(1)];
    assert_eq!(found(&mut reader).await, expected);
}
