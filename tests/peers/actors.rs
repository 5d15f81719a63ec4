//! Actor systems.

use turnwise::Old;

use super::*;

/// Orleans: inactive means that none runs and none is queued. It abandons what is stuck on purpose.
#[test]
fn who_is_waited_for_is_not_idle_and_who_is_stuck_can_be_left_behind() {
    let (sessions, hand) = on_one_shard();
    let stuck = started(&sessions, "a");
    let waits = sessions.enter(&"a");
    hand.advance(60 * MINUTE);
    assert!(sessions.claim_idle(MINUTE).next().is_none());
    let Some(Old::Held(departure)) = sessions.remove(&"a") else {
        panic!("its turn is held")
    };
    drop(vacancy(waits.wait()).fill(2)); // The line goes on without it.
    assert_eq!(Turn::release(stuck), Some(1), "its session is its holder's");
    departure.wait();
}

/// Restate: shared handlers answer while an exclusive one runs.
#[test]
fn a_handle_is_reached_during_a_start_and_a_turn() {
    let (sessions, _hand) = on_one_shard();
    let start = vacancy(sessions.enter_blocking(&"a"));
    assert!(sessions.handle(&"a").is_none());
    start.set_handle(Arc::new(7));
    assert_eq!(sessions.handle(&"a").as_deref(), Some(&7), "in the start");
    let turn = start.fill(1);
    assert_eq!(sessions.handle(&"a").as_deref(), Some(&7), "in the turn");
    drop(Turn::vacate(turn));
    assert!(sessions.handle(&"a").is_none());
}

/// Elixir's registry can return a dead pid: absence and ending are different states.
#[test]
fn ending_is_not_absence() {
    let (sessions, _hand) = on_one_shard();
    let closing = Turn::vacate(started(&sessions, "a"));
    assert_eq!(phase(&sessions, "a"), Some(Phase::Closing));
    assert_eq!(sessions.try_enter(&"a").err(), Some(TryEnterError::Busy));
    drop(closing);
    assert_eq!(phase(&sessions, "a"), None);
    assert!(sessions.enter_existing(&"a").is_none());
}
