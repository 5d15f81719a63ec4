//! What is known of one incarnation, from the beginning of its start to the end of its stop: why it must end, its own note, its last
//! sign of life.

use crate::manager::{backend::StopReason, ownership::Term, run::timed, switch::Switch};
use crate::{
    Incarnation, Ticket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use parking_lot::Mutex;
use std::{future::pending, time::Duration};
use tokio::time::Instant;

pub(crate) struct Life {
    pub(crate) incarnation: Incarnation,
    /// When it is too old. `None`: never.
    pub(crate) ages: Option<Instant>,
    /// For how long its key is owned. `None`: for ever.
    pub(crate) term: Option<Arc<dyn Term>>,
    /// It may have to end: it is doomed, or its key is owned for a term. Read without the lock before each turn.
    looked_at: AtomicBool,
    doomed: AtomicBool,
    /// It has ended: what it emits goes to nobody.
    over: AtomicBool,
    words: Mutex<Words>,
}

#[derive(Default)]
struct Words {
    doom: Option<Arc<str>>,
    note: Option<Arc<str>>,
    sign: Option<Instant>,
}

impl Life {
    pub(crate) fn new(
        incarnation: Incarnation,
        ages: Option<Instant>,
        term: Option<Arc<dyn Term>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            incarnation,
            ages,
            looked_at: AtomicBool::new(term.is_some()),
            term,
            doomed: AtomicBool::new(false),
            over: AtomicBool::new(false),
            words: Mutex::new(Words::default()),
        })
    }

    /// The session must end. False if that was known. The first reason stays.
    pub(crate) fn doom(&self, reason: Arc<str>) -> bool {
        let mut words = self.words.lock();
        if words.doom.is_some() {
            drop(words); // before the reason
            return false;
        }
        words.doom = Some(reason);
        self.doomed.store(true, Ordering::Relaxed);
        self.looked_at.store(true, Ordering::Release);
        true
    }

    /// Its stop begins, for whatever reason: to discard it then means nothing.
    pub(crate) fn stops(&self) {
        let mut words = self.words.lock();
        words.doom.get_or_insert_with(|| "it stops".into());
    }

    /// Why it must end before its next turn, whatever its health and age.
    #[inline]
    pub(crate) fn must_end(&self) -> Option<StopReason> {
        self.looked_at
            .load(Ordering::Acquire)
            .then(|| self.look())?
    }

    #[cold]
    fn look(&self) -> Option<StopReason> {
        if !self.holds() {
            return Some(StopReason::Lost);
        }
        let doomed = self.doomed.load(Ordering::Relaxed);
        doomed.then_some(StopReason::Discarded)
    }

    /// Whether this process still owns its key.
    pub(crate) fn holds(&self) -> bool {
        self.term.as_ref().is_none_or(|term| term.holds())
    }

    pub(crate) fn why_doomed(&self) -> Option<Arc<str>> {
        self.words.lock().doom.clone()
    }

    #[inline]
    pub(crate) fn is_old(&self) -> bool {
        self.ages.is_some_and(|ages| Instant::now() >= ages)
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn set_note(&self, note: Arc<str>) {
        let now = Instant::now();
        let mut words = self.words.lock();
        words.sign = Some(now);
        let before = words.note.replace(note);
        drop(words);
        drop(before);
    }

    pub(crate) fn note(&self) -> Option<Arc<str>> {
        self.words.lock().note.clone()
    }

    /// An event has come.
    pub(crate) fn alive(&self) {
        let now = Instant::now();
        self.words.lock().sign = Some(now);
    }

    /// When the last event or note came, from the call with this ticket or from the session itself.
    pub(crate) fn sign(&self, call: Option<(&Switch, Ticket)>) -> Option<Instant> {
        let own = self.words.lock().sign;
        own.max(call.and_then(|(switch, ticket)| switch.sign(ticket)))
    }

    /// Resolves when no sign of life has come for this time, neither from the call nor from the session itself. One that comes between
    /// the last look and the end of the turn comes too late. While a `send` waits, the silence is its reader's, which is given up after
    /// the same time, whatever else gives a sign.
    pub(crate) async fn silent(&self, switch: &Switch, ticket: Ticket, limit: Option<Duration>) {
        let mut last = Instant::now();
        let mut reader = None;
        loop {
            // Whose time passes first. The timer decides that it has passed, and not another reading of the clock.
            let of_reader = reader.filter(|reader| *reader < last);
            let from = of_reader.unwrap_or(last);
            let Some(moment) = limit.and_then(|limit| from.checked_add(limit)) else {
                return pending().await;
            };
            let left = moment.saturating_duration_since(Instant::now());
            timed(Some(left), pending::<()>()).await;
            let own = self.sign(None).filter(|sign| *sign > last);
            let (sign, unread) = switch.signs(ticket, last, of_reader);
            reader = unread;
            match own.max(sign) {
                Some(sign) => last = sign,
                None if of_reader.is_none() => return,
                None => {}
            }
        }
    }
}
