//! Room for one more session: how a start waits for it, and which session makes it.

use crate::manager::{
    backend::{Backend, StopReason},
    call::held::Want,
    end::stop,
    error::TurnError,
    reach::Call,
    run::{either, poll_once, within},
    settings::WhenFull,
    shared::{Leaving, Room, Seat, Sessions, Shared},
};
use crate::{Ticket, sync::Arc};
use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};
use tokio::task::unconstrained;

/// Takes a seat for one more session, now or when there is room.
///
/// A cancelled call waits no longer, and evicts nothing. A seat that comes at the same time goes to the next start.
pub(crate) async fn seat<B: Backend>(
    shared: &Arc<Shared<B>>,
    call: &Call<B>,
    ticket: Ticket,
    want: &Want,
) -> Result<Seat, TurnError<B::Error>> {
    let Some(room) = &shared.room else {
        return Ok(None);
    };
    if let Some(seat) = room.free() {
        return Ok(Some(seat));
    }
    let of_call = want.wait_left();
    let limit = [of_call, shared.timeouts().room]
        .into_iter()
        .flatten()
        .min();
    let refused = room.full == WhenFull::Refuse || limit == Some(Duration::ZERO);
    let begun = pin!(shared.ending.begun());
    let ends = pin!(either(begun, call.gone(ticket)));
    let waits = async {
        match refused {
            true => None,
            false => wait(shared, room, want.no_wait).await,
        }
    };
    let waits = pin!(either(ends, waits));
    match within(limit, waits).await {
        Some(Err(Some(seat))) => Ok(Some(seat)),
        Some(Ok(Ok(()))) => Err(shared.refused(TurnError::Closed)),
        Some(Ok(Err(cause))) => Err(TurnError::of(cause)),
        Some(Err(None)) | None => Err(shared.refused(TurnError::RegistryFull)),
    }
}

/// Waits for a seat, and stops a session for it if that is the setting. `None` if `no_wait` refuses.
///
/// Each start evicts at most one session, in a task of its own, and the seat of that goes to the first start that waits. It is enough:
/// **at least as many evicted sessions are stopping as starts wait that have evicted one.** A start joins the queue for seats and evicts while
/// it holds the permit to look. So the starts that have evicted come first in that queue, and before them nobody takes a seat. `unconstrained`:
/// otherwise tokio may put off the first poll, which joins the queue. Schedules: `a12_room`.
async fn wait<B: Backend>(shared: &Arc<Shared<B>>, room: &Room, no_wait: bool) -> Seat {
    let seat = Arc::clone(&room.seats).acquire_owned();
    if room.full == WhenFull::Wait {
        return if no_wait { None } else { seat.await.ok() };
    }
    let look = match no_wait {
        true => room.looks.try_acquire().ok()?,
        false => room.looks.acquire().await.ok()?,
    };
    let mut seat = pin!(unconstrained(seat));
    let first = {
        let first = pin!(either(seat.as_mut(), idle(&shared.registry)));
        match no_wait {
            true => poll_once(first).await?,
            false => first.await,
        }
    };
    match first {
        Ok(seat) => return seat.ok(),
        Err(closing) => stop::aside(shared, closing, StopReason::Capacity),
    }
    drop(look);
    seat.await.ok()
}

/// The close of the least recently used session, now or when one is idle. Only one start awaits it at a time.
async fn idle<B: Backend>(registry: &Sessions<B>) -> Leaving<B> {
    /// Nobody waits for it any more.
    struct Waits<'a, B: Backend>(&'a Sessions<B>);

    impl<B: Backend> Drop for Waits<'_, B> {
        fn drop(&mut self) {
            self.0.unwait_lru();
        }
    }

    let _waits = Waits::<B>(registry);
    poll_fn(|cx| {
        let mut waiter = Some(cx.waker().clone());
        registry
            .close_lru(&mut waiter)
            .map_or(Poll::Pending, Poll::Ready)
    })
    .await
}
