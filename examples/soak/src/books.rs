//! What happened, and whether it adds up.

use crate::agent::{KEYS, Mishap};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use turnwise::manager::{SendError, TurnError};
use turnwise::testing::{End, Ledger, Method};

#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, SeqCst);
    }

    fn get(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) sent: Count,
    pub(crate) swept: Count,
    pub(crate) skipped_busy: Count,
    replies: Count,
    refused: Count,
    aborted: Count,
    agent_failed: Count,
    /// What must never be.
    wrong: Count,
    /// By key: the last message that a session has heard.
    last: Vec<AtomicU64>,
}

impl Books {
    pub(crate) fn new() -> Self {
        Self {
            last: (0..KEYS).map(|_| AtomicU64::new(0)).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn never(&self, wrong: bool, what: &str) {
        if wrong {
            self.wrong.add(1);
            eprintln!("never: {what}");
        }
    }

    pub(crate) fn delivered(&self, key: usize, message: u64) {
        let last = self.last[key].swap(message, SeqCst);
        self.never(
            last >= message,
            "a message came twice, or before an earlier one",
        );
    }

    pub(crate) fn heard(
        &self,
        key: usize,
        number: u64,
        end: &Result<(usize, u64), SendError<u64, Mishap>>,
    ) {
        match end {
            Ok(reply) => {
                self.replies.add(1);
                self.never(*reply != (key, number), "an answer to another message");
            }
            Err(SendError {
                message: Some(back),
                ..
            }) => {
                self.refused.add(1);
                self.never(*back != number, "another message came back");
                self.never(
                    self.last[key].load(SeqCst) == number,
                    "a delivered message came back",
                );
            }
            Err(SendError {
                error: TurnError::Agent(_),
                ..
            }) => self.agent_failed.add(1),
            Err(_) => self.aborted.add(1),
        }
    }

    /// Each session was alone and was stopped, and nothing happened that must never be.
    pub(crate) fn balance(&self, ledger: &Ledger<usize>) -> Result<(), String> {
        ledger.assert_balanced();
        match self.wrong.get() {
            0 => Ok(()),
            wrong => Err(format!("{wrong} times what must never be")),
        }
    }

    pub(crate) fn print(&self, ledger: &Ledger<usize>) {
        let n = Count::get;
        let calls = |method| {
            let ends = [End::Passed, End::Failed, End::CutShort, End::Panicked];
            let [passed, failed, cut, panicked] = ends.map(|end| ledger.count(method, end));
            (passed, failed, cut + panicked)
        };
        let (passed, failed, cut) = calls(Method::Send);
        println!(
            "  messages: {} sent, {} delivered, {} answered, {} refused and handed back, {} cut or cancelled, {} failed",
            n(&self.sent),
            passed + failed + cut,
            n(&self.replies),
            n(&self.refused),
            n(&self.aborted),
            n(&self.agent_failed),
        );
        let (sessions, failed, cut) = calls(Method::Start);
        println!("  starts: {sessions} gave a session, {failed} failed, {cut} were abandoned");
        let (passed, failed, cut) = calls(Method::Stop);
        println!(
            "  stops: {passed} passed, {failed} failed, {cut} were cut short; sweeps by hand: {} stopped, {} passed over as busy",
            n(&self.swept),
            n(&self.skipped_busy),
        );
    }
}
