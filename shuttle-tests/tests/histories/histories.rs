//! The histories: what chance chooses within a shape, tested for the claims that each names. All are tested for C4 as well (a
//! history that waits for ever fails), those over two shards for C10 (locks taken in two orders wait for ever), and, with few exceptions, for C14.

use crate::caller::Act::{self, *};
use crate::harness::History;
use crate::ledger::Lives;
use crate::world::Shape;

/// A history of a shape.
macro_rules! history {
    ($(#[$doc:meta])* $test:ident, $claims:literal, $schedules:literal, $shape:expr) => {
        $(#[$doc])*
        #[test]
        fn $test() {
            $test::HISTORY.sampled();
        }

        mod $test {
            use super::*;

            static SHAPE: Shape = $shape;

            pub(super) const HISTORY: History = History {
                name: concat!("histories::", stringify!($test)),
                claims: $claims,
                tasks: SHAPE.tasks,
                schedules: $schedules,
                run: || SHAPE.run(),
            };
        }
    };
}

/// Three tasks, two keys, one shard, no limits.
const MIDDLE: Shape = Shape {
    tasks: 3,
    keys: 2,
    shards: 1,
    calls: 3,
    rounds: 1,
    max_sessions: None,
    max_waiting: None,
    lives: Lives::One,
    acts: &[],
};

const LINES: &[Act] = &[
    Enter,
    Enter,
    EnterBlocking,
    EnterExisting,
    TryEnter,
    Cancel,
    Cancel,
    Dismiss,
    Look,
];

const CLAIMS: &[Act] = &[
    Enter,
    Enter,
    EnterBlocking,
    TryEnter,
    Cancel,
    Look,
    Claim,
    Claim,
    ClaimIdle,
    Cleanup,
];

const SUPERSEDING: &[Act] = &[
    Enter,
    Enter,
    EnterBlocking,
    EnterExisting,
    TryEnter,
    Cancel,
    Look,
    Claim,
    Cleanup,
    Supersede,
    Supersede,
    Supersede,
];

const CLOSING: &[Act] = &[
    Enter,
    Enter,
    EnterBlocking,
    EnterExisting,
    TryEnter,
    Cancel,
    Dismiss,
    Look,
    Look,
    Claim,
    Supersede,
    Close,
];

const LIMITED: &[Act] = &[
    Enter,
    Enter,
    EnterFirst,
    EnterBlocking,
    EnterExisting,
    TryEnter,
    TryEnter,
    Cancel,
    Look,
    Supersede,
];

const EVERYTHING: &[Act] = &[
    Enter,
    Enter,
    Enter,
    EnterFirst,
    EnterExisting,
    EnterBlocking,
    TryEnter,
    Cancel,
    Dismiss,
    Look,
    Claim,
    ClaimIdle,
    Cleanup,
    Supersede,
];

history! {
    /// One line of one key.
    one_line, "C1 C2 C3 C5 C11 C12 C14", 12000,
    Shape { tasks: 4, keys: 1, calls: 2, acts: LINES, ..MIDDLE }
}

history! {
    /// Nobody replaces: one session of a key at a time.
    one_session_of_a_key_in_one_shard, "C1 C2 C3 C5 C11 C12 C14", 12000,
    Shape { acts: LINES, ..MIDDLE }
}

history! {
    one_session_of_a_key_in_two_shards, "C1 C2 C3 C5 C10 C11 C12 C14", 12000,
    Shape { keys: 3, shards: 2, acts: LINES, ..MIDDLE }
}

history! {
    /// Claims of what rests: observed, by age, and by cleanups; time moves between the rounds.
    claims, "C1 C2 C5 C7 C12 C14", 12000,
    Shape { rounds: 2, calls: 2, acts: CLAIMS, ..MIDDLE }
}

history! {
    /// Some replace and remove.
    replacements_in_one_shard, "C1 C4 C6 C11 C12 C14", 12000,
    Shape { lives: Lives::Many, acts: SUPERSEDING, ..MIDDLE }
}

history! {
    replacements_in_two_shards, "C1 C4 C6 C10 C11 C12 C14", 12000,
    Shape { keys: 3, shards: 2, lives: Lives::Many, acts: SUPERSEDING, ..MIDDLE }
}

history! {
    /// Somebody closes in the middle.
    closes, "C1 C4 C5 C12 C13 C14", 12000,
    Shape { lives: Lives::Many, acts: CLOSING, ..MIDDLE }
}

history! {
    closes_in_two_shards, "C1 C4 C5 C10 C12 C13 C14", 12000,
    Shape { keys: 3, shards: 2, lives: Lives::Many, acts: CLOSING, ..MIDDLE }
}

history! {
    /// Registries that are full, and lines.
    limits, "C1 C4 C5 C6 C11 C12 C14", 12000,
    Shape { tasks: 4, keys: 3, shards: 2, max_sessions: Some(2), max_waiting: Some(1), lives: Lives::Many, acts: LIMITED, ..MIDDLE }
}

history! {
    /// Two tasks, and everything.
    two_tasks, "C1 C3 C4 C5 C6 C7 C11 C12 C14", 12000,
    Shape { tasks: 2, calls: 4, rounds: 2, lives: Lives::Many, acts: EVERYTHING, ..MIDDLE }
}

history! {
    /// Eight tasks, three keys, and everything.
    eight_tasks, "C1 C3 C4 C5 C6 C7 C11 C12 C14", 6000,
    Shape { tasks: 8, keys: 3, calls: 2, shards: 2, lives: Lives::Many, acts: EVERYTHING, ..MIDDLE }
}

/// Every history that has a shape.
const ALL: &[History] = &[
    one_line::HISTORY,
    one_session_of_a_key_in_one_shard::HISTORY,
    one_session_of_a_key_in_two_shards::HISTORY,
    claims::HISTORY,
    replacements_in_one_shard::HISTORY,
    replacements_in_two_shards::HISTORY,
    closes::HISTORY,
    closes_in_two_shards::HISTORY,
    limits::HISTORY,
    two_tasks::HISTORY,
    eight_tasks::HISTORY,
];

/// Nothing but the scheduler and its seed decides what happens in a history: else no replay of it would mean anything.
#[test]
fn nothing_else_decides() {
    for history in ALL {
        history.determined(200);
    }
}
