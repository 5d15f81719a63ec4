//! All contenders, round by round, and the table of them.

use super::{
    Contender, LIMIT, Load, Outcome, by_hand::ByHand, crates::*, databases::Databases,
    ours::Turnwise, run,
};
use crate::{
    page::{Evidence, Row, machine, version},
    rounds::Numbers,
};
use moka::policy::EvictionPolicy;
use std::{sync::Arc, time::Duration};

/// How its rows in README.md begin.
pub const SUBJECT: &str = "SQLite";

type Build = Box<dyn Fn(Arc<Databases>) -> Box<dyn Contender>>;

/// One line of the table.
pub struct Line {
    /// What it is, with its version.
    pub name: String,
    build: Build,
    /// Without a busy timeout, and with one.
    pub cells: [Cells; 2],
}

/// The numbers of one contender with one busy timeout.
#[derive(Debug, Default)]
pub struct Cells {
    /// Inserts with an error.
    pub failed: Numbers,
    /// Reported as done, and not in the file.
    pub lost: Numbers,
    /// Open connections of one tenant at once.
    pub of_one: Numbers,
    /// Open connections at once.
    pub in_all: Numbers,
    /// The time, as a ratio to turnwise's of the same round.
    pub ratio: Numbers,
}

/// turnwise is the first.
fn contenders() -> Vec<Line> {
    fn line<C: Contender + 'static>(name: String, new: fn(Arc<Databases>) -> C) -> Line {
        Line {
            name,
            build: Box::new(move |databases| Box::new(new(databases))),
            cells: Default::default(),
        }
    }
    let moka = version("moka");
    vec![
        line("**turnwise**, `SessionManager`".to_owned(), Turnwise::new),
        line(
            "map, `Mutex` and `Condvar`, by hand".to_owned(),
            ByHand::new,
        ),
        line(
            format!("lockable {}, soft limit", version("lockable")),
            Lockable::new,
        ),
        line(
            format!("deadpool {}, a pool for each tenant", version("deadpool")),
            Deadpool::new,
        ),
        line(format!("moka {moka}, TinyLFU"), |databases| {
            Moka::new(databases, EvictionPolicy::tiny_lfu())
        }),
        line(format!("moka {moka}, LRU"), |databases| {
            Moka::new(databases, EvictionPolicy::lru())
        }),
        line(
            format!("moka {moka}, LRU, closed by an eviction listener"),
            MokaListener::new,
        ),
    ]
}

/// Runs all of them, in an order that is reversed from round to round: without a busy timeout, and with this one.
pub fn measure(load: Load, rounds: usize, busy_timeout: Duration) -> Vec<Line> {
    let mut lines = contenders();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..lines.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (which, busy_timeout) in [Duration::ZERO, busy_timeout].into_iter().enumerate() {
            let mut outcomes: Vec<(usize, Outcome)> = order
                .iter()
                .map(|index| {
                    let outcome = run(load, busy_timeout, &lines[*index].build);
                    eprintln!("{}, {busy_timeout:?}: {outcome:?}", lines[*index].name);
                    (*index, outcome)
                })
                .collect();
            outcomes.sort_by_key(|(index, _)| *index);
            let base = outcomes[0].1.took.as_secs_f64();
            for (line, (_, outcome)) in lines.iter_mut().zip(outcomes) {
                line.cells[which].add(&outcome, base);
            }
        }
    }
    lines
}

impl Cells {
    fn add(&mut self, outcome: &Outcome, base: f64) {
        self.failed.add(outcome.failed as f64);
        self.lost.add(outcome.lost as f64);
        self.of_one.add(outcome.of_one as f64);
        self.in_all.add(outcome.in_all as f64);
        self.ratio.add(outcome.took.as_secs_f64() / base);
    }
}

/// All that is published.
pub fn evidence(lines: &[Line], load: Load, rounds: usize, busy_timeout: Duration) -> Evidence {
    // The first of this name.
    let of = |name: &str| {
        let line = lines.iter().find(|line| line.name.contains(name));
        &line.expect("it is a contender").cells
    };
    let open = |name: &str| format!("{} {}: {}", name, version(name), of(name)[1].in_all);
    let [bare, waits] = of("moka");
    let [own_bare, own_waits] = of("turnwise");
    let seconds = busy_timeout.as_secs_f64();
    let failed = Row {
        what: format!(
            "{} inserts for {} tenants, at most {LIMIT} connections open; failed inserts",
            load.inserts, load.tenants
        ),
        with: format!(
            "moka {}: {}; with a busy timeout of {seconds} s: {}",
            version("moka"),
            bare.failed,
            waits.failed
        ),
        turnwise: format!("{}; with it: {}", own_bare.failed, own_waits.failed),
    };
    let most = Row {
        what: "… most connections open at once".to_owned(),
        with: ["lockable", "deadpool", "moka"].map(open).join("; "),
        turnwise: own_waits.in_all.to_string(),
    };
    Evidence {
        name: "sqlite",
        subject: SUBJECT,
        table: text(lines, load, rounds, busy_timeout),
        rows: vec![failed, most],
    }
}

/// The table.
fn text(lines: &[Line], load: Load, rounds: usize, busy_timeout: Duration) -> String {
    let mut text = format!(
        "\n{}; SQLite {}, rusqlite {}. {} tenants, {} threads, {} inserts; at most {LIMIT} connections open. {rounds} rounds: medians, with their range. The last \
         three columns are those with the busy timeout; the time is a ratio.\n\n\
         | | failed inserts | failed, with a busy timeout of {} s | reported as done, not in the file | most open at once, of one tenant | in all | time |\n\
         |---|---:|---:|---:|---:|---:|---:|\n",
        machine(),
        rusqlite::version(),
        version("rusqlite"),
        load.tenants,
        load.threads,
        load.inserts,
        busy_timeout.as_secs_f64(),
    );
    for Line {
        name,
        cells: [bare, waits],
        ..
    } in lines
    {
        let lost = bare.lost.largest().max(waits.lost.largest());
        text += &format!(
            "| {name} | {} | {} | {lost:.0} | {} | {} | {:.2} |\n",
            bare.failed, waits.failed, waits.of_one, waits.in_all, waits.ratio
        );
    }
    text
}
