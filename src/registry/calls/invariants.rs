//! The invariants that hold between any two calls, as code.

use crate::{
    Phase, Registry, Ticket,
    registry::{map::shard::Slot, slot::state::Locked},
    sync::Arc,
};

impl<K, V, H, S> Registry<K, V, H, S> {
    /// Panics with the number of the invariant in PROOFS.md that does not hold. Takes each shard's lock in turn. For tests:
    /// no other thread may use the registry meanwhile.
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        let mut count = 0;
        for (index, shard) in self.shards().all().iter().enumerate() {
            shard.read(|map| {
                count += map.table.len();
                for slot in &map.table {
                    let locked = slot.lock();
                    assert!(
                        !locked.superseded(),
                        "I1: a slot in the map is not superseded"
                    );
                    let home = Arc::as_ptr(self.shards().of(slot.hash));
                    assert_eq!(
                        home,
                        Arc::as_ptr(&self.shards().all()[index]),
                        "I2: a slot is in its hash's shard"
                    );
                    locked.check_invariants();
                    drop(locked);
                    let same = |other: &&Arc<Slot<K, V, H>>| {
                        other.hash == slot.hash && other.queue == slot.queue
                    };
                    assert_eq!(
                        map.table.iter().filter(same).count(),
                        1,
                        "I3: a queue has one current slot"
                    );
                }
                for slot in map.departing.values() {
                    let locked = slot.lock();
                    assert!(
                        locked.superseded() && !locked.departed(),
                        "I4: a departing slot is superseded and still held"
                    );
                    let here = map.table.iter().any(|held| Arc::ptr_eq(held, slot));
                    assert!(!here, "I5: a superseded slot is not in the map");
                }
            });
        }
        let counted = self.shards().common().counted();
        assert!(
            counted.is_none_or(|counted| counted == count),
            "I6: the slots are counted"
        );
    }
}

impl<V, H> Locked<'_, V, H> {
    /// The invariants of a current slot between any two transitions.
    fn check_invariants(&self) {
        let session = self.state.session.is_some();
        let rare = self.state.rare.as_ref();
        let granted = rare.is_some_and(|rare| rare.grant.is_some());
        match self.glance().phase {
            Phase::Idle => {
                assert!(session && !granted, "I7: an idle session, and no grant");
                assert!(!self.waits(), "I8: nobody waits for a free slot");
            }
            Phase::Busy => assert_eq!(
                session, granted,
                "I9: a busy slot has its session only if granted"
            ),
            Phase::Starting => assert!(!session, "I10: a vacancy has no session"),
            Phase::Closing => assert!(!session && !granted, "I11: the closing has the session"),
        }
        let status = self.status();
        assert_eq!(
            status.turn.is_none(),
            status.phase == Phase::Idle,
            "I12: a slot has a ticket unless it is idle"
        );
        let drawn =
            |ticket: Option<Ticket>| ticket.is_none_or(|ticket| ticket < self.next_ticket());
        assert!(
            drawn(status.turn) && drawn(rare.and_then(|rare| rare.queue.highest_ticket())),
            "I13: tickets are drawn before they are used"
        );
        let posted = self.board.read().map(|(status, _)| status);
        assert_eq!(posted, Some(status), "I14: the board is current");
    }
}
