//! Walks: calls of one key at random, each step with what is in hand. The records are judged, not the answers.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};
use turnwise::{Clock, Closing, Enter, Entry, KeepAlive, Observed, Old, Registry, Turn, Vacancy};

const KEY: &str = "a";

/// What is in hand.
enum Hand {
    Enter(Enter<&'static str, u32, u32>),
    Turn(Turn<&'static str, u32, u32>),
    Vacancy(Vacancy<&'static str, u32, u32>),
    Closing(Closing<&'static str, u32, u32>),
    Kept(KeepAlive<&'static str, u32, u32>),
    Seen(Observed<&'static str, u32, u32>),
    Old(Old<&'static str, u32, u32>),
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % most
    }
}

fn of(entry: Entry<&'static str, u32, u32>) -> Hand {
    match entry {
        Entry::Occupied(turn) => Hand::Turn(turn),
        Entry::Vacant(vacancy) => Hand::Vacancy(vacancy),
    }
}

/// What is done with a thing, and what is in hand then.
fn used(hand: Hand, random: &mut Random) -> Option<Hand> {
    let mut cx = Context::from_waker(Waker::noop());
    match (hand, random.below(4)) {
        (Hand::Enter(_), 0) | (Hand::Turn(_), 0) | (Hand::Vacancy(_), 0) | (Hand::Kept(_), 0) => {
            None
        }
        (Hand::Enter(mut enter), _) => match Pin::new(&mut enter).poll(&mut cx) {
            std::task::Poll::Pending => Some(Hand::Enter(enter)),
            std::task::Poll::Ready(entry) => entry.ok().map(of),
        },
        (Hand::Turn(turn), 1) => Some(Hand::Closing(Turn::vacate(turn))),
        (Hand::Turn(turn), 2) => {
            Turn::set_handle(&turn, Arc::new(1));
            Some(Hand::Turn(turn))
        }
        (Hand::Turn(turn), _) => Turn::release(turn).and(None),
        (Hand::Vacancy(vacancy), _) => Some(Hand::Turn(vacancy.fill(1))),
        (Hand::Closing(_), 0 | 1) => None,
        (Hand::Closing(closing), 2) => Some(Hand::Vacancy(closing.closed())),
        (Hand::Closing(closing), _) => Some(Hand::Vacancy(closing.split().0)),
        (Hand::Seen(seen), 0 | 1) => seen.claim().ok().map(Hand::Turn),
        (Hand::Seen(seen), 2) => seen.replace().ok().map(|new| Hand::Vacancy(new.vacancy)),
        (Hand::Seen(seen), _) => seen.remove().ok().flatten().map(Hand::Old),
        (Hand::Old(Old::Held(mut released)), 0 | 1) => {
            let pending = Pin::new(&mut released).poll(&mut cx).is_pending();
            pending.then_some(Hand::Old(Old::Held(released)))
        }
        (Hand::Kept(kept), _) => kept.handle().map(|_| Hand::Kept(kept)),
        (Hand::Old(_), _) => None,
    }
}

#[test]
fn walks() {
    for seed in 1..=200 {
        let mut random = Random(seed);
        let (clock, time) = Clock::manual();
        let sessions: Registry<&str, u32, u32> =
            Registry::builder().clock(clock).max_waiting(3).build();
        let mut hands: Vec<Hand> = Vec::new();
        for _ in 0..60 {
            if hands.is_empty() || hands.len() < random.below(8) {
                let new = match random.below(14) {
                    0..=2 => Some(Hand::Enter(sessions.enter(&KEY))),
                    3 | 4 => Some(Hand::Enter(sessions.enter_with(&KEY, Arc::new(1)))),
                    5 => Some(Hand::Enter(sessions.enter_first(&KEY))),
                    6 => sessions.keep_alive(&KEY).map(Hand::Kept),
                    7 | 8 => sessions.observe(&KEY).map(Hand::Seen),
                    9 => {
                        let replaced = sessions.replace(&KEY).ok();
                        hands.extend(replaced.map(|new| {
                            hands_of(new.old, &mut random);
                            Hand::Vacancy(new.vacancy)
                        }));
                        None
                    }
                    10 => sessions.remove(&KEY).map(Hand::Old),
                    11 => {
                        sessions.cleanup_idle(Duration::from_secs(1), |_, _, _| ());
                        None
                    }
                    12 => {
                        let touched = random.below(3) == 0 && sessions.touch(&KEY);
                        let age = Duration::from_secs(u64::from(touched));
                        sessions.claim_idle(age).next().map(Hand::Turn)
                    }
                    _ if random.below(4) == 0 => {
                        sessions.dismiss(&KEY);
                        None
                    }
                    _ => {
                        time.advance(Duration::from_secs(1));
                        None
                    }
                };
                hands.extend(new);
            } else {
                let index = random.below(hands.len());
                let hand = hands.swap_remove(index);
                hands.extend(used(hand, &mut random));
            }
        }
        match seed % 3 {
            0 => sessions.close(),
            1 => drop(sessions),
            _ => {}
        }
        while let Some(hand) = hands.pop() {
            drop(used(hand, &mut random));
        }
    }
}

/// An old holder is waited for, or not.
fn hands_of(old: Option<Old<&'static str, u32, u32>>, random: &mut Random) {
    let used = old.and_then(|old| used(Hand::Old(old), random));
    drop(used);
}
