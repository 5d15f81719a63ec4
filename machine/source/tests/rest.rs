//! The transitions that neither the property tests nor the fuzz corpora take.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;
#[macro_use]
extern crate deadline_attribute;

mod walk;

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};
use turnwise::{
    Backend, Entry, Incarnation, Registry, SessionManager, Turn, TurnContext,
    manager::{SessionTurn, TurnError, TurnOptions},
};

/// Enters its key when it is dropped.
struct Enters<'a>(&'a Registry<&'static str, u32>);

impl Drop for Enters<'_> {
    fn drop(&mut self) {
        let entry = self.0.enter_blocking(&"a").expect("open");
        drop(entry.or_insert(2));
    }
}

#[test]
fn a_turn_that_begins_while_its_thread_unwinds() {
    let sessions = Registry::new();
    drop(sessions.enter_blocking(&"a").expect("open").or_insert(1));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _enters = Enters(&sessions);
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    let turn = sessions.enter_blocking(&"a").expect("open").or_insert(3);
    assert_eq!(*turn, 1, "the session has been passed on");
}

#[test]
fn holders_number_their_vacancies() {
    let number = |number: u64| Incarnation::try_from(number).expect("it is valid");
    let sessions: Registry<&str, u32> = Registry::builder().unnumbered().build();
    let Ok(Entry::Vacant(mut vacancy)) = sessions.enter_blocking(&"a") else {
        panic!("it was absent");
    };
    assert!(vacancy.renumber(number(5)) && !vacancy.renumber(number(5)));
    let mut next = Turn::vacate(vacancy.fill(1)).closed();
    assert!(!next.renumber(number(4)) && next.renumber(number(6)));
    let waits = sessions.enter(&"a");
    drop(next);
    let Ok(Entry::Vacant(mut handed_on)) = waits.wait() else {
        panic!("there is no session");
    };
    assert!(!handed_on.renumber(number(6)) && handed_on.renumber(number(7)));
}

#[derive(Debug)]
struct Plain;

impl Backend for Plain {
    type Key = &'static str;
    type Session = u32;
    type Handle = ();
    type Event = ();
    type Error = Infallible;

    async fn start(&self, _: &&'static str, _: &TurnContext<()>) -> Result<(u32, ()), Infallible> {
        Ok((1, ()))
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_that_are_too_old() {
    let age = Duration::from_secs(600);
    let built = SessionManager::builder(Plain).max_age(age).build();
    let sessions = built.expect("in a runtime");
    let first = sessions.turn(&"a").await.expect("it starts");
    let queued = sessions.turn(&"a");
    tokio::time::sleep(10 * age).await;
    SessionTurn::done(first);
    SessionTurn::done(queued.await.expect("it starts again"));
    let report = sessions.shutdown(Duration::from_secs(1)).await;
    assert!(report.failed.is_empty());
}

#[tokio::test]
async fn a_dismissal_of_calls_that_go_first() {
    let sessions = SessionManager::builder(Plain)
        .build()
        .expect("in a runtime");
    let first = sessions.turn(&"a").await.expect("it starts");
    let mut options = TurnOptions::default();
    options.first = true;
    let queued = [sessions.with(options).turn(&"a"), sessions.turn(&"a")];
    assert_eq!(sessions.dismiss(&"a"), 2);
    for call in queued {
        assert!(matches!(call.await, Err(TurnError::Dismissed)));
    }
    SessionTurn::done(first);
}
