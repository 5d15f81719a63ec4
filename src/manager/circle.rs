//! Which turn waits for which call, and whether such waits close a circle, in which nothing can go on.
//!
//! While the manager polls the code of a turn or of a start, the thread stores which call that is: the code's *scope*. A wait that is
//! pending in a scope is an *edge*, from the call of the scope to the call that it waits for. From there the walk goes on to the call
//! that holds the key. An edge is stored in the handle of the call that waits, and is removed when the future that waits ends or is
//! dropped. A wait outside of a scope reads the scope once each time it is pending, and costs nothing else.
//!
//! **Windows.** A call stores its edge, and then walks along the edges of others; one lock is held at a time. If several waits
//! close a circle at the same moment, the one whose edge is stored last finds the circle. Others may find it too. (Schedules:
//! `a14_circle::both_at_once`, `three_at_once`.) A call that the walk has passed can end meanwhile only if its caller gives up the
//! wait. The walk does not pass a call that has ended: under the lock of the slot it checks that the call waits or holds the key, and
//! reads the holder. It finds the edges of the holder by the ticket, so they are not those of the next turn.
//! (`a14_circle::a_wait_that_is_dropped`)

use crate::manager::{
    backend::Backend,
    error::{TurnError, bounded_text},
    reach::{Awaited, Call},
    shared::{Place, Shared},
    text::KEY_BYTES,
};
use crate::{
    registry::slot::state::Spot,
    sync::{Arc, thread_local},
};
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    iter, mem,
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

/// Polls the code of the call that has this slot in its scope.
///
/// If it is `NESTED`, as a closure can be, its caller polls it: then a turn around it waits for it. That wait begins before the closure is
/// polled, so that a wait in the closure finds the circle, and not the closure's caller.
pub(crate) struct Scoped<'a, B: Backend, F, const NESTED: bool> {
    shared: &'a Shared<B>,
    slot: &'a Place<B>,
    future: Pin<&'a mut F>,
    around: Wait<B>,
}

impl<'a, B: Backend, F: Future, const NESTED: bool> Scoped<'a, B, F, NESTED> {
    pub(crate) fn new(shared: &'a Shared<B>, slot: &'a Place<B>, future: Pin<&'a mut F>) -> Self {
        Self {
            shared,
            slot,
            future,
            around: Wait::NONE,
        }
    }
}

impl<B: Backend, F: Future, const NESTED: bool> Future for Scoped<'_, B, F, NESTED> {
    type Output = F::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let call = this.slot.spot(this.slot.ticket());
        let manager = ptr::from_ref(this.shared).addr();
        let outer = SCOPE.with(|scope| scope.replace(Some(Scope { manager, call })));
        if NESTED && (outer.is_some() || this.around.0.is_some()) {
            let limited = false;
            let awaited = || Some(Awaited { call, limited });
            this.around.is_of(this.shared, outer, awaited);
        }
        // Its panics are caught in it.
        let polled = this.future.as_mut().poll(cx);
        SCOPE.with(|scope| scope.set(outer));
        polled
    }
}

/// The edge of a future that waits, while that is polled in a scope. Its drop removes the edge.
pub(crate) struct Wait<B: Backend>(Option<Box<Waits<B>>>);

enum Waits<B: Backend> {
    Edge(Edge<B>),
    /// It closed a circle, and was given up. True once that is counted.
    Refused(Keys, bool),
}

struct Edge<B: Backend> {
    of: Scope,
    call: Arc<Call<B>>,
    awaited: Awaited,
}

impl<B: Backend> Wait<B> {
    pub(crate) const NONE: Self = Self(None);

    /// The future is pending. Returns true if its wait closes a circle now: then the caller must give it up.
    #[inline]
    pub(crate) fn pending(
        &mut self,
        shared: &Shared<B>,
        awaited: impl FnOnce() -> Option<Awaited>,
    ) -> bool {
        (self.0.is_some() || in_scope()) && self.closes(shared, awaited)
    }

    #[cold]
    fn closes(&mut self, shared: &Shared<B>, awaited: impl FnOnce() -> Option<Awaited>) -> bool {
        let edge = self.is_of(shared, SCOPE.with(Cell::get), awaited);
        let circle = edge.and_then(|edge| circle(shared, edge.of.call, edge.awaited));
        let closes = circle.is_some();
        if let Some(keys) = circle {
            self.0 = Some(Box::new(Waits::Refused(keys, false)));
        }
        closes
    }

    /// The error of a wait that was given up.
    pub(crate) fn refused(&mut self, shared: &Shared<B>) -> Option<TurnError<B::Error>> {
        let Some(Waits::Refused(keys, counted)) = self.0.as_deref_mut() else {
            return None;
        };
        let error = TurnError::Deadlock(Arc::clone(keys));
        Some(match mem::replace(counted, true) {
            true => error,
            false => shared.refused(error),
        })
    }

    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.0.as_deref(), Some(Waits::Refused(..)))
    }

    /// The wait is over.
    #[inline]
    pub(crate) fn end(&mut self) {
        if !self.is_refused() {
            self.0 = None;
        }
    }

    /// The future is polled in this scope. Returns the edge if it is new.
    fn is_of(
        &mut self,
        shared: &Shared<B>,
        scope: Option<Scope>,
        awaited: impl FnOnce() -> Option<Awaited>,
    ) -> Option<&Edge<B>> {
        match self.0.as_deref() {
            Some(Waits::Edge(edge)) if Some(edge.of) == scope => return None,
            Some(Waits::Refused(..)) => return None,
            _ => self.0 = None,
        }
        let of = scope.filter(|scope| scope.manager == ptr::from_ref(shared).addr())?;
        let (_, call) = shared.registry.holder(of.call)?;
        let awaited = awaited()?;
        call.waits_for(of.call.ticket, awaited);
        let edge = Waits::Edge(Edge { of, call, awaited });
        match &**self.0.insert(Box::new(edge)) {
            Waits::Edge(edge) => Some(edge),
            Waits::Refused(..) => None,
        }
    }
}

impl<B: Backend> Drop for Edge<B> {
    fn drop(&mut self) {
        self.call.waits_no_more(self.of.call.ticket, self.awaited);
    }
}

/// The keys of a circle, as texts.
type Keys = Arc<[Arc<str>]>;

/// The keys of the shortest circle that this edge closes, if it closes one. The first is that of the call itself.
///
/// A wait with a limit ends by itself, so it closes no circle. The turn's own key is an exception: it is never free in time.
fn circle<B: Backend>(shared: &Shared<B>, of: Spot, awaited: Awaited) -> Option<Keys> {
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
    mut rest: impl Future<Output = Result<T, TurnError<B::Error>>> + Unpin,
) -> impl Future<Output = Result<T, TurnError<B::Error>>> {
    let mut wait = Wait::NONE;
    poll_fn(move |cx| {
        let polled = Pin::new(&mut rest).poll(cx);
        if polled.is_ready() {
            wait.end();
        } else if let Some((shared, awaited)) = &watched {
            if wait.pending(shared, || Some(*awaited)) {
                let error = wait.refused(shared);
                return Poll::Ready(Err(error.unwrap_or(TurnError::Aborted)));
            }
        }
        polled
    })
}
