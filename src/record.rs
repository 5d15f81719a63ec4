//! Records the transitions of slots where the source is built for it (`machine`). Elsewhere this is nothing.

/// The transition of a slot that begins here, and its arguments.
macro_rules! record {
    ($locked:expr, $name:literal $(, $argument:expr)*) => {
        #[cfg(feature = "record")]
        let _call = $locked.record($name, &[$(crate::record::Argument::word(&$argument)),*]);
    };
}

#[cfg(feature = "record")]
pub(crate) use recorded::Argument;

#[cfg(feature = "record")]
mod recorded {
    use crate::{
        Incarnation, Phase, Tick,
        registry::slot::{
            queue::{Place, Priority},
            state::{Locked, Rare},
        },
    };
    use std::time::Duration;

    /// What is recorded of an argument.
    pub(crate) trait Argument {
        fn word(&self) -> u64;
    }

    macro_rules! argument {
        ($($of:ty: $value:ident => $word:expr;)*) => {
            $(impl Argument for $of {
                fn word(&self) -> u64 {
                    let $value = self;
                    $word
                }
            })*
        };
    }

    argument! {
        bool: is => u64::from(*is);
        u64: number => *number;
        Duration: time => u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Incarnation: number => number.0;
        Option<Incarnation>: number => number.map_or(0, |number| number.0);
        Option<usize>: limit => limit.map_or(0, |limit| limit.min(1 << 20) as u64 + 1);
        Place: place => place.0.get();
        Priority: priority => *priority as u64;
        Tick: tick => tick.0;
    }

    impl<V, H> Locked<'_, V, H> {
        pub(crate) fn record(&self, name: &'static str, arguments: &[u64]) -> recorder::Call {
            self.section.call(name, arguments, || self.seen())
        }

        /// The slot as it is now.
        pub(crate) fn seen(&self) -> recorder::Slot {
            let (state, posted) = (&*self.state, self.board.posted());
            let empty = Rare {
                drawn: self.board.last_ticket(),
                ..Rare::default()
            };
            let rare = state.rare.as_deref().unwrap_or(&empty);
            let queue = rare.queue.seen().map(|(place, waiter)| {
                let (waker, caller) = (waiter.waker.is_some(), waiter.caller.is_some());
                (place.word(), waker, caller)
            });
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
                queue: queue.collect(),
                grant: rare.grant.map_or(0, |place| place.word()),
                drawn: rare.drawn.get(),
                kept: rare.kept,
                handle: rare.handle.is_some(),
                stands: rare.stands,
                caller: rare.caller.is_some(),
                rested: state.rested.get().0,
                touched: state.touched.get().0,
                superseded: state.superseded,
                departed: state.departed,
                unwinding: state.unwinding,
                unlisted: state.unlisted,
            }
        }
    }
}
