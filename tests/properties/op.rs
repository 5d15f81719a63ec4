//! One step of a test: a call, and one number that chooses its key, or which of the live guards it is made on.

use std::time::Duration;

/// Printed as the Rust that replays it. An operand is taken modulo what there is to choose from, 0 is the newest; with
/// nothing to choose from the step does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    // On a key.
    Enter(u8),
    EnterFirst(u8),
    EnterExisting(u8),
    TryEnter(u8),
    Dismiss(u8),
    Touch(u8),
    Observe(u8),
    Keep(u8),
    Replace(u8),
    Remove(u8),
    // On an `Enter`.
    Poll(u8),
    PollAfresh(u8),
    Wait(u8),
    Cancel(u8),
    // On a vacancy, a turn, a closing.
    Fill(u8),
    DropVacancy(u8),
    UnwindVacancy(u8),
    NameVacancy(u8),
    DropTurn(u8),
    UnwindTurn(u8),
    NameTurn(u8),
    Release(u8),
    Vacate(u8),
    Closed(u8),
    Split(u8),
    DropClosing(u8),
    UnwindClosing(u8),
    // On what was observed, and on a departure.
    Claim(u8),
    ReplaceSeen(u8),
    RemoveSeen(u8),
    Forget(u8),
    Unkeep(u8),
    Departed(u8),
    // On the registry.
    ClaimIdle(u8),
    CleanupIdle(u8),
    Advance(u8),
    Close(u8),
    Drain(u8),
    LeaveDrain(u8),
}

/// Makes a step of its operand.
pub type Make = fn(u8) -> Op;

/// How often each step is tried, in parts of the sum. Closing is rare: little happens after it.
pub const MIX: &[(u32, Make)] = &[
    (24, Op::Enter),
    (8, Op::EnterFirst),
    (4, Op::EnterExisting),
    (8, Op::TryEnter),
    (2, Op::Dismiss),
    (4, Op::Touch),
    (6, Op::Observe),
    (6, Op::Replace),
    (4, Op::Remove),
    (24, Op::Poll),
    (4, Op::PollAfresh),
    (8, Op::Wait),
    (8, Op::Cancel),
    (20, Op::Fill),
    (5, Op::DropVacancy),
    (2, Op::UnwindVacancy),
    (2, Op::NameVacancy),
    (16, Op::DropTurn),
    (5, Op::UnwindTurn),
    (2, Op::NameTurn),
    (6, Op::Release),
    (8, Op::Vacate),
    (5, Op::Closed),
    (3, Op::Split),
    (3, Op::DropClosing),
    (2, Op::UnwindClosing),
    (6, Op::Claim),
    (4, Op::ReplaceSeen),
    (3, Op::RemoveSeen),
    (2, Op::Forget),
    (4, Op::Departed),
    (4, Op::ClaimIdle),
    (4, Op::CleanupIdle),
    (8, Op::Advance),
    (1, Op::Close),
    (2, Op::Drain),
    (1, Op::LeaveDrain),
    (6, Op::Keep),
    (5, Op::Unkeep),
];

/// Short, so that some sessions are old enough and others are not; one that is no whole tick.
pub fn idle_for(operand: u8) -> Duration {
    Duration::from_micros([0, 1_000, 1_500, 3_000][usize::from(operand) % 4])
}

/// Parts of a tick too: they add up.
pub fn step_of_time(operand: u8) -> Duration {
    Duration::from_micros([1_000, 300, 700, 2_500][usize::from(operand) % 4])
}

/// One key has most of the traffic: more meets there.
pub fn key(operand: u8) -> u8 {
    [0, 0, 0, 1, 1, 2][usize::from(operand) % 6]
}
