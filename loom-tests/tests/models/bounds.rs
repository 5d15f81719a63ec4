//! The bound of each model, with the reason.
//!
//! *Exhaustive* is every execution that loom knows of. *Bounded* is every execution with at most so many preemptions:
//! switches away from a thread that could go on. Switches at a wait are free. `cargo test` allows three preemptions. The feature
//! `prove` allows five, or four for the widest models, and takes minutes in place of seconds.
//!
//! `executions` is the recorded number. A model with any other number fails: fewer mean that something is no longer explored,
//! and more that something changed, so that somebody looks. The failure prints the number to record here. Of `prove`'s bounded
//! models it is the least number.

/// The bound of one model.
#[derive(Debug)]
pub(crate) struct Bound {
    /// The claim of PROOFS.md that the model is about.
    pub(crate) claim: &'static str,
    /// The path of its test.
    pub(crate) model: &'static str,
    /// The threads beside the main one, which acts too.
    pub(crate) threads: usize,
    /// `None`: exhaustive.
    pub(crate) preemptions: Option<usize>,
    /// The recorded number of executions.
    pub(crate) executions: usize,
    /// The model has one outcome by intent. Its checks are assertions inside.
    pub(crate) one_outcome: bool,
    /// Why so many threads, and why this bound is enough.
    #[expect(dead_code, reason = "for the reader")]
    pub(crate) why: &'static str,
}

impl Bound {
    /// For a model whose executions must all have the same outcome.
    pub(crate) const fn one_outcome(mut self) -> Self {
        self.one_outcome = true;
        self
    }
}

/// Every execution.
pub(crate) const fn exhaustive(
    claim: &'static str,
    model: &'static str,
    threads: usize,
    executions: usize,
    why: &'static str,
) -> Bound {
    Bound {
        claim,
        model,
        threads,
        preemptions: None,
        executions,
        one_outcome: false,
        why,
    }
}

/// At most three preemptions, or five with `prove`. `executions` has the numbers of both.
pub(crate) const fn bounded(
    claim: &'static str,
    model: &'static str,
    threads: usize,
    executions: [usize; 2],
    why: &'static str,
) -> Bound {
    up_to([3, 5], claim, model, threads, executions, why)
}

/// At most three preemptions, or four with `prove`, for models that take many minutes with five.
pub(crate) const fn wide(
    claim: &'static str,
    model: &'static str,
    threads: usize,
    executions: [usize; 2],
    why: &'static str,
) -> Bound {
    up_to([3, 4], claim, model, threads, executions, why)
}

const fn up_to(
    preemptions: [usize; 2],
    claim: &'static str,
    model: &'static str,
    threads: usize,
    executions: [usize; 2],
    why: &'static str,
) -> Bound {
    let size = cfg!(feature = "prove") as usize;
    Bound {
        preemptions: Some(preemptions[size]),
        ..exhaustive(claim, model, threads, executions[size], why)
    }
}

// The canaries: small enough for every execution.

macro_rules! canaries {
    ($($name:ident, $model:literal, $threads:literal, $executions:literal $(, $one:ident)?;)*) => { $(
        pub(crate) static $name: Bound = exhaustive(
            "canary",
            $model,
            $threads,
            $executions,
            "the foundations of the checks are checked without a bound",
        )$(.$one())?;
    )* };
}

canaries! {
    DESTRUCTOR_IN_THE_THREAD_OF_THE_LAST_DROP, "canaries::destructor_in_the_thread_of_the_last_drop", 1, 4;
    POSTED, "canaries::the_copy_of_a_posted_word_shows_the_race", 1, 30;
    PANICKING_IS_PER_THREAD, "canaries::panicking_is_per_thread", 1, 18;
    POISON, "canaries::an_innocent_guard_poisons_its_lock", 1, 1;
    UNWIND_CATCHES, "canaries::unwind_catches_scripted_panics_only", 0, 1, one_outcome;
    LOCK_ORDER, "canaries_runs::lock_order", 0, 1, one_outcome;
    LOCKS_ARE_COUNTED_PER_THREAD, "canaries_runs::locks_are_counted_per_thread", 1, 19;
    ORDERED_USES, "canaries_runs::unordered_uses_are_found", 1, 4;
    MEMORY_ORDER, "canaries_runs::memory_order_is_explored", 1, 6;
    RACE, "canaries_runs::a_thinner_run_is_refused", 1, 6;
    RACE_THAT_WAS_LARGER, "canaries_runs::a_thinner_run_is_refused", 1, 1_000_000;
    WAKE_UPS, "canaries::wake_ups_are_not_lost", 1, 14;
    DEADLINES, "canaries::deadlines_pass_at_any_moment", 1, 9;
    DEADLOCK, "canaries_runs::a_deadlock_is_found", 0, 1, one_outcome;
    DEADLOCK_OF_TWO, "canaries_runs::a_deadlock_of_two_locks_is_found", 1, 1, one_outcome;
    ENDLESS, "canaries_runs::an_endless_execution_is_found", 0, 1, one_outcome;
    LEFTOVERS, "canaries_runs::leftovers_drop_outside", 0, 1, one_outcome;
    REFUSED, "canaries_runs::lock_order", 0, 1, one_outcome;
}

/// Without a preemption, on purpose.
pub(crate) static NO_PREEMPTION: Bound = Bound {
    preemptions: Some(0),
    ..exhaustive(
        "canary",
        "canaries_runs::a_bound_can_hide_an_outcome",
        1,
        1,
        "it shows what a bound hides",
    )
};

// The claims.

macro_rules! models {
    ($($claim:literal, $why:literal: $($name:ident = $kind:ident $model:literal, $threads:literal, $executions:expr $(, $one:ident)?;)*)*) => {
        $($(
            pub(crate) static $name: Bound =
                $kind($claim, $model, $threads, $executions, $why)$(.$one())?;
        )*)*

        /// All of them, for the table of models.
        #[allow(dead_code)] // `proofs` uses it, and compares it with the models.
        pub(crate) static MODELS: &[&Bound] = &[$($(&$name,)*)*];
    };
}

models! {
    "C1", "Two threads that enter are every pair of ways into a session. A third shows that the second hands on.":
    C1_ENTER_ENTER = exhaustive "c01_exclusion::enter_against_enter", 2, 702;
    C1_BLOCKING_ASYNC = exhaustive "c01_exclusion::blocking_against_async", 2, 765;
    C1_ENTER_CLAIM = exhaustive "c01_exclusion::enter_against_claim", 2, 2790;
    C1_START_START = exhaustive "c01_exclusion::start_against_start", 2, 2628;
    C1_THREE_ENTER = bounded "c01_exclusion::three_enter", 2, [8667, 447144];
    "C2", "Two sessions could be alive at the end of one, when a caller comes. Two callers show that only one of them starts the next.":
    C2_CLEANUP_ENTER = exhaustive "c02_one_incarnation::cleanup_against_enter", 2, 9057;
    C2_CLOSE_TWO = bounded "c02_one_incarnation::close_against_two", 2, [4902, 4902], one_outcome;
    C2_CLOSING_DROPPED = exhaustive "c02_one_incarnation::closing_dropped", 2, 1833;
    C2_VACANCY_DROPPED = exhaustive "c02_one_incarnation::vacancy_dropped", 2, 6990;
    C2_SPLIT_LEFT = exhaustive "c02_one_incarnation::split_and_left", 2, 6990;
    C2_CLOSED_FILLED = exhaustive "c02_one_incarnation::closed_and_filled", 2, 15561;
    C2_PANIC_IN_DROP = exhaustive "c02_one_incarnation::a_drop_that_panics", 2, 1833;
    C2_PANIC_IN_TURN = exhaustive "c02_one_incarnation::a_turn_that_panics", 2, 2478, one_outcome;
    C2_PANIC_IN_CLOSER = exhaustive "c02_one_incarnation::a_closer_that_panics", 2, 9057;
    C2_CANCELLED_START = exhaustive "c02_one_incarnation::a_cancelled_start", 2, 108, one_outcome;
    C2_UNWINDING = exhaustive "c02_one_incarnation::a_turn_while_the_thread_unwinds", 1, 1599;
    C2_UNWINDING_START = exhaustive "c02_unwinding::a_start_while_the_thread_unwinds", 1, 4070;
    C2_UNWINDING_AGAIN = exhaustive "c02_unwinding::a_turn_that_panics_after_one_that_did_not", 1, 3485;
    "C3", "Positions are taken before the threads start, so the registry makes each order. A longer queue repeats what three show.":
    C3_TURN_END = bounded "c03_order::across_the_end_of_a_turn", 2, [2237, 2237], one_outcome;
    C3_INCARNATION = bounded "c03_order::across_an_incarnation", 2, [4520, 4520], one_outcome;
    C3_REPLACEMENT = bounded "c03_order::across_a_replacement", 1, [2075, 2075], one_outcome;
    C3_PUT_BACK = wide "c03_order::an_unlooked_grant_is_put_back", 2, [6989, 6989], one_outcome;
    C3_FIRST_LANE = bounded "c03_order::the_first_lane", 2, [3469, 3469];
    C3_DISMISSED = bounded "c03_order::a_dismissed_line", 2, [5673, 5673];
    C3_TICKETS = bounded "c03_order::tickets_tell_the_order", 2, [4631, 4631];
    C3_TICKETS_REPLACED = bounded "c03_order::tickets_after_a_replacement", 2, [30379, 30379], one_outcome;
    C3_POLLED = exhaustive "c03_order::polled_or_not", 1, 4, one_outcome;
    C3_AFTER_REPLACEMENT = bounded "c03_order::after_a_replacement", 1, [556, 556], one_outcome;
    C3_ABSENCE = exhaustive "c03_order::after_an_absence", 1, 157;
    C3_FIRST_REPLACED = bounded "c03_order::the_first_lane_across_a_replacement", 1, [2075, 2075], one_outcome;
    C3_OVERTAKEN = exhaustive "c03_tickets::a_ticket_that_was_overtaken", 1, 67;
    C3_BESIDE_A_HANDLE = exhaustive "c03_tickets::a_ticket_beside_a_handle", 1, 67;
    "C4", "A wake-up is lost between a grant and a wait: two threads, without a bound. A chain needs a third.":
    C4_TURN_END_ENTER = bounded "c04_progress::turn_end_against_enter", 2, [4631, 4631];
    C4_TURN_END_POLL = exhaustive "c04_progress::turn_end_against_poll", 1, 4;
    C4_CHANGED_WAKER = exhaustive "c04_progress::a_change_of_wakers", 1, 16;
    C4_CHAIN = bounded "c04_progress::each_wakes_the_next", 2, [2060, 2060], one_outcome;
    C4_PANIC_IN_WAKER = exhaustive "c04_progress::a_waker_that_panics", 1, 4;
    C4_DEPARTURE = exhaustive "c04_progress::departure_against_wait", 2, 252, one_outcome;
    C4_DEPARTURE_WAKERS = exhaustive "c04_progress::departure_with_another_waker", 1, 18;
    "C5", "A caller that leaves against a grant or a replacement: two threads, without a bound. Main takes the tickets of queues of three.":
    C5_DROP_UNPOLLED = exhaustive "c05_cancel::dropped_unpolled", 2, 36, one_outcome;
    C5_DROP_POLLED = exhaustive "c05_cancel::dropped_polled", 2, 36, one_outcome;
    C5_HELD_DROPPED = exhaustive "c05_cancel::held_and_dropped", 2, 99;
    C5_HELD_VACANCY_DROPPED = exhaustive "c05_cancel::held_vacancy_dropped", 2, 90, one_outcome;
    C5_LAST_TWO = exhaustive "c05_cancel::the_last_two_leave", 2, 48, one_outcome;
    C5_DEADLINE = exhaustive "c05_cancel::deadline_against_turn_end", 2, 54;
    C5_DEADLINE_AGAIN = bounded "c05_cancel::deadline_and_again", 2, [5044, 5044];
    C5_THREE = bounded "c05_cancel::the_first_of_three_leaves", 2, [9451, 9451], one_outcome;
    C5_DROP_REPLACE = exhaustive "c05_cancel::dropped_against_replace", 2, 2649, one_outcome;
    C5_LOOK_REPLACE = exhaustive "c05_cancel::looked_against_replace", 2, 1188;
    C5_IDLE_TIME = exhaustive "c05_cancel::a_drop_leaves_the_idle_time", 2, 81;
    C5_GRANTED_IDLE_TIME = exhaustive "c05_granted::a_drop_leaves_the_idle_time", 2, 243;
    C5_GRANTED_VACANCY = exhaustive "c05_granted::a_vacancy_is_dropped", 1, 1686, one_outcome;
    C5_COUNT = exhaustive "c05_cancel::the_count_of_those_who_left", 2, 2005;
    C5_DEADLINE_REPLACE = exhaustive "c05_cancel::deadline_against_replace", 2, 1344;
    C5_HELD_REPLACE = exhaustive "c05_held::dropped_against_replace", 2, 153;
    C5_HELD_START_REPLACE = exhaustive "c05_held::start_dropped_against_replace", 2, 168;
    C5_HELD_REMOVE = exhaustive "c05_held::dropped_against_remove", 2, 351;
    C5_HELD_START_REMOVE = exhaustive "c05_held::start_dropped_against_remove", 2, 189;
    C5_HELD_THREE = bounded "c05_held::dropped_against_a_newcomer_and_replace", 2, [12738, 12738];
    "C6", "A replacement against each kind of end, without a bound. With a third thread in between, bounded.":
    C6_REPLACE_TURN_END = exhaustive "c06_identity::replace_against_turn_end", 2, 39;
    C6_REPLACE_TURN_END_LINE = exhaustive "c06_identity::replace_against_turn_end_in_line", 2, 39;
    C6_REPLACE_START_END = exhaustive "c06_identity::replace_against_start_end", 2, 18;
    C6_REPLACE_START_END_LINE = exhaustive "c06_identity::replace_against_start_end_in_line", 2, 48;
    C6_REPLACE_FILL = exhaustive "c06_identity::replace_against_fill", 2, 93;
    C6_REPLACE_FILL_LINE = exhaustive "c06_identity::replace_against_fill_in_line", 2, 93;
    C6_REPLACE_CLOSE_END = exhaustive "c06_identity::replace_against_close_end", 2, 18;
    C6_REPLACE_CLOSE_END_LINE = exhaustive "c06_identity::replace_against_close_end_in_line", 2, 48;
    C6_REPLACE_CLEANUP = exhaustive "c06_identity::replace_against_cleanup", 2, 324;
    C6_REPLACE_CLEANUP_ENTER = bounded "c06_identity::replace_against_cleanup_and_enter", 2, [3486, 4286];
    C6_REMOVE_ENTER = exhaustive "c06_two_at_once::remove_then_enter_against_turn_end", 2, 201;
    C6_REMOVE_ENTER_LINE = bounded "c06_two_at_once::remove_then_enter_against_turn_end_in_line", 2, [5770, 5770];
    C6_TWO_CLEANUPS = exhaustive "c06_two_at_once::two_cleanups", 2, 27378;
    C6_TWO_CLEANUPS_ENTER = bounded "c06_two_at_once::two_cleanups_and_enter", 2, [8633, 11472];
    C6_REPLACE_TWICE = exhaustive "c06_two_at_once::replace_twice", 2, 36;
    C6_REPLACE_TWICE_LINE = exhaustive "c06_two_at_once::replace_twice_in_line", 2, 36;
    C6_REPLACE_GRANT = exhaustive "c06_two_at_once::replace_against_unlooked_grant", 2, 81;
    C6_REPLACE_GRANT_LINE = exhaustive "c06_two_at_once::replace_against_unlooked_grant_in_line", 2, 81;
    C6_HELD_REPLACE = exhaustive "c05_held::polled_against_replace", 2, 153;
    C6_HELD_START_REPLACE = exhaustive "c05_held::start_polled_against_replace", 2, 675;
    C6_HELD_REMOVE = exhaustive "c05_held::polled_against_remove", 2, 351;
    C6_HELD_START_REMOVE = exhaustive "c05_held::start_polled_against_remove", 2, 1677;
    C6_OBSERVED = exhaustive "c06_two_at_once::observed_against_replace", 2, 54;
    C6_SEEN_TWICE = exhaustive "c06_two_at_once::seen_twice", 2, 54;
    C6_OBSERVED_NEXT = exhaustive "c06_two_at_once::observed_against_the_next_incarnation", 2, 33;
    C6_HANDLE_NEXT = exhaustive "c06_two_at_once::handle_against_the_next_incarnation", 1, 236;
    C6_HANDLE_REPLACE = exhaustive "c06_two_at_once::handle_against_replace", 2, 18;
    C6_TWO_DEPARTURES = exhaustive "c06_two_at_once::two_departures", 2, 310;
    "C7", "A cleanup against a call that makes the session active. With a third thread that touches it too, bounded.":
    C7_CLEANUP_TURN = exhaustive "c07_claim::cleanup_against_turn", 2, 1863;
    C7_CLEANUP_TURN_END = exhaustive "c07_claim::cleanup_against_turn_end", 2, 15;
    C7_CLEANUP_TOUCH = exhaustive "c07_claim::cleanup_against_touch", 2, 42;
    C7_CLEANUP_HELD = exhaustive "c07_claim::cleanup_against_held_enter", 2, 114;
    C7_CLEANUP_GRANT = exhaustive "c07_claim::cleanup_against_grant", 2, 15;
    C7_OBSERVED = exhaustive "c07_claim::observed_claim_against_touch", 2, 12;
    C7_GRANTED_LATE = exhaustive "c05_granted::a_cleanup_that_has_found_it_idle", 1, 3901;
    C7_THREE = bounded "c07_claim::cleanup_turn_and_touch", 2, [1869, 2438];
    C7_CLEANUP_KEEP = exhaustive "c07_kept::cleanup_against_keep", 2, 39;
    C7_CLEANUP_LAST = exhaustive "c07_kept::cleanup_against_the_last_drop", 2, 1545;
    C7_OBSERVED_KEPT = exhaustive "c07_kept::observed_claim_against_keep", 1, 9;
    C7_BEFORE = exhaustive "c07_kept::a_guard_of_the_session_before", 1, 53;
    C7_TWO_TOUCHES = exhaustive "c07_claim::two_touches", 2, 36, one_outcome;
    "C8", "A question while a guard is held and another caller joins and leaves. A wait for the guard would be a deadlock.":
    C8_STATUS_TURN = exhaustive "c08_status::status_of_a_turn", 2, 16830;
    C8_STATUS_START = exhaustive "c08_status::status_of_a_start", 2, 16830;
    C8_STATUS_CLOSE = exhaustive "c08_status::status_of_a_close", 2, 16830;
    C8_SNAPSHOT_TURN = exhaustive "c08_status::snapshot_of_a_turn", 2, 108342;
    C8_SNAPSHOT_START = bounded "c08_status::snapshot_of_a_start", 2, [3663, 3663];
    C8_SNAPSHOT_CLOSE = bounded "c08_status::snapshot_of_a_close", 2, [3663, 3663];
    C8_CLEANUP_TURN = exhaustive "c08_status::cleanup_of_a_turn", 2, 405;
    C8_CLEANUP_START = exhaustive "c08_status::cleanup_of_a_start", 2, 405;
    C8_CLEANUP_CLOSE = exhaustive "c08_status::cleanup_of_a_close", 2, 405;
    C8_OTHER_KEY = exhaustive "c08_status::another_key", 1, 1, one_outcome;
    "C9", "User code that calls back where a lock could be held.":
    C9_WAKER = exhaustive "c09_locks::a_waker_that_enters", 1, 4;
    C9_CLOSER = bounded "c09_locks::a_closer_that_enters", 2, [4539, 4798];
    C9_HANDLE = exhaustive "c09_locks::handles", 1, 17;
    "C10", "Scans and changes over two shards: the locks of one while those of the other are taken.":
    C10_SHARDS = wide "c09_locks::all_shards", 2, [13618, 16506];
    "C11", "A start that ends without a session against a caller. A replacement is the third.":
    C11_FAILS = exhaustive "c11_no_stuck_key::a_start_that_fails", 2, 1524;
    C11_PANICS = exhaustive "c11_no_stuck_key::a_start_that_panics", 2, 1524;
    C11_CANCELLED = exhaustive "c11_no_stuck_key::a_start_that_is_cancelled", 2, 1713;
    C11_TWO_WAIT = bounded "c11_no_stuck_key::a_vacancy_dropped_with_two_in_line", 2, [6050, 6050], one_outcome;
    C11_REPLACE = wide "c11_no_stuck_key::a_start_that_fails_against_replace", 2, [10623, 10623];
    "C12", "Two threads that could both return or drop a session.":
    C12_RELEASE = exhaustive "c12_nothing_lost::release_against_replace", 2, 351;
    C12_MAX_SESSIONS = exhaustive "c12_nothing_lost::max_sessions", 2, 195;
    C12_MAX_ONE_KEY = exhaustive "c12_nothing_lost::max_sessions_of_one_key", 2, 2628;
    C12_MAX_REPLACE = exhaustive "c12_nothing_lost::max_sessions_against_replace", 1, 5;
    C12_MAX_WAITING = exhaustive "c12_nothing_lost::max_waiting", 2, 2070;
    C12_QUESTION = exhaustive "c12_nothing_lost::a_question_about_a_key_that_leaves", 1, 337;
    "C12", "The end of a registry against each thing that outlives it. Nothing of it holds more than two slots.":
    C12_END_TURN = exhaustive "c12_end::turn_end", 2, 126, one_outcome;
    C12_END_RELEASE = exhaustive "c12_end::release", 2, 126;
    C12_END_START = exhaustive "c12_end::start_end", 2, 228, one_outcome;
    C12_END_FILL = exhaustive "c12_end::start_filled", 2, 852;
    C12_END_CLOSED = exhaustive "c12_end::closed", 2, 1824;
    C12_END_REPLACE = exhaustive "c12_end::observed_replace", 2, 1329;
    C12_END_REPLACE_HELD = exhaustive "c12_end::observed_replace_held", 2, 870;
    C12_END_REMOVE = exhaustive "c12_end::observed_remove", 2, 597;
    C12_END_CLAIM = exhaustive "c12_end::observed_claim", 2, 939;
    C12_END_HELD = exhaustive "c12_end::held_polled", 2, 243;
    C12_END_HELD_DROPPED = exhaustive "c12_end::held_dropped", 2, 126, one_outcome;
    C12_END_HELD_START = exhaustive "c12_end::held_start_polled", 2, 522;
    C12_END_HELD_START_DROPPED = exhaustive "c12_end::held_start_dropped", 2, 147, one_outcome;
    C12_END_CLAIMS = exhaustive "c12_end::claims", 2, 489;
    C12_END_DRAIN = exhaustive "c12_end::drained", 2, 2793;
    C12_END_QUEUED = exhaustive "c12_end::queued", 2, 89130;
    C12_END_QUEUED_DROPPED = exhaustive "c12_end::queued_dropped", 2, 7166, one_outcome;
    C12_END_RELEASED = exhaustive "c12_end::released_turn", 2, 29286, one_outcome;
    C12_END_RELEASED_START = exhaustive "c12_end::released_start", 2, 21621, one_outcome;
    C12_END_RELEASED_HELD = exhaustive "c12_end::released_held", 2, 29286, one_outcome;
    C12_END_GIVEN_UP = exhaustive "c12_end::removed_and_given_up", 1, 591;
    C12_END_SHARDS = exhaustive "c12_shards::a_session_that_panics_when_its_registry_goes", 2, 393;
    "C13", "A close against each thing that it ends or lets go on, in one shard and in two.":
    C13_GRANT = bounded "c13_closing::close_against_grant", 2, [1085, 1085];
    C13_AFTER = exhaustive "c13_closing::no_grant_after_close", 1, 36, one_outcome;
    C13_JOIN = exhaustive "c13_closing::close_against_join", 2, 1449, one_outcome;
    C13_START = bounded "c13_closing::close_against_start", 2, [745, 745];
    C13_GRANTED_START = exhaustive "c13_closing::close_against_granted_start", 1, 91;
    C13_DRAIN = exhaustive "c13_closing::drain_against_turn_end", 2, 180, one_outcome;
    C13_DRAIN_SUPERSEDED = exhaustive "c13_closing::drain_against_superseded", 2, 9324, one_outcome;
    C13_DRAIN_REMOVE = wide "c13_closing::drain_against_remove", 2, [37680, 37680];
    C13_LOOK_AFTER = exhaustive "c13_closing::look_after_close", 1, 24;
    C13_QUEUE = exhaustive "c13_queue::a_queue_against_close", 1, 496;
    C13_LOOKS_AGAIN = bounded "c13_closing::drain_looks_again", 1, [462, 462], one_outcome;
    C13_LOOK_REMOVE = exhaustive "c13_closing::drain_look_against_remove", 1, 3049, one_outcome;
    C13_DRAIN_STARTS = bounded "c13_closing::drain_against_starts", 1, [1360, 1360], one_outcome;
    C13_REPLACE = exhaustive "c13_closing::close_against_replace", 1, 43;
    C13_HELD = exhaustive "c05_held::polled_against_drain", 2, 3099;
    C13_HELD_DROPPED = exhaustive "c05_held::dropped_against_drain", 2, 3099;
    C13_HELD_START = exhaustive "c05_held::start_polled_against_drain", 2, 65868;
    C13_HELD_START_DROPPED = exhaustive "c05_held::start_dropped_against_drain", 2, 1218;
    "C15", "A reader, word by word, against a writer. Two reads, bounded.":
    C15_LOOK = exhaustive "c15_snapshot::a_look_against_a_new_incarnation", 1, 488;
    C15_GRANT = exhaustive "c15_board::a_look_against_a_grant", 1, 797;
    C15_DRAIN = exhaustive "c15_board::a_drain_against_a_new_incarnation", 1, 2244;
    C15_RENUMBER = exhaustive "c15_board::a_look_against_a_number_from_outside", 1, 9904;
    C15_NEXT_TURN = exhaustive "c15_snapshot::a_look_against_the_next_turn", 1, 35143;
    C15_TWO_LOOKS = wide "c15_snapshot::two_looks_against_two_incarnations", 1, [5246, 5246];
    C15_NUMBERS = exhaustive "c15_snapshot::numbers_against_replace", 1, 13;
    C15_SUPERSEDED = exhaustive "c15_snapshot::a_superseded_holder_draws_no_number", 2, 75;
    C15_WAITING = wide "c15_snapshot::waiting_against_turn_end", 2, [29132, 29132];
    C15_SCAN_GROWTH = bounded "c15_scan::snapshot_against_growth", 1, [1217, 1217];
    C15_SCAN_END = bounded "c15_scan::snapshot_against_an_end", 1, [2384, 2384];
    C15_SCAN_BACK = bounded "c15_scan::snapshot_against_one_that_comes_back", 1, [19462, 19462];
    C15_CLEANUP_GROWTH = bounded "c15_scan::cleanup_against_growth", 1, [99, 99];
    "idiom", "A use of a session against a status or a cleanup. No hand-written design needs more to fail.":
    IDIOM_MAP_LOCK = exhaustive "idioms::a_map_lock_across_the_turn", 1, 1, one_outcome;
    IDIOM_SAMPLE = exhaustive "idioms::sampled_then_removed", 1, 1;
    IDIOM_COUNT = exhaustive "idioms::counted_then_removed", 1, 1;
    IDIOM_TURNWISE_STATUS = exhaustive "idioms::turnwise_status", 1, 16457, one_outcome;
    IDIOM_TURNWISE_CLEANUP = exhaustive "idioms::turnwise_cleanup", 1, 2594;
    "C16", "A search for a call by ticket against each step of the call: two threads, without a bound where that ends.":
    C16_FOUND = bounded "c16_reach::a_call_is_found_until_its_turn_ends", 2, [7650, 7650], one_outcome;
    C16_FOUND_START = exhaustive "c16_reach::a_call_is_found_behind_a_start", 2, 268, one_outcome;
    C16_GRANT = exhaustive "c16_reach::withdrawn_against_the_grant", 1, 27, one_outcome;
    C16_NEXT = bounded "c16_reach::withdrawn_and_the_next_is_granted", 2, [945, 945], one_outcome;
    C16_LOOK = exhaustive "c16_reach::withdrawn_against_its_look", 2, 6508;
    C16_DROP = exhaustive "c16_reach::withdrawn_against_its_drop", 2, 1679;
    C16_VACANCY = exhaustive "c16_reach::a_granted_vacancy_is_withdrawn", 1, 27, one_outcome;
    C16_REPLACE = exhaustive "c16_reach::withdrawn_against_replace", 1, 32, one_outcome;
    C16_CLOSE = exhaustive "c16_reach::withdrawn_against_close", 1, 14;
    C16_HELD = exhaustive "c16_reach::a_held_enter_is_not_withdrawn", 1, 13;
}
