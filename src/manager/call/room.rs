//! Room for one more session, and which session makes room.

use crate::manager::{
    backend::{Backend, StopReason},
    end::stop,
    run::let_go,
    shared::{Seat, Shared},
};

/// Takes a seat for one more session: a free one, or that of the longest idle session, which is stopped.
///
/// A refusal costs O(1). An eviction costs O(log n), amortised over the turns, because the registry lists the idle sessions.
pub(crate) async fn seat<B: Backend>(shared: &Shared<B>) -> Option<Seat> {
    if let Some(seat) = shared.seats.take() {
        return Some(seat);
    }
    // Without a list, the setting is `WhenFull::Refuse`.
    let mut closing = shared.registry.close_longest_idle()?;
    let seat = closing.session_mut().seat.take();
    let (vacancy, _) = stop::end(shared, closing, StopReason::Capacity).await;
    let_go(vacancy);
    seat
}
