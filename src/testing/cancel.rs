//! A future that is dropped at each point at which it can be.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

/// Polls that a future may need. One that needs more has no end.
const MOST: usize = 500;

/// Cancels a future at each of its points: makes it again and again, and drops it one point later each time, until it completes.
///
/// There are two points for each `await` that waits: right after the poll, and after the future has been woken, before it is polled
/// again. In between, for example, a queued call is granted its turn. The first point is before the first poll. Returns the number of futures
/// that were dropped.
///
/// The futures run in your runtime, and are woken by what they wait for. With [tokio's paused
/// clock](https://docs.rs/tokio/latest/tokio/time/fn.pause.html) timeouts pass at once. Whatever must hold after a cancellation is checked by
/// the closure, before it makes the next future, or by the future itself:
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use turnwise::testing::{Scripted, every_cancel_point};
/// use turnwise::{Agent, Backend, SessionManager, TurnContext};
///
/// /// Each session is a balance, and a message moves an amount from one half of it to the other.
/// struct Books;
/// # impl Backend for Books {
/// #     type Key = String;
/// #     type Session = (i64, i64);
/// #     type Handle = ();
/// #     type Event = ();
/// #     type Error = Infallible;
/// #     async fn start(&self, _: &String, _: &TurnContext<()>) -> Result<((i64, i64), ()), Infallible> {
/// #         Ok(((100, 0), ()))
/// #     }
/// # }
///
/// impl Agent for Books {
///     type Message = i64;
///     type Reply = i64;
///
///     async fn send(&self, books: &mut (i64, i64), amount: i64, _: &TurnContext<()>) -> Result<i64, Infallible> {
///         books.0 -= amount;
///         tokio::time::sleep(Duration::from_secs(1)).await; // a cancellation leaves half of it
///         books.1 += amount;
///         Ok(books.0 + books.1)
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (books, script) = Scripted::around(Books);
/// let sessions = SessionManager::builder(books).build()?;
/// let dropped = every_cancel_point(|| async {
///     let total = sessions.send_message("a", 7).await.expect("its session is there, or a new one");
///     assert_eq!(total, 100, "the manager has stopped the session that was left half done");
/// })
/// .await;
/// assert!(dropped > 3, "the call, the start and the turn have waited");
/// sessions.shutdown(Duration::ZERO).await;
/// script.ledger().assert_balanced();
/// # Ok(()) }
/// ```
///
/// # Panics
///
/// If a future is pending after 500 polls. Panics of the closure and of the futures pass through.
///
/// # Cancel safety
///
/// If the future is dropped, it drops the future that it runs, at one more point.
pub async fn every_cancel_point<F: Future>(mut make: impl FnMut() -> F) -> usize {
    let mut dropped = 0;
    for polls in 0..MOST {
        for woken in [false, true] {
            if woken && polls == 0 {
                // Nothing wakes it before its first poll.
                continue;
            }
            if ends_before(make(), polls, woken).await {
                return dropped;
            }
            dropped += 1;
        }
    }
    panic!("the future does not end: it is pending after {MOST} polls");
}

/// Polls it so many times, and drops it after the last, or when it is woken then. True if it completed.
async fn ends_before<F: Future>(future: F, polls: usize, woken: bool) -> bool {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|cx| {
        if polled == polls {
            return Poll::Ready(false);
        }
        polled += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if polled == polls && !woken => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
