//! The time for which a node owns what it has acquired.

use crate::{
    engine::Grant,
    host::Host,
    sync::atomic::{AtomicU64, Ordering},
};
use std::time::Duration;
use turnwise::manager::Term;

/// One lease of a node. It is never revived: the next lease is another term.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) number: u64,
    /// By the host's clock. 0 once it has ended.
    deadline: AtomicU64,
    /// The earliest moment at which the engine may let others in.
    expires: AtomicU64,
    margin: Duration,
    host: Host,
}

impl Lease {
    /// `sent` was read from the host's clock before the question was sent. `None` if the answer came too late.
    pub(crate) fn new(grant: Grant, sent: u64, margin: Duration, host: &Host) -> Option<Self> {
        let lease = Self {
            number: grant.lease,
            deadline: AtomicU64::new(after(sent, grant.time.saturating_sub(margin))),
            expires: AtomicU64::new(after(sent, grant.time)),
            margin,
            host: host.clone(),
        };
        lease.holds().then_some(lease)
    }

    /// Moves the deadline. `false` if the term had ended before.
    pub(crate) fn renew(&self, sent: u64, time: Duration) -> bool {
        let until = after(sent, time.saturating_sub(self.margin));
        let moved = |deadline| (self.host.now() < deadline).then_some(until.max(deadline));
        let order = (Ordering::AcqRel, Ordering::Acquire);
        let renewed = self.deadline.fetch_update(order.0, order.1, moved).is_ok();
        if renewed {
            self.expires.fetch_max(after(sent, time), Ordering::AcqRel);
        }
        renewed
    }

    /// Ends it before its deadline. `gone`: the engine may have let others in already.
    pub(crate) fn end(&self, gone: bool) {
        self.deadline.store(0, Ordering::Release);
        if gone {
            self.expires.store(0, Ordering::Release);
        }
    }

    /// How long it still holds. Zero if it has ended.
    pub(crate) fn left(&self) -> Duration {
        left(self.deadline.load(Ordering::Acquire), self.host.now())
    }
}

impl Term for Lease {
    #[inline]
    fn holds(&self) -> bool {
        let mut deadline = self.deadline.load(Ordering::Acquire);
        while self.host.now() >= deadline {
            // A renewal that is just being stored cannot make it hold again.
            let order = (Ordering::AcqRel, Ordering::Acquire);
            let ended = self
                .deadline
                .compare_exchange(deadline, 0, order.0, order.1);
            match ended {
                Ok(_) => return false,
                Err(renewed) => deadline = renewed,
            }
        }
        true
    }

    fn grace(&self) -> Duration {
        left(self.expires.load(Ordering::Acquire), self.host.now())
    }
}

fn after(moment: u64, time: Duration) -> u64 {
    moment.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

fn left(until: u64, now: u64) -> Duration {
    Duration::from_nanos(until.saturating_sub(now))
}
