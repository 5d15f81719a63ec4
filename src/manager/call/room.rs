//! Room for one more session, and whose it was.

use crate::Turn;
use crate::manager::{
    backend::{Backend, StopReason},
    end::stop,
    run::let_go,
    shared::{Seat, Shared},
};

/// Room for one more session: there is some, or the longest idle session gives its own.
///
/// If there is neither, this costs O(1), and an eviction O(log n), amortised over the turns: the registry lists the idle sessions.
pub(crate) async fn seat<B: Backend>(shared: &Shared<B>) -> Option<Seat> {
    if let Some(seat) = shared.seats.take() {
        return Some(seat);
    }
    // Without a list, the settings are to refuse.
    let turn = shared.registry.claim_longest_idle()?;
    let mut closing = Turn::vacate(turn);
    let seat = closing.session_mut().seat.take();
    let (vacancy, _) = stop::end(shared, closing, StopReason::Capacity).await;
    let_go(vacancy);
    seat
}
