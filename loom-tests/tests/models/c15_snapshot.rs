//! C15: one `Status` never mixes two moments or two incarnations; the numbers of a key's current incarnations strictly
//! increase.

use crate::kit::*;

/// A status that is one of the moments of its slot.
fn moment(status: Option<Status>) -> String {
    let Some(status) = status else {
        return "absent".to_owned();
    };
    let Status {
        phase,
        incarnation,
        turn,
        waiting,
        ..
    } = status;
    assert_eq!(
        turn.is_none(),
        phase == Phase::Idle,
        "C15: two moments: {status:?}"
    );
    let turn = turn.map_or(0, turnwise::Ticket::get);
    format!(
        "{phase:?} {} turn {turn} waiting {waiting}",
        incarnation.get()
    )
}

/// The moments of a slot whose session is closed, and the next one started and used.
const MOMENTS: [&str; 5] = [
    "Busy 1 turn 2 waiting 0",
    "Closing 1 turn 2 waiting 0",
    "Starting 2 turn 2 waiting 0",
    "Busy 2 turn 2 waiting 0",
    "Idle 2 turn 0 waiting 0",
];

/// Which of the moments it is.
fn index(status: Option<Status>) -> usize {
    let seen = moment(status);
    let index = MOMENTS.iter().position(|moment| *moment == seen);
    index.unwrap_or_else(|| panic!("C15: a moment that never was: {seen}"))
}

/// One look against the change of incarnations: it is a moment that was.
#[test]
fn a_look_against_a_new_incarnation() {
    check(&bounds::C15_LOOK, &MOMENTS[..4], || {
        let (registry, tally, turn) = held(Tally::default());
        let holder = spawn(move || Turn::vacate(turn).closed().fill(tally.session()));
        let seen = index(registry.status(&Key(1)));
        drop(holder.join().expect("holder"));
        MOMENTS[seen]
    });
}

/// One look against a turn's end and the next turn, a minute later: the ticket is of the same moment as the phase and its
/// beginning.
#[test]
fn a_look_against_the_next_turn() {
    let moments = [
        "Busy 1 turn 2 waiting 0",
        "Idle 1 turn 0 waiting 0",
        "Busy 1 turn 3 waiting 0, a minute later",
    ];
    check(&bounds::C15_NEXT_TURN, &moments, || {
        let (registry, hand) = timed();
        rest(&registry, &Key(1), &Tally::default());
        let turn = turn_of(&registry, &Key(1));
        let began = registry.now();
        let holder = spawn_with(registry.clone(), move |registry| {
            drop(turn);
            hand.advance(Duration::from_secs(60));
            turn_of(&registry, &Key(1))
        });
        let status = registry.status(&Key(1));
        drop(holder.join().expect("holder"));
        let later = status.is_some_and(|status| status.since > began);
        moment(status) + if later { ", a minute later" } else { "" }
    });
}

/// Two looks: the second is not of an earlier moment than the first.
#[test]
fn two_looks_against_two_incarnations() {
    let pairs: Vec<String> = (0..MOMENTS.len())
        .flat_map(|first| (first..MOMENTS.len()).map(move |second| format!("{first} {second}")))
        .collect();
    let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
    check(&bounds::C15_TWO_LOOKS, &pairs, || {
        let (registry, tally, turn) = held(Tally::default());
        let holder = spawn_with(tally.clone(), |tally| {
            let vacancy = Turn::vacate(turn).closed();
            drop(vacancy.fill(tally.session()));
        });
        let first = index(registry.status(&Key(1)));
        let second = index(registry.status(&Key(1)));
        holder.join().expect("holder");
        assert!(first <= second, "C15: {second} was seen after {first}");
        format!("{first} {second}")
    });
}

/// The numbers seen of a key while its session is replaced: they do not go back.
#[test]
fn numbers_against_replace() {
    check(&bounds::C15_NUMBERS, &["1 1", "1 2", "2 2"], || {
        let (registry, _tally) = idle(Tally::default());
        let replacer = spawn_with(registry.clone(), |registry| {
            registry.replace(&Key(1)).expect("open")
        });
        let number = || registry.status(&Key(1)).expect("there").incarnation.get();
        let (first, second) = (number(), number());
        drop(replacer.join().expect("replacer"));
        assert!(first <= second, "C15: {second} was seen after {first}");
        format!("{first} {second}")
    });
}

/// A close that ends while its slot is replaced: a superseded holder draws no number, so its own stays below that of its
/// replacement.
#[test]
fn a_superseded_holder_draws_no_number() {
    let outcomes = ["1 before 2", "2 before 3"];
    check(&bounds::C15_SUPERSEDED, &outcomes, || {
        let (registry, _tally) = idle(Tally::default());
        let closing = Turn::vacate(turn_of(&registry, &Key(1)));
        let closer = spawn(move || {
            let vacancy = closing.closed();
            vacancy.incarnation().get()
        });
        let replacer = spawn_with(registry.clone(), |registry| {
            registry.replace(&Key(1)).expect("open").vacancy
        });
        let old = closer.join().expect("closer");
        let new = replacer.join().expect("replacer");
        let number = new.incarnation().get();
        assert!(
            old < number,
            "C15: a superseded holder has {old}, its replacement {number}"
        );
        drop(new);
        registry.check_invariants();
        format!("{old} before {number}")
    });
}

/// The count of those who wait is of the same moment as the phase: a free slot has no line.
#[test]
fn waiting_against_turn_end() {
    let outcomes = [
        "Busy 1 turn 2 waiting 0",
        "Busy 1 turn 2 waiting 1",
        "Busy 1 turn 3 waiting 0",
        "Idle 1 turn 0 waiting 0",
    ];
    check(&bounds::C15_WAITING, &outcomes, || {
        let (registry, _tally, turn) = held(Tally::default());
        let ender = spawn(move || drop(turn));
        let comer = spawn_with(registry.clone(), |registry| drop(registry.enter(&Key(1))));
        let seen = moment(registry.status(&Key(1)));
        ender.join().expect("ender");
        comer.join().expect("comer");
        registry.check_invariants();
        seen
    });
}
