//! What operators see.

use crate::live::{Live, Locals, Stage};
use rmcp::transport::streamable_http_server::SessionId;
use std::{sync::atomic::Ordering::Relaxed, time::Duration};
use turnwise::{Incarnation, Phase, SessionManager, manager::SessionStatus};

/// A session at one moment; see [`McpSessions::snapshot`](crate::McpSessions::snapshot).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct McpSession {
    /// The id, as clients send it in `Mcp-Session-Id`. Anyone with this id can use the session, so keep it secret.
    pub id: SessionId,
    /// What the session is doing.
    pub phase: McpPhase,
    /// The calls that its service has received and not answered. Calls that their clients cancelled do not count.
    pub calls: usize,
    /// The open streams of responses and notifications.
    pub streams: usize,
    /// The time since it was last used, exact to a few milliseconds. Zero while it is used.
    pub idle: Duration,
    /// The generation number. A session that was restored has a higher one than before.
    pub incarnation: Incarnation,
}

/// What a session is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum McpPhase {
    /// Its client initializes it.
    Opening,
    /// It was in the store, and its handshake is repeated. Its calls wait.
    Restoring,
    /// It is used: by a call, or by an open stream. It does not expire.
    Used,
    /// It is not used, and expires if that lasts.
    Idle,
    /// It is ending. After that, its id may be restored.
    Closing,
}

pub(crate) fn snapshot(sessions: &SessionManager<Locals>) -> Vec<McpSession> {
    let rows = sessions.snapshot().into_iter();
    rows.map(|(id, status)| {
        let live = sessions.handle(&id);
        // The id may have got another session since.
        let live = live.filter(|live| live.control.incarnation() == status.incarnation);
        row(id, &status, live.as_deref())
    })
    .collect()
}

fn row(id: SessionId, status: &SessionStatus, live: Option<&Live>) -> McpSession {
    let phase = phase(status, live.map(Live::stage));
    McpSession {
        id,
        phase,
        calls: live.map_or(0, |live| live.calls.load(Relaxed)),
        streams: live.map_or(0, |live| live.streams.load(Relaxed)),
        idle: match phase {
            McpPhase::Idle => status.elapsed,
            _ => Duration::ZERO,
        },
        incarnation: status.incarnation,
    }
}

fn phase(status: &SessionStatus, stage: Option<Stage>) -> McpPhase {
    match (status.phase, stage) {
        (Phase::Closing, _) | (_, Some(Stage::Ended)) => McpPhase::Closing,
        (Phase::Starting, _) | (_, Some(Stage::Opening)) => McpPhase::Opening,
        (_, Some(Stage::Restoring)) => McpPhase::Restoring,
        (Phase::Idle, _) if status.kept == 0 => McpPhase::Idle,
        _ => McpPhase::Used,
    }
}
