//! The handle of a session, the events of a start, and the types that a backend may have.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;

use turnwise::{Backend, Incarnation, SessionManager, Ticket, TurnContext, manager::*};

use crate::script::{Gate, Step, until};
use crate::{HOUR, plain, settled};

#[tokio::test(start_paused = true)]
async fn a_handle_is_there_from_the_end_of_the_start_to_the_beginning_of_the_stop() {
    let (m, stage) = plain();
    let (started, stopped) = (Gate::new(), Gate::new());
    stage.script.tell("a", Step::Start, until(&started));
    stage.script.tell("a", Step::Stop, until(&stopped));
    assert_eq!(m.handle("a"), None);
    let turn = tokio::spawn(m.turn("a"));
    started.reached().await;
    assert_eq!(m.handle("a"), None, "it starts");
    started.open();
    let turn = turn.await.expect("it does not panic").expect("it starts");
    let number = SessionTurn::incarnation(&turn).get();
    assert_eq!(m.handle("a"), Some(number), "in a turn");
    drop(turn);
    assert_eq!(m.handle("a"), Some(number), "idle");
    let stop = m.stop("a");
    stopped.reached().await;
    assert_eq!(m.handle("a"), None, "it stops");
    stopped.open();
    assert!(stop.await.expect("it stops"));
    assert_eq!(m.handle("a"), None);
    drop(m.turn("a").await.expect("it starts"));
    assert!(m.handle("a") > Some(number), "the next session's");
    stage.end(m).await;
}

/// Sessions that are not healthy a second time, and handles that are counted.
struct Counted(Arc<()>);

impl Backend for Counted {
    type Key = &'static str;
    type Session = u32;
    type Handle = Arc<()>;
    type Event = ();
    type Error = Infallible;

    async fn start(
        &self,
        _: &&'static str,
        _: &TurnContext<()>,
    ) -> Result<(u32, Arc<()>), Infallible> {
        Ok((0, Arc::clone(&self.0)))
    }

    async fn is_healthy(&self, checks: &mut u32) -> bool {
        *checks += 1;
        *checks < 2
    }
}

/// A handle goes with its session, though a plain call is reached by it until its turn has ended.
#[tokio::test(start_paused = true)]
async fn a_handle_does_not_outlive_its_session() {
    let counted = Arc::new(());
    let backend = Counted(Arc::clone(&counted));
    let m = SessionManager::builder(backend)
        .build()
        .expect("in a runtime");
    for _ in 0..2 {
        drop(m.turn(&"a").await.expect("healthy"));
    }
    let turn = m.turn(&"a").await.expect("a new session");
    // The test's, the backend's, the new session's.
    assert_eq!(Arc::strong_count(&counted), 3);
    assert_eq!(m.stats().stops.unhealthy, 1);
    drop(SessionTurn::handle(&turn));
    drop(turn);
    m.shutdown(HOUR).await;
    assert_eq!(Arc::strong_count(&counted), 2);
}

/// Reports its steps, and is cut short if it is asked to wait.
struct Steps;

impl Backend for Steps {
    type Key = &'static str;
    type Session = ();
    type Handle = ();
    type Event = String;
    type Error = Infallible;

    async fn start(
        &self,
        key: &&'static str,
        cx: &TurnContext<String>,
    ) -> Result<((), ()), Infallible> {
        cx.emit(format!("{key} {} {}: one", cx.incarnation(), cx.ticket()));
        cx.note("between");
        tokio::task::yield_now().await;
        cx.emit("two".to_owned());
        if *key == "waits" {
            cx.cancelled().await;
        }
        assert_eq!(cx.is_cancelled(), *key == "waits");
        Ok(((), ()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_has_a_context() {
    let m = SessionManager::builder(Steps)
        .build()
        .expect("in a runtime");
    let mut parts = m.listen(&"waits");
    let mut turn = tokio::spawn(m.turn(&"waits"));
    tokio::select! {
        biased;
        _ = &mut turn => unreachable!("it waits"),
        () = settled() => {}
    }
    let status = m.status(&"waits").expect("it starts");
    assert_eq!(status.note.as_deref(), Some("between"));
    let number = status.incarnation;
    let first = format!(
        "waits {number} {}: one",
        status.turn.expect("it has a ticket")
    );
    assert_eq!(parts.next().await, Some(Update::Event(first)));
    assert_eq!(parts.next().await, Some(Update::Event("two".to_owned())));
    assert!(m.abort(&"waits", None));
    let error = turn.await.expect("it does not panic").err();
    assert!(matches!(error, Some(TurnError::Aborted)));
    settled().await;
    // It ended well, though it was cancelled: its session is there for the next caller.
    let turn = m.turn(&"waits").await.expect("it is idle");
    assert_eq!(SessionTurn::incarnation(&turn), number);
    drop(turn);
    m.shutdown(HOUR).await;
}

/// Fails to start, with an error of any type.
struct Fails<E>(fn() -> E);

impl<E: std::fmt::Debug + std::fmt::Display + Send + Sync + 'static> Backend for Fails<E> {
    type Key = String;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = E;

    async fn start(&self, _: &String, _: &TurnContext<()>) -> Result<((), ()), E> {
        Err(self.0())
    }
}

async fn fails<E: std::fmt::Debug + std::fmt::Display + Send + Sync + 'static>(
    error: fn() -> E,
) -> String {
    let m = SessionManager::builder(Fails(error))
        .build()
        .expect("in a runtime");
    let mut events = m.subscribe();
    let refused = m.turn("a").await.map(drop).expect_err("it fails");
    assert!(refused.cause().is_some());
    let Some(Update::Event(SessionEvent::StartFailed { error, .. })) = events.next().await else {
        panic!("it is reported");
    };
    let refused: Box<dyn Error + Send + Sync> = Box::new(refused);
    assert_eq!(
        refused.to_string(),
        &*error,
        "the report and the caller get one text"
    );
    m.shutdown(HOUR).await;
    error.to_string()
}

#[tokio::test(start_paused = true)]
async fn any_error_type_compiles() {
    let prefix = "the session failed to start: ";
    assert_eq!(fails(|| "a text").await, format!("{prefix}a text"));
    assert_eq!(
        fails(|| "a text".to_owned()).await,
        format!("{prefix}a text")
    );
    let boxed = fails(|| -> Box<dyn Error + Send + Sync> { "in a box".into() }).await;
    assert_eq!(boxed, format!("{prefix}in a box"));
    // Its causes are in its text.
    let anyhow = fails(|| anyhow::anyhow!("refused").context("cannot connect")).await;
    assert_eq!(anyhow, format!("{prefix}cannot connect: refused"));
    let io = fails(|| std::io::Error::other("of the system")).await;
    assert_eq!(io, format!("{prefix}of the system"));
}

#[test]
fn numbers_go_around() {
    assert!(Ticket::try_from(0).is_err());
    assert!(Incarnation::try_from(0).is_err());
    // The highest ticket there can be. One more would be the place of another call in the queue.
    assert!(Ticket::try_from(1 << 62).is_err() && Ticket::try_from((1 << 63) + 5).is_err());
    assert!(Ticket::try_from(1 << 62).is_err() && Incarnation::try_from(1 << 62).is_ok());
    assert!(Incarnation::try_from(1 << 63).is_err());
    for number in [1, 7, (1 << 62) - 1] {
        let (ticket, incarnation) = (Ticket::try_from(number), Incarnation::try_from(number));
        let (ticket, incarnation) = (ticket.expect("a number"), incarnation.expect("a number"));
        assert_eq!((ticket.get(), incarnation.get()), (number, number));
        assert_eq!(ticket.to_string().parse(), Ok(ticket));
        assert_eq!(incarnation.to_string().parse(), Ok(incarnation));
        let data = serde_json::to_string(&(ticket, incarnation)).expect("data");
        assert_eq!(data, format!("[{number},{number}]"));
        assert_eq!(
            serde_json::from_str::<(Ticket, Incarnation)>(&data).ok(),
            Some((ticket, incarnation))
        );
    }
    for text in ["0", "", "-1", "one", "18446744073709551616", "1.0"] {
        assert!(text.parse::<Ticket>().is_err(), "{text}");
        assert!(text.parse::<Incarnation>().is_err(), "{text}");
        assert!(serde_json::from_str::<Ticket>(text).is_err(), "{text}");
        assert!(serde_json::from_str::<Incarnation>(text).is_err(), "{text}");
    }
}
