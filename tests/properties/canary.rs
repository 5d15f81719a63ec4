//! A test that the testing works: with a fault in the model the comparison must find a difference.

use super::*;

const LIES: [Lie; 11] = [
    Lie::FirstIsNotFirst,
    Lie::UnwoundTurnRests,
    Lie::TouchDoesNothing,
    Lie::TimeStandsStill,
    Lie::CancelLeavesATrace,
    Lie::DismissSendsNobody,
    Lie::ClosedDrawsNoNumber,
    Lie::VacatedStaysBusy,
    Lie::RemoveKeepsTheSlot,
    Lie::CleanupForgetsToLook,
    Lie::WakesAreSwallowed,
];

#[test]
fn every_lie_is_found() {
    for lie in LIES {
        let found = sample(ONE_SHARD, 1, 20_000, Some(lie));
        assert!(found.is_err(), "{lie:?} was not noticed");
    }
}
