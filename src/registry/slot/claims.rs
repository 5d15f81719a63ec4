//! The transitions by which policy ends an idle session, and those that prevent it.

use crate::{
    Incarnation, Phase, Tick,
    registry::slot::{outcome::Claim, state::Locked},
};
use std::time::Duration;

/// The count of guards of a session that gets no more of them.
const SEALED: u32 = u32::MAX;

impl<V, H> Locked<'_, V, H> {
    /// The number of guards that keep the session alive.
    pub(crate) fn kept(&self) -> u32 {
        let rare = self.state.rare.as_ref();
        let kept = rare.map_or(0, |rare| rare.kept);
        if kept == SEALED { 0 } else { kept }
    }

    /// Policy ends the session of this turn: it gets no guard any more. False if it has one.
    #[cfg(feature = "tokio")]
    pub(crate) fn seal(&mut self) -> bool {
        record!(self, "seal");
        let sealed = self.kept() == 0;
        if sealed {
            self.state.rare().kept = SEALED;
        }
        sealed
    }

    /// Keeps the session alive, if there is one that is not being closed. Returns its number.
    pub(crate) fn keep(&mut self) -> Option<Incarnation> {
        record!(self, "keep");
        let (phase, number) = (self.glance().phase, self.board.number());
        if self.state.superseded || !matches!(phase, Phase::Idle | Phase::Busy) {
            return None;
        }
        let rare = self.state.rare();
        // `None` if it is sealed.
        rare.kept = rare.kept.checked_add(1)?;
        Some(number)
    }

    /// One guard of this incarnation less. The last one is activity. True if that session is idle, and not in the registry's list
    /// of idle sessions.
    pub(crate) fn unkeep(&mut self, number: Incarnation, now: Tick) -> bool {
        record!(self, "unkeep", number, now);
        if self.state.superseded || self.board.number() != number {
            return false;
        }
        let rare = self.state.rare.as_mut().expect("it counts this guard");
        rare.kept -= 1;
        if rare.kept > 0 {
            return false;
        }
        self.touch(now);
        self.state.unlisted && self.is_idle()
    }

    /// Takes the turn of a session that has been idle for `idle_for`, and that no guard keeps. Begins to close it if `close` says so.
    pub(crate) fn claim(&mut self, idle_for: Duration, close: bool, now: Tick) -> Claim<V> {
        record!(self, "claim", idle_for, close, now);
        if !self.is_idle() {
            return Claim::Moved;
        }
        let active = self.glance().since.max(self.state.touched.get());
        if now.since(active) < idle_for {
            return Claim::Young;
        }
        if self.kept() > 0 {
            return Claim::Kept;
        }
        let Some(session) = self.take_free(now) else {
            return Claim::Moved;
        };
        if close {
            self.begin_close(now);
        }
        Claim::Taken(session)
    }

    /// Takes the turn of an idle session, if nothing has happened since this version was read, and no guard keeps it.
    pub(crate) fn claim_at(&mut self, version: u64, now: Tick) -> Option<V> {
        record!(self, "claim_at", version, now);
        (self.version() == version && self.kept() == 0).then(|| self.claim_if_idle(now))?
    }

    /// Takes the turn of an idle session, for an end that no guard prevents.
    pub(crate) fn claim_if_idle(&mut self, now: Tick) -> Option<V> {
        record!(self, "claim_if_idle", now);
        self.is_idle().then(|| self.take_free(now))?
    }
}
