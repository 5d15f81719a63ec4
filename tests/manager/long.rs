//! Errors and notes of any length: what the manager keeps and reports of them is bounded in bytes.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::*};

use crate::{HOUR, all_events};

const ERROR_BYTES: usize = 4 << 10;
const NOTE_BYTES: usize = 1 << 10;
const LONG: usize = 20_000_000;

/// Three bytes each, so that a limit may fall in the middle of one.
const SIGN: &str = "€";

#[derive(Clone, Copy, Debug)]
enum Failure {
    /// So many signs.
    Long(usize),
    /// Writes until it is stopped.
    Endless,
    /// The same, a sign at a time, and it goes on whatever its writer returns, for this many signs.
    Deaf(usize),
    /// Writes nothing, again and again.
    Nothing,
    /// Is its own cause.
    Cycle,
    /// Cannot be written.
    Unwritable,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long(signs) => f.write_str(&SIGN.repeat(*signs)),
            Self::Endless => loop {
                f.write_str("on and ")?;
            },
            Self::Deaf(signs) => {
                for _ in 0..*signs {
                    let _ = f.write_str(SIGN);
                }
                Ok(())
            }
            Self::Nothing => loop {
                f.write_str("")?;
            },
            Self::Cycle => f.write_str("again"),
            Self::Unwritable => Err(fmt::Error),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        matches!(self, Self::Cycle).then_some(&Self::Cycle)
    }
}

/// Fails as it is asked to, in the start or in every stop.
#[derive(Clone, Copy, Debug)]
struct Fails {
    start: Option<Failure>,
    stop: Failure,
}

impl Backend for Fails {
    type Key = String;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Failure;

    async fn start(&self, _: &String, _: &TurnContext<Self::Event>) -> Result<((), ()), Failure> {
        self.start.map_or(Ok(((), ())), Err)
    }

    async fn stop(&self, _: &String, (): (), _: StopReason) -> Result<(), Failure> {
        Err(self.stop)
    }

    fn describe(error: &Failure, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Causes(error))
    }
}

impl Agent for Fails {
    type Message = String;
    type Reply = ();

    async fn send(&self, _: &mut (), note: String, cx: &TurnContext<()>) -> Result<(), Failure> {
        cx.note(note);
        cx.emit(());
        cx.cancelled().await;
        Ok(())
    }
}

fn manager(start: Option<Failure>, stop: Failure) -> SessionManager<Fails> {
    let manager = SessionManager::builder(Fails { start, stop }).build();
    manager.expect("the settings make sense")
}

/// What was kept of a text of that many bytes, which ends with the number of those that were cut.
fn kept(text: &str, whole: usize, most: usize) -> &str {
    assert!(text.len() <= most, "{} bytes", text.len());
    let (kept, rest) = text.rsplit_once(" [").expect("it says what was cut");
    let cut = rest.strip_suffix(" bytes cut]").expect("in bytes");
    let cut: usize = cut.parse().expect("a number");
    assert_eq!(kept.len() + cut, whole);
    assert!(kept.len() > most - 100, "{} bytes are kept", kept.len());
    kept
}

/// What a start that fails so is reported with.
async fn reported(failure: Failure) -> String {
    let m = manager(Some(failure), failure);
    let mut events = m.subscribe();
    let error = m.turn("a").await.expect_err("it fails");
    assert!(matches!(error, TurnError::Start(_)));
    m.shutdown(HOUR).await;
    let events = all_events(&mut events);
    let [SessionEvent::StartFailed { error, .. }] = &events[..] else {
        panic!("a start that failed, not {events:?}")
    };
    assert!(error.len() <= ERROR_BYTES, "{} bytes", error.len());
    error.to_string()
}

#[tokio::test(start_paused = true)]
async fn long_errors_are_truncated() {
    const BEFORE: &str = "the session failed to start: ";
    let text = reported(Failure::Long(LONG)).await;
    let kept_of_start = kept(&text, BEFORE.len() + LONG * SIGN.len(), ERROR_BYTES);
    let signs = kept_of_start.strip_prefix(BEFORE).expect("first the start");
    assert!(signs.chars().all(|sign| SIGN.contains(sign)));

    // Of all stops: in an event, in a sweep, in the report of the end.
    let m = manager(None, Failure::Long(LONG));
    let mut events = m.subscribe();
    for key in ["stopped", "swept", "drained"] {
        drop(m.turn(key).await.expect("it starts"));
        match key {
            "stopped" => {
                let error = m.stop(key).await.expect_err("it fails");
                assert!(
                    matches!(error, StopError::Failed(error) if matches!(*error, Failure::Long(LONG)))
                );
            }
            "swept" => {
                let report = m.cleanup_idle(Duration::ZERO).await;
                kept(&report.failed[0].1, LONG * SIGN.len(), ERROR_BYTES);
            }
            _ => {
                let report = m.shutdown(HOUR).await;
                kept(&report.failed[0].1, LONG * SIGN.len(), ERROR_BYTES);
            }
        }
    }
    let stops = all_events(&mut events);
    let stops: Vec<_> = stops
        .iter()
        .filter_map(|event| match event {
            SessionEvent::Stopped { error, .. } => error.as_deref(),
            _ => None,
        })
        .collect();
    assert_eq!(stops.len(), 3);
    for text in stops {
        kept(text, LONG * SIGN.len(), ERROR_BYTES);
    }
}

/// What fits is kept whole, to the last byte.
#[tokio::test(start_paused = true)]
async fn an_error_as_long_as_it_may_be_is_whole() {
    let before = "the session failed to start: ".len();
    let signs = (ERROR_BYTES - before) / SIGN.len();
    let text = reported(Failure::Long(signs)).await;
    assert_eq!(text.len(), before + signs * SIGN.len());
    assert!(text.ends_with(SIGN));
    let text = reported(Failure::Long(signs + 1)).await;
    kept(&text, before + (signs + 1) * SIGN.len(), ERROR_BYTES);
}

/// Texts and chains of causes that have no end of their own.
#[tokio::test(start_paused = true)]
async fn endless_errors_have_an_end() {
    let text = reported(Failure::Endless).await;
    assert!(text.contains("on and on and"), "{text}");
    assert!(text.contains(" [more than ") && text.ends_with(" bytes cut]"));
    let text = reported(Failure::Deaf(1_000_000)).await;
    assert!(text.contains(" [more than ") && text.ends_with(" bytes cut]"));
    let text = reported(Failure::Nothing).await;
    assert!(text.starts_with("the session failed to start: "), "{text}");
    let text = reported(Failure::Cycle).await;
    assert!(text.contains(": again: again: "), "{text}");
    assert!(text.ends_with(" [more causes cut]"), "{text}");
    let text = reported(Failure::Unwritable).await;
    assert!(text.starts_with("the session failed to start"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn long_notes_are_truncated() {
    let m = manager(None, Failure::Long(1));
    let note = || m.status("a").and_then(|status| status.note);
    for (signs, cut) in [(NOTE_BYTES / SIGN.len(), false), (LONG, true)] {
        let mut sending = m.send_message("a", SIGN.repeat(signs));
        assert_eq!(sending.next_event().await, Some(Update::Event(())));
        let note = note().expect("the turn has one");
        if cut {
            kept(&note, signs * SIGN.len(), NOTE_BYTES);
        } else {
            assert_eq!(*note, *SIGN.repeat(signs));
        }
        sending.abort();
        let _ = sending.await;
    }
    m.shutdown(HOUR).await;
}
