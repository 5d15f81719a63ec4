//! Records the transitions of slots where the source is built for it (`machine`). Elsewhere this is nothing.

/// The transition of a slot that begins here, and its arguments.
macro_rules! record {
    ($locked:expr, $name:literal $(, $argument:expr)*) => {
        #[cfg(feature = "record")]
        let _call = $locked.record($name, &[$($argument as u64),*]);
    };
}

#[cfg(feature = "record")]
use crate::{Phase, registry::slot::state::Locked};

#[cfg(feature = "record")]
impl<V, H> Locked<'_, V, H> {
    pub(crate) fn record(&self, name: &'static str, arguments: &[u64]) -> recorder::Call {
        self.section.call(name, arguments, || self.seen())
    }

    /// The slot as it is now.
    pub(crate) fn seen(&self) -> recorder::Slot {
        let (state, rare) = (&*self.state, self.state.rare.as_deref());
        let posted = self.board.posted();
        let is = |has: fn(&crate::registry::slot::state::Rare<H>) -> bool| rare.is_some_and(has);
        recorder::Slot {
            version: self.board.version(),
            open: self.changed,
            phase: match posted.phase {
                Phase::Starting => "Starting",
                Phase::Busy => "Busy",
                Phase::Idle => "Idle",
                Phase::Closing => "Closing",
            },
            since: posted.since.0,
            waiting: posted.waiting.into(),
            number: self.board.status().incarnation.0,
            holder: self.board.last_ticket().get(),
            session: state.session.is_some(),
            queue: rare.map_or(Vec::new(), |rare| rare.queue.seen()),
            grant: rare.map_or(0, |rare| rare.grant.map_or(0, |place| place.bits())),
            drawn: rare.map_or(0, |rare| rare.drawn.get()),
            kept: rare.map_or(0, |rare| rare.kept),
            handle: is(|rare| rare.handle.is_some()),
            stands: is(|rare| rare.stands),
            caller: is(|rare| rare.caller.is_some()),
            rested: state.rested.get().0,
            touched: state.touched.get().0,
            superseded: state.superseded,
            departed: state.departed,
            unwinding: state.unwinding,
            unlisted: state.unlisted,
        }
    }
}
