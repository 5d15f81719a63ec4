//! Which turn waits for which call, and whether such waits close a circle, in which nothing can go on.
//!
//! While the manager polls the code of a turn or of a start, the thread stores which call that is: the code's *scope*. A wait that is
//! pending in a scope is an *edge*, from the call of the scope to the call that it waits for, or that has the key which that one
//! waits for. Edges are stored in the handles of calls, and go with the futures that wait. A wait outside of a scope costs one look at the
//! scope, and only when it is pending.
//!
//! **Windows.** A call stores its edge, and then walks along the edges of others; one lock is held at a time. So of several waits
//! that close a circle at the same moment, the edge that is stored last finds the circle, and more than one may. (Schedules:
//! `a14_circle::both_at_once`, `three_at_once`.) A call that the walk has passed may end meanwhile only if its caller gives the wait
//! up. A call that has ended is not passed: one look under the lock of its slot finds that it waits or has the key, and who has the
//! key then. The edges of that holder are found by its ticket, so they are not those of the next turn. (`a14_circle::a_wait_that_is_dropped`)

use crate::manager::{
    backend::Backend,
    error::{TurnError, bounded_text},
    reach::{Awaited, Call},
    shared::Shared,
    text::KEY_BYTES,
};
use crate::{
    registry::slot::state::Spot,
    sync::{Arc, thread_local},
};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    iter,
    pin::Pin,
    ptr,
    task::{Context, Poll},
};

/// The most edges that a walk follows. A longer circle is not found.
const STEPS: usize = 256;

/// The call whose code is polled, and the address of its manager, which outlives the poll.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Scope {
    manager: usize,
    call: Spot,
}

thread_local! {
    static SCOPE: Cell<Option<Scope>> = const { Cell::new(None) };
}

/// Whether the code of a turn or of a start is polled.
pub(crate) fn in_scope() -> bool {
    SCOPE.with(Cell::get).is_some()
}

/// Polls the code of a call in its scope.
pub(crate) struct Scoped<'a, B: Backend, F> {
    shared: &'a Shared<B>,
    scope: Scope,
    future: Pin<&'a mut F>,
    /// Of a closure, which its caller polls: the wait of the turn around it, if there is one. It begins before the closure is polled, so
    /// that a wait in the closure finds the circle, and not the closure's caller.
    around: Option<Wait<B>>,
}

impl<'a, B: Backend, F: Future> Scoped<'a, B, F> {
    pub(crate) fn start(shared: &'a Shared<B>, call: Spot, future: Pin<&'a mut F>) -> Self {
        let manager = ptr::from_ref(shared).addr();
        Self {
            shared,
            scope: Scope { manager, call },
            future,
            around: None,
        }
    }

    pub(crate) fn turn(shared: &'a Shared<B>, call: Spot, future: Pin<&'a mut F>) -> Self {
        Self {
            around: Some(Wait(None)),
            ..Self::start(shared, call, future)
        }
    }
}

impl<B: Backend, F: Future> Future for Scoped<'_, B, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let outer = SCOPE.with(|scope| scope.replace(Some(this.scope)));
        if let Some(around) = &mut this.around {
            let call = this.scope.call;
            around.is_of(this.shared, outer, || Awaited {
                call,
                limited: false,
            });
        }
        // Its panics are caught in it.
        let polled = this.future.as_mut().poll(cx);
        SCOPE.with(|scope| scope.set(outer));
        polled
    }
}

/// The edge of a future that waits, while that is polled in a scope. Its drop removes the edge.
pub(crate) struct Wait<B: Backend>(Option<Box<Edge<B>>>);

struct Edge<B: Backend> {
    of: Scope,
    call: Arc<Call<B>>,
    awaited: Awaited,
}

impl<B: Backend> Wait<B> {
    pub(crate) const NONE: Self = Self(None);

    /// The wait is over.
    pub(crate) fn end(&mut self) {
        self.0 = None;
    }

    /// The future is pending. Returns an error if its wait is new and closes a circle; then the caller must give the wait up.
    pub(crate) fn pending(
        &mut self,
        shared: &Shared<B>,
        awaited: impl FnOnce() -> Awaited,
    ) -> Option<TurnError<B::Error>> {
        let edge = self.is_of(shared, SCOPE.with(Cell::get), awaited)?;
        let circle = circle(shared, edge.of.call, edge.awaited)?;
        self.end();
        Some(shared.refused(TurnError::Deadlock(circle)))
    }

    /// The future is polled in this scope. Returns the edge if it is new.
    #[inline]
    fn is_of(
        &mut self,
        shared: &Shared<B>,
        scope: Option<Scope>,
        awaited: impl FnOnce() -> Awaited,
    ) -> Option<&Edge<B>> {
        let before = self.0.as_ref().map(|edge| edge.of);
        if before == scope {
            return None;
        }
        self.end();
        let of = scope.filter(|scope| scope.manager == ptr::from_ref(shared).addr())?;
        let (_, call) = shared.registry.holder(of.call)?;
        let awaited = awaited();
        call.waits_for(of.call.ticket, awaited);
        Some(self.0.insert(Box::new(Edge { of, call, awaited })))
    }
}

impl<B: Backend> Drop for Edge<B> {
    fn drop(&mut self) {
        self.call.waits_no_more(self.of.call.ticket, self.awaited);
    }
}

/// The keys of the shortest circle that this edge closes, if it closes one. The first is that of the call itself.
///
/// A wait with a limit ends by itself, so it closes no circle. The turn's own key is an exception: it is never free in time.
fn circle<B: Backend>(shared: &Shared<B>, of: Spot, awaited: Awaited) -> Option<Arc<[Arc<str>]>> {
    // What is waited for, and the number of the one before it.
    let mut found = vec![(awaited, None)];
    let mut next = 0;
    while let Some(&(awaited, _)) = found.get(next) {
        if let Some((holder, call)) = shared.registry.holder(awaited.call) {
            let ends = awaited.limited && holder != awaited.call;
            if holder == of && (next == 0 || !ends) {
                let before = |number: &usize| found[*number].1;
                let circle = iter::successors(found[next].1, before);
                let mut circle: Vec<_> = circle.map(|number| found[number].0.call).collect();
                circle.push(of);
                let keys = circle.iter().rev().map(|call| key_text(shared, *call));
                return Some(keys.collect());
            }
            let edges = if ends {
                Vec::new()
            } else {
                call.waits(holder.ticket, STEPS)
            };
            for edge in edges {
                if found.len() < STEPS && found.iter().all(|(seen, _)| *seen != edge) {
                    found.push((edge, Some(next)));
                }
            }
        }
        next += 1;
    }
    None
}

/// The `Debug` text of the key of a call. It is user code.
fn key_text<B: Backend>(shared: &Shared<B>, call: Spot) -> Arc<str> {
    let slot = shared.registry.slot(call);
    bounded_text(KEY_BYTES, "key", |f| match &slot {
        Some(slot) => write!(f, "{:?}", slot.key),
        None => Ok(()),
    })
}

/// A wait for a turn: for the position of a call, and then for its session. `watched` is the manager and the position, if the call is
/// known to be polled in a scope.
pub(crate) fn watched<B: Backend, T>(
    watched: Option<(Arc<Shared<B>>, Awaited)>,
    mut rest: Pin<&mut impl Future<Output = Result<T, TurnError<B::Error>>>>,
) -> impl Future<Output = Result<T, TurnError<B::Error>>> {
    let mut wait = Wait::NONE;
    poll_fn(move |cx| {
        let polled = rest.as_mut().poll(cx);
        if polled.is_ready() {
            wait.end();
        } else if let Some((shared, awaited)) = &watched {
            if let Some(error) = wait.pending(shared, || *awaited) {
                return Poll::Ready(Err(error));
            }
        }
        polled
    })
}
