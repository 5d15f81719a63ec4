//! Sequences that once failed, or that show a rule of the design. Each is run on every setup, with both ends.

use super::*;
use Op::*;

#[test]
fn replays() {
    let setups = [
        ONE_SHARD,
        FOUR_SHARDS,
        ONE_SHARD_LIMITED,
        FOUR_SHARDS_LIMITED,
    ];
    let setups = if cfg!(miri) { &setups[..1] } else { &setups };
    for ops in SEQUENCES {
        for &setup in setups {
            for end in [End::InOrder, End::RegistryFirst] {
                if let Err(why) = World::run(setup, ops, end, None) {
                    panic!("{why}\n{setup:?}, {end:?}, {ops:?}");
                }
            }
        }
    }
}

/// Operands 0 to 2 mean the first key, 3 and 4 the second, 5 the third.
#[rustfmt::skip]
const SEQUENCES: &[&[Op]] = &[
    // A grant that is dropped leaves phase, since and idle time as they were; a claim through an old look fails.
    &[Enter(0), Poll(0), Fill(0), DropTurn(0), Advance(0), Observe(0), Enter(0), Advance(0), Cancel(0), Claim(0), ClaimIdle(1)],
    // A touch counts as something that happened, and as activity.
    &[Enter(0), Poll(0), Fill(0), DropTurn(0), Advance(0), Observe(0), Touch(0), Claim(0), CleanupIdle(1), CleanupIdle(0)],
    // A replacement takes a session that was granted and not looked at; who was ungranted goes first in his lane.
    &[Enter(0), Poll(0), Fill(0), DropTurn(0), Enter(0), Enter(0), Replace(0), EnterFirst(0), Fill(0), DropTurn(0), Poll(0), DropTurn(0), Poll(1)],
    // A superseded closing draws no number, and its departure ends when its vacancy is dropped.
    &[Enter(0), Poll(0), Fill(0), Vacate(0), Replace(0), Departed(0), Closed(0), Departed(0), DropVacancy(0), Departed(0)],
    // A close takes back a grant that nobody looked at, and a vacancy in hand may still be filled.
    &[Enter(0), Poll(0), Enter(3), Enter(3), Close(0), Fill(0), DropTurn(0), Poll(0), Poll(0), Drain(0), DropClosing(0), Drain(0)],
    // Found: a replacement by an old look, whose slot was not in the map any more, made a second slot of the same key.
    &[TryEnter(0), Observe(0), ReplaceSeen(0), ReplaceSeen(0)],
    // The same after the key has gone, and after the registry was closed.
    &[TryEnter(0), Observe(0), DropVacancy(0), ReplaceSeen(0), RemoveSeen(0)],
    &[TryEnter(0), Observe(0), Close(0), ReplaceSeen(0), RemoveSeen(0), ReplaceSeen(0)],
    // Found: a drain was sent away from a line by `dismiss`, looked only where others were out, and missed the session.
    &[TryEnter(0), Fill(0), TryEnter(3), Drain(0), Dismiss(0), Drain(0), DropTurn(0), Drain(0)],
    // The same by a second `close`, while a superseded holder was out.
    &[TryEnter(0), Remove(0), TryEnter(3), Fill(0), Drain(0), Close(0), Drain(0), DropTurn(0), Drain(0)],
    // Found: a closing that the drain had given was filled again, and rested while another key was out: it was missed.
    &[TryEnter(0), Fill(0), DropTurn(0), TryEnter(3), Drain(0), Drain(0), Closed(0), Fill(0), DropTurn(0), Drain(0)],
    // The same with a closing that came to the drain in the line.
    &[TryEnter(0), Fill(0), TryEnter(3), Drain(0), DropTurn(0), Drain(0), Closed(0), Fill(0), DropTurn(0), Drain(0)],
];
