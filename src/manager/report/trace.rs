//! The log: the events of subscribers as `tracing` events, and a span around each turn. Keys and errors come from outside, so they
//! are escaped here.

use crate::manager::report::reports::SessionEvent;
use crate::{Incarnation, Ticket};
use std::fmt::Debug;

#[cfg(not(feature = "tracing"))]
pub(crate) fn listens() -> bool {
    false
}

/// Asks the subscriber, which is user code. One that panics does not listen.
#[cfg(feature = "tracing")]
pub(crate) fn listens() -> bool {
    use crate::manager::run::discard;
    use crate::sync::catch_unwind;

    let asked = catch_unwind(|| tracing::enabled!(tracing::Level::WARN));
    asked.map_err(discard).unwrap_or(false)
}

/// Does nothing without the feature.
#[cfg(not(feature = "tracing"))]
pub(crate) fn event<K: Debug>(_event: impl Fn() -> SessionEvent<K>) {}

#[cfg(feature = "tracing")]
pub(crate) fn event<K: Debug>(event: impl Fn() -> SessionEvent<K>) {
    use crate::manager::text::{Shown, ShownKey};
    use tracing::{debug, warn};

    if !listens() {
        return;
    }
    match event() {
        SessionEvent::Started {
            key,
            incarnation,
            took,
        } => debug!(key = %ShownKey(&key), %incarnation, ?took, "session started"),
        SessionEvent::StartFailed {
            key,
            incarnation,
            error,
            took,
        } => {
            warn!(key = %ShownKey(&key), %incarnation, error = %Shown(&error), ?took, "session failed to start");
        }
        SessionEvent::TurnBegan {
            key,
            incarnation,
            turn,
            waited,
        } => debug!(key = %ShownKey(&key), %incarnation, %turn, ?waited, "turn began"),
        SessionEvent::TurnEnded {
            key,
            incarnation,
            turn,
            took,
            outcome,
        } => debug!(key = %ShownKey(&key), %incarnation, %turn, ?took, ?outcome, "turn ended"),
        SessionEvent::Stopped {
            key,
            incarnation,
            reason,
            took,
            error: None,
        } => debug!(key = %ShownKey(&key), %incarnation, ?reason, ?took, "session stopped"),
        SessionEvent::Stopped {
            key,
            incarnation,
            reason,
            took,
            error: Some(error),
        } => {
            warn!(key = %ShownKey(&key), %incarnation, ?reason, error = %Shown(&error), ?took, "session not stopped cleanly");
        }
        SessionEvent::Discarded {
            key,
            incarnation,
            reason,
        } => {
            warn!(key = %ShownKey(&key), %incarnation, reason = %Shown(&reason), "session discarded");
        }
        SessionEvent::Swept(report) => debug!(
            stopped = report.stopped.len(),
            failed = report.failed.len(),
            abandoned = report.abandoned.len(),
            skipped = report.skipped.len(),
            "idle sessions cleaned up"
        ),
    }
}

/// A span around the agent's work in one turn.
#[cfg(not(feature = "tracing"))]
pub(crate) fn in_turn<K: Debug, F: Future>(
    _key: &K,
    _incarnation: Incarnation,
    _turn: Ticket,
    work: F,
) -> F {
    work
}

#[cfg(feature = "tracing")]
pub(crate) fn in_turn<K: Debug, F: Future>(
    key: &K,
    incarnation: Incarnation,
    turn: Ticket,
    work: F,
) -> impl Future<Output = F::Output> {
    use crate::manager::text::ShownKey;
    use tracing::Instrument as _;

    work.instrument(tracing::info_span!("turn", key = %ShownKey(key), %incarnation, %turn))
}
