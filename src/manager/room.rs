//! Room for one more session, and whose it was.

use super::{
    backend::{Backend, StopReason},
    run::let_go,
    settings::WhenFull,
    shared::{Leaving, Seat, Shared},
    stop,
};
use crate::{Phase, Turn};
use std::time::Duration;

/// Room for one more session: there is some, or the longest idle session gives its own.
pub(super) async fn seat<B: Backend>(shared: &Shared<B>) -> Option<Seat> {
    if let Some(seat) = shared.seats.take() {
        return Some(seat);
    }
    if let Some((_, WhenFull::StopLongestIdle)) = shared.settings.max_sessions {
        if let Some(mut closing) = claim_longest_idle(shared) {
            let seat = closing.session_mut().seat.take();
            let (vacancy, _) = stop::end(shared, closing, StopReason::Capacity).await;
            let_go(vacancy);
            return seat;
        }
    }
    None
}

/// Claimed if it still rests when its slot lock decides. First those that were not touched since they came to rest.
fn claim_longest_idle<B: Backend>(shared: &Shared<B>) -> Option<Leaving<B>> {
    let mut idle = shared.registry.snapshot();
    idle.retain(|seen| seen.status().phase == Phase::Idle);
    idle.sort_by_key(|seen| seen.status().since);
    let now = shared.registry.now();
    let untouched = |seen: &_| {
        let seen: &crate::Observed<_, _, _> = seen;
        seen.claim_idle(seen.status().age(now)).ok()
    };
    let turn = idle.iter().find_map(untouched);
    let turn = turn.or_else(|| {
        idle.iter()
            .find_map(|seen| seen.claim_idle(Duration::ZERO).ok())
    });
    turn.map(Turn::vacate)
}
