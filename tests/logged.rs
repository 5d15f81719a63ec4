//! The log, as tracing-subscriber writes it: a hostile key or error can neither forge a line nor control a terminal.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tracing_subscriber::util::SubscriberInitExt;
use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::StopReason};

/// A title for the terminal, a line that looks like one of the log, and letters that turn the text around.
const HOSTILE: &str =
    "\x1b]0;owned\x07\n WARN turnwise: made up\r\u{9b}2J\u{202e}\u{2028}\u{200b}end \"quoted\" é";

/// It is shown as it is.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Name(String);

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug)]
struct Failure;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HOSTILE)
    }
}

impl Error for Failure {}

#[derive(Default)]
struct Hostile {
    started: AtomicBool,
}

impl Backend for Hostile {
    type Key = Name;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Failure;

    /// The first one fails.
    async fn start(&self, _: &Name, _: &TurnContext<Self::Event>) -> Result<((), ()), Failure> {
        let before = self.started.swap(true, Ordering::Relaxed);
        before.then_some(((), ())).ok_or(Failure)
    }

    async fn stop(&self, _: &Name, (): (), _: StopReason) -> Result<(), Failure> {
        Err(Failure)
    }
}

impl Agent for Hostile {
    type Message = ();
    type Reply = ();

    async fn send(&self, _: &mut (), (): (), _: &TurnContext<()>) -> Result<(), Failure> {
        // In the span of the turn, which names the key.
        tracing::info!("at work");
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0
            .lock()
            .expect("nothing panics under it")
            .extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        let bytes = self.0.lock().expect("nothing panics under it").clone();
        String::from_utf8(bytes).expect("a text")
    }
}

/// The life of a session with this name, as it is logged.
async fn logged(name: &str) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone());
    let _here = subscriber.finish().set_default();
    let m = SessionManager::builder(Hostile::default()).build();
    let m = m.expect("the settings make sense");
    let key = Name(name.to_owned());
    m.turn(&key).await.expect_err("the first start fails");
    m.send_message(&key, ()).await.expect("the second does not");
    m.stop(&key).await.expect_err("it fails");
    m.shutdown(Duration::from_secs(1)).await;
    log.text()
}

#[tokio::test(start_paused = true)]
async fn a_hostile_error_or_key_makes_up_no_line_of_the_log() {
    let log = logged(HOSTILE).await;
    let lines: Vec<_> = log.lines().collect();
    let messages = [
        "session failed to start",
        "session started",
        "turn began",
        "at work",
        "turn ended",
        "session not stopped cleanly",
    ];
    assert_eq!(lines.len(), messages.len(), "{log}");
    for (line, message) in lines.iter().zip(messages) {
        let level = ["DEBUG ", " INFO ", " WARN "];
        assert!(level.iter().any(|level| line.starts_with(level)), "{line}");
        assert!(line.contains(message), "{line}");
        let escaped = r#"\u{1b}]0;owned\u{7}\n WARN turnwise: made up\r\u{9b}2J\u{202e}\u{2028}\u{200b}end "quoted" é"#;
        assert!(line.contains(escaped), "{line}");
        let plain = |letter: char| letter == 'é' || letter == ' ' || letter.is_ascii_graphic();
        assert!(line.chars().all(plain), "{line}");
    }
    let errors = lines.iter().filter(|line| line.contains(" error="));
    assert_eq!(errors.clone().count(), 2);
    for line in errors {
        let (_, error) = line.split_once(" error=").expect("it has one");
        assert!(error.contains(r"\u{1b}]0;owned"), "{line}");
    }
}

/// A key of any length is logged with so many bytes at most, before they are escaped.
#[tokio::test(start_paused = true)]
async fn a_long_key_is_logged_in_part() {
    let log = logged(&"k".repeat(1_000_000)).await;
    for line in log.lines() {
        assert!(line.len() < 8_000, "{} bytes", line.len());
        assert!(
            line.contains("kkk [") && line.contains(" bytes cut]"),
            "{line}"
        );
    }
    assert_eq!(log.lines().count(), 6);
}
