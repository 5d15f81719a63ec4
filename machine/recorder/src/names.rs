//! Tickets, times and incarnations by other names, so that two records that differ in these alone are one.
//!
//! A transition compares tickets, and takes the next one: their order is kept, and which of them follow each other. Times and
//! incarnations are only compared: their order is kept.

use crate::Slot;
use std::collections::BTreeMap;

/// How a call's arguments are to be read: `r` as they are, `t` a time, `d` how long before the last argument, `p` a place, `n`
/// an incarnation, `v` a version.
const CALLS: &[(&str, &str)] = &[
    ("enter", "rrt"),
    ("take_free", "t"),
    ("take_standing", "t"),
    ("join", "rr"),
    ("look", "pr"),
    ("leave", "pt"),
    ("end_turn", "t"),
    ("put_back", "t"),
    ("hand_on", "nt"),
    ("begin_close", "t"),
    ("begin_start", "nt"),
    ("renumber", "n"),
    ("fill", "t"),
    ("watch", "p"),
    ("unwatch", "p"),
    ("touch", "t"),
    ("unkeep", "nt"),
    ("claim", "drt"),
    ("claim_at", "vt"),
    ("claim_if_idle", "t"),
];

const LANES: u64 = 3 << 62;

/// Of an incarnation whose number is not known yet.
const UNKNOWN: u64 = 1 << 63;

/// A place's ticket, and its priority: 0 high, 1 first, 2 normal.
fn parts(place: u64) -> (u64, u64) {
    let lane = match place >> 62 {
        0 => 0,
        1 => 1,
        _ => 2,
    };
    (place & !LANES, lane)
}

pub(crate) struct Names<'a> {
    slots: [&'a Slot; 2],
    name: &'a str,
    arguments: Vec<(u8, i128)>,
    tickets: BTreeMap<u64, u64>,
    times: BTreeMap<i128, usize>,
    numbers: BTreeMap<u64, usize>,
}

impl<'a> Names<'a> {
    pub(crate) fn of(before: &'a Slot, name: &'a str, arguments: &[u64], after: &'a Slot) -> Self {
        let kinds = CALLS.iter().find(|(call, _)| *call == name);
        let kinds = kinds.map_or("", |(_, kinds)| kinds).as_bytes();
        assert_eq!(kinds.len(), arguments.len(), "the arguments of {name}");
        let value = |index: usize| match kinds[index] {
            // From the point in time after which a session is active within the duration.
            b'd' => i128::from(arguments[kinds.len() - 1]) - i128::from(arguments[index]),
            _ => i128::from(arguments[index]),
        };
        let arguments: Vec<_> = (0..kinds.len())
            .map(|index| (kinds[index], value(index)))
            .collect();
        let slots = [before, after];
        let of_kind = |which: u8| {
            let all = arguments.iter();
            all.filter(move |(kind, _)| *kind == which)
                .map(|(_, value)| *value)
        };
        let places = slots.iter().flat_map(|slot| {
            let queued = slot.queue.iter().map(|(place, ..)| *place);
            queued.chain([slot.grant])
        });
        let places = places.chain(of_kind(b'p').map(|place| place as u64));
        let drawn = slots.iter().flat_map(|slot| [slot.holder, slot.drawn]);
        let all = places.map(|place| parts(place).0).chain(drawn);
        let mut tickets: BTreeMap<u64, u64> = all.map(|ticket| (ticket, 0)).collect();
        tickets.insert(0, 0);
        let (mut last, mut name_of_last) = (0, 0);
        for (ticket, name) in &mut tickets {
            name_of_last += (ticket - last).min(2);
            (last, *name) = (*ticket, name_of_last);
        }
        let times = slots
            .iter()
            .flat_map(|slot| [slot.since, slot.rested, slot.touched])
            .map(i128::from);
        let times = times.chain(of_kind(b't')).chain(of_kind(b'd'));
        let numbers = slots.iter().map(|slot| slot.number).chain([0]);
        let numbers = numbers.chain(of_kind(b'n').map(|number| number as u64));
        let numbers = numbers.map(|number| number & !UNKNOWN);
        Self {
            slots,
            name,
            times: ranks(times),
            numbers: ranks(numbers),
            tickets,
            arguments,
        }
    }

    fn version(&self, version: u64) -> i128 {
        i128::from(version) - i128::from(self.slots[0].version & !1)
    }

    fn argument(&self, (kind, value): &(u8, i128)) -> String {
        match kind {
            b't' | b'd' => self.times[value].to_string(),
            b'n' if *value as u64 & UNKNOWN != 0 => "-1".to_owned(),
            b'n' => self.numbers[&(*value as u64)].to_string(),
            b'v' => self.version(*value as u64).clamp(-2, 2).to_string(),
            b'p' => {
                let (ticket, lane) = parts(*value as u64);
                format!("{lane} {}", self.tickets[&ticket])
            }
            _ => value.to_string(),
        }
    }

    /// The fields in the order of the machine's, without those that the source does not have.
    fn slot(&self, slot: &Slot) -> String {
        let (grant, lane) = parts(slot.grant);
        let of_lane = |lane: u64| {
            let lanes = slot.queue.iter().map(|(place, ..)| parts(*place).1);
            lanes.filter(|its| *its == lane).count()
        };
        let queue = slot.queue.iter().map(|(place, waker, caller)| {
            let ticket = self.tickets[&parts(*place).0];
            format!("{ticket}:{waker}:{caller}")
        });
        let queue: Vec<_> = queue.collect();
        let sealed = slot.kept == u32::MAX;
        let words: [&dyn ToString; 25] = [
            &self.version(slot.version),
            &slot.open,
            &slot.phase,
            &self.times[&i128::from(slot.since)],
            &slot.waiting,
            &format!(
                "{} {}",
                self.numbers[&(slot.number & !UNKNOWN)],
                slot.number & UNKNOWN != 0
            ),
            &self.tickets[&slot.holder],
            &slot.session,
            &format!("[{}]", queue.join(",")),
            &of_lane(0),
            &of_lane(1),
            &of_lane(2),
            &self.tickets[&grant],
            &if grant == 0 { 0 } else { lane },
            &self.tickets[&slot.holder.max(slot.drawn)],
            &if sealed { 0 } else { slot.kept },
            &sealed,
            &slot.handle,
            &slot.stands,
            &slot.caller,
            &self.times[&i128::from(slot.rested)],
            &self.times[&i128::from(slot.touched)],
            &slot.superseded,
            &slot.departed,
            &format!("{} {}", slot.unwinding, slot.unlisted),
        ];
        words.map(ToString::to_string).join(" ")
    }

    pub(crate) fn line(&self) -> String {
        let arguments = self.arguments.iter();
        let arguments: String = arguments
            .map(|argument| format!(" {}", self.argument(argument)))
            .collect();
        let [before, after] = self.slots.map(|slot| self.slot(slot));
        format!("{}{arguments} | {before} | {after}", self.name)
    }
}

/// Each by its rank.
fn ranks<T: Ord>(all: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let ordered: std::collections::BTreeSet<T> = all.collect();
    let ranked = ordered.into_iter().enumerate();
    ranked.map(|(rank, one)| (one, rank)).collect()
}
