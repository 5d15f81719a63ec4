//! C3: within a lane, entries are granted in ticket order, also across incarnations and replacements.

use crate::kit::*;
use std::{
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

/// Who was granted, in order. std's: loom does not see it, and it adds no steps.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Log {
    fn add(&self, name: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_str(name);
    }

    fn take(&self) -> String {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Waits in a thread of its own, and says its name once it has the turn; starts the session if there is none.
fn wait(enter: Enter, name: &'static str, log: &Log, tally: &Tally) -> JoinHandle<()> {
    let (log, tally) = (log.clone(), tally.clone());
    spawn(move || {
        let entry = block_on(enter).expect("open");
        log.add(name);
        drop(entry.or_insert_with(|| tally.session()));
    })
}

fn setting() -> (Registry, Tally, Log) {
    let setting = (registry(), Tally::default(), Log::default());
    rest(&setting.0, &Key(1), &setting.1);
    setting
}

/// Two wait with tickets a and b; the holder ends its turn.
#[test]
fn across_the_end_of_a_turn() {
    check(&bounds::C3_TURN_END, &["ab"], || {
        let (registry, tally, log) = setting();
        let turn = turn_of(&registry, &Key(1));
        let (a, b) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        let b = wait(b, "b", &log, &tally);
        let a = wait(a, "a", &log, &tally);
        drop(turn);
        a.join().expect("a");
        b.join().expect("b");
        registry.check_invariants();
        log.take()
    });
}

/// The same across the end of an incarnation: the vacancy goes to a, who starts the session that b gets.
#[test]
fn across_an_incarnation() {
    check(&bounds::C3_INCARNATION, &["ab"], || {
        let (registry, tally, log) = setting();
        let turn = turn_of(&registry, &Key(1));
        let (a, b) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        let b = wait(b, "b", &log, &tally);
        let a = wait(a, "a", &log, &tally);
        drop(Turn::vacate(turn));
        a.join().expect("a");
        b.join().expect("b");
        registry.check_invariants();
        log.take()
    });
}

/// The same across a replacement, while a looks: the line waits behind the new vacancy, in its order.
#[test]
fn across_a_replacement() {
    check(&bounds::C3_REPLACEMENT, &["ab"], || {
        let (registry, tally, log) = setting();
        let turn = turn_of(&registry, &Key(1));
        let (a, b) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        let a = wait(a, "a", &log, &tally);
        drop(registry.replace(&Key(1)).expect("open"));
        drop(turn);
        let entry = b.wait().expect("open");
        log.add("b");
        drop(entry.or_insert_with(|| tally.session()));
        a.join().expect("a");
        registry.check_invariants();
        log.take()
    });
}

/// A grant that was not polled goes back to the head of the queue, before b.
#[test]
fn an_unlooked_grant_is_put_back() {
    check(&bounds::C3_PUT_BACK, &["ab"], || {
        let (registry, tally, log) = setting();
        let turn = turn_of(&registry, &Key(1));
        let (a, b) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        drop(turn);
        let replaced = registry.replace(&Key(1)).expect("open");
        let b = wait(b, "b", &log, &tally);
        let a = wait(a, "a", &log, &tally);
        drop(replaced);
        a.join().expect("a");
        b.join().expect("b");
        registry.check_invariants();
        log.take()
    });
}

/// The first lane goes ahead of the line, in order within itself.
#[test]
fn the_first_lane() {
    check(&bounds::C3_FIRST_LANE, &["xa", "ax"], || {
        let (registry, tally, log) = setting();
        let turn = turn_of(&registry, &Key(1));
        let a = registry.enter(&Key(1));
        let a = wait(a, "a", &log, &tally);
        let first = spawn_with(
            (registry.clone(), tally.clone(), log.clone()),
            |(registry, tally, log)| {
                let entry = registry.enter_first(&Key(1)).wait().expect("open");
                log.add("x");
                drop(entry.or_insert_with(|| tally.session()));
            },
        );
        drop(turn);
        a.join().expect("a");
        first.join().expect("first");
        registry.check_invariants();
        log.take()
    });
}

/// A dismissed queue keeps no positions. Later callers are granted in their order of arrival.
#[test]
fn a_dismissed_line() {
    let outcomes = [
        "a was dismissed, b came after",
        "a had the turn",
        "a and b were dismissed",
    ];
    check(&bounds::C3_DISMISSED, &outcomes, || {
        let (registry, tally, _) = setting();
        let turn = turn_of(&registry, &Key(1));
        let a = registry.enter(&Key(1));
        let dismisser = spawn_with(registry.clone(), |registry| registry.dismiss(&Key(1)));
        let b = spawn_with(registry.clone(), |registry| {
            registry
                .enter_blocking(&Key(1))
                .map(|entry| entry.occupied().expect("there").work())
        });
        drop(turn);
        let a = block_on(a).map(|entry| entry.occupied().expect("there").work());
        let dismissed = dismisser.join().expect("dismiss");
        let b = b.join().expect("b");
        registry.check_invariants();
        assert_eq!(tally.alive(), 1);
        match (a, b, dismissed) {
            (Err(_), Ok(0), 1) => "a was dismissed, b came after",
            (Ok(0), Ok(1), 0) | (Ok(0), Err(_), 1) => "a had the turn",
            (Err(_), Err(_), 2) => "a and b were dismissed",
            other => panic!("C3: {other:?}"),
        }
    });
}

/// Tickets tell the order of grants: two newcomers against the end of a turn.
#[test]
fn tickets_tell_the_order() {
    check(&bounds::C3_TICKETS, &["ab", "ba"], || {
        let (registry, tally, log) = setting();
        let turn = turn_of(&registry, &Key(1));
        let newcomer = |name: &'static str| {
            let (registry, tally, log) = (registry.clone(), tally.clone(), log.clone());
            spawn(move || {
                let enter = registry.enter(&Key(1));
                let ticket = enter.ticket().expect("it has a place");
                let entry = enter.wait().expect("open");
                log.add(name);
                drop(entry.or_insert_with(|| tally.session()));
                ticket
            })
        };
        let (a, b) = (newcomer("a"), newcomer("b"));
        drop(turn);
        let (a, b) = (a.join().expect("a"), b.join().expect("b"));
        let order = log.take();
        assert_eq!(
            order == "ab",
            a < b,
            "C3: granted {order}, tickets {a:?} and {b:?}"
        );
        order
    });
}

/// Who was polled is not preferred to who was not: both wait by ticket.
#[test]
fn polled_or_not() {
    check(&bounds::C3_POLLED, &["a is granted"], || {
        let (registry, _tally, _) = setting();
        let turn = turn_of(&registry, &Key(1));
        let (mut a, mut b) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        let poller = spawn(move || {
            assert!(poll_once(&mut b).is_pending(), "C3: b is granted before a");
            b
        });
        drop(turn);
        let b = poller.join().expect("poller");
        let granted = match poll_once(&mut a) {
            Poll::Ready(Ok(Entry::Occupied(_))) => "a is granted",
            other => panic!("C3: {other:?}"),
        };
        drop((a, b));
        granted
    });
}

/// Who comes after a replacement stands behind those who came before it: his ticket is higher than theirs.
#[test]
fn after_a_replacement() {
    check(&bounds::C3_AFTER_REPLACEMENT, &["ac"], || {
        let (registry, tally, log) = setting();
        let turn = turn_of(&registry, &Key(1));
        let a = registry.enter(&Key(1));
        let first = a.ticket().expect("it has a place");
        let newcomer = spawn_with(
            (registry.clone(), tally.clone(), log.clone()),
            |(registry, tally, log)| {
                let enter = registry.enter(&Key(1));
                let ticket = enter.ticket().expect("it has a place");
                let entry = enter.wait().expect("open");
                log.add("c");
                drop(entry.or_insert_with(|| tally.session()));
                ticket
            },
        );
        let replaced = registry.replace(&Key(1)).expect("open");
        assert!(
            replaced.vacancy.ticket() > first,
            "C3: a replacement goes by a ticket that was drawn before"
        );
        drop((replaced, turn));
        let entry = a.wait().expect("open");
        log.add("a");
        drop(entry.or_insert_with(|| tally.session()));
        assert!(newcomer.join().expect("newcomer") > first, "C3: tickets");
        registry.check_invariants();
        log.take()
    });
}

/// The tickets of a key go on when it was absent in between.
#[test]
fn after_an_absence() {
    let outcomes = ["in line", "absent in between"];
    check(&bounds::C3_ABSENCE, &outcomes, || {
        let (registry, tally, _) = setting();
        let turn = turn_of(&registry, &Key(1));
        let before = Turn::ticket(&turn);
        let ender = spawn(move || drop(Turn::vacate(turn)));
        let mut enter = registry.enter(&Key(1));
        let after = enter.ticket().expect("it has a place");
        assert!(after > before, "C3: {after} comes after {before}");
        let outcome = match poll_once(&mut enter) {
            Poll::Ready(entry) => {
                drop(entry.expect("open").or_insert_with(|| tally.session()));
                "absent in between"
            }
            Poll::Pending => "in line",
        };
        ender.join().expect("ender");
        drop(enter);
        registry.check_invariants();
        outcome
    });
}

/// The first lane is ahead of the line behind a replacement too.
#[test]
fn the_first_lane_across_a_replacement() {
    check(&bounds::C3_FIRST_REPLACED, &["xa"], || {
        let (registry, tally, log) = setting();
        let turn = turn_of(&registry, &Key(1));
        let (a, x) = (registry.enter(&Key(1)), registry.enter_first(&Key(1)));
        let x = wait(x, "x", &log, &tally);
        drop(registry.replace(&Key(1)).expect("open"));
        drop(turn);
        let entry = a.wait().expect("open");
        log.add("a");
        drop(entry.or_insert_with(|| tally.session()));
        x.join().expect("x");
        registry.check_invariants();
        log.take()
    });
}

/// A replacement inherits a queue, and its vacancy is granted out of it while a newcomer comes: the newcomer's ticket is above
/// all that were drawn, and it has the session after both who waited.
#[test]
fn tickets_after_a_replacement() {
    check(&bounds::C3_TICKETS_REPLACED, &["abn"], || {
        let (registry, tally, log) = setting();
        let turn = turn_of(&registry, &Key(1));
        let (a, b) = (registry.enter(&Key(1)), registry.enter(&Key(1)));
        let before = b.ticket().expect("it has a place");
        let Replaced { old, vacancy } = registry.replace(&Key(1)).expect("open");
        assert!(before < vacancy.ticket(), "C3: the ticket of a replacement");
        let newcomer = spawn_with(
            (registry.clone(), tally.clone(), log.clone()),
            move |(registry, tally, log)| {
                let enter = registry.enter(&Key(1));
                let ticket = enter.ticket().expect("it has a place");
                assert!(before < ticket, "C3: ticket {ticket} was drawn before");
                let turn = enter
                    .wait()
                    .expect("open")
                    .or_insert_with(|| tally.session());
                log.add("n");
                assert_eq!(Turn::ticket(&turn), ticket, "C3: a ticket changed");
                ticket
            },
        );
        let replacer = spawn(move || {
            let ticket = vacancy.ticket();
            drop(vacancy);
            ticket
        });
        for (enter, name) in [(a, "a"), (b, "b")] {
            let entry = block_on(enter).expect("open");
            log.add(name);
            drop(entry.or_insert_with(|| tally.session()));
        }
        let newcomer = newcomer.join().expect("newcomer");
        let replacer = replacer.join().expect("replacer");
        assert!(replacer < newcomer, "C3: a ticket was drawn twice");
        drop((turn, old));
        registry.check_invariants();
        log.take()
    });
}
