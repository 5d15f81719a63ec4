//! Judges what the source has recorded, by the same relations that the proofs are about.
//!
//! A record is a slot, a call, and the slot after it. The slot before must be one of which the invariant holds, and the
//! relation of the call must allow the slot after. All is known, so z3 need only calculate.

use crate::{
    table::table,
    theory::Theory,
    z3::{on_all, z3},
};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

/// Longer queues are not judged.
const MOST: usize = 12;
/// How many records one process of z3 gets.
const AT_ONCE: usize = 400;
/// How many bad records are printed.
const SHOWN: usize = 5;

/// What was recorded of one transition.
#[derive(Default)]
struct Row {
    calls: u64,
    distinct: usize,
    bad: usize,
    long: usize,
}

/// The words of one slot in a record.
struct Seen<'a> {
    words: Vec<&'a str>,
}

/// What is wrong with the records of a folder, and how many there are of each transition.
pub(crate) struct Verdict {
    pub(crate) bad: Vec<String>,
    rows: Vec<(String, Row)>,
}

/// Judges the records of this folder, and prints a table. True if all are allowed, and no transition is missing.
pub(crate) fn judge(root: &Path, folder: &Path) -> Result<bool, String> {
    let verdict = look(root, folder)?;
    let rows: Vec<_> = verdict
        .rows
        .iter()
        .map(|(name, row)| {
            let cells = [
                row.calls.to_string(),
                row.distinct.to_string(),
                row.long.to_string(),
                row.bad.to_string(),
            ];
            [name.clone()].into_iter().chain(cells).collect()
        })
        .collect();
    print!(
        "{}",
        table(
            "recorded | calls, at least | distinct | too long a queue | not allowed",
            &rows
        )
    );
    for bad in verdict.bad.iter().take(SHOWN) {
        println!("\n{bad}");
    }
    let missing = verdict
        .rows
        .iter()
        .filter(|(name, row)| row.distinct == 0 && name != "nothing");
    let missing: Vec<&str> = missing.map(|(name, _)| &**name).collect();
    if !missing.is_empty() {
        println!("never recorded: {}", missing.join(", "));
    }
    println!("{} records are not allowed", verdict.bad.len());
    Ok(verdict.bad.is_empty() && missing.is_empty())
}

pub(crate) fn look(root: &Path, folder: &Path) -> Result<Verdict, String> {
    let theory = Theory::read(root, &[])?.without_ghosts()?;
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let names: Vec<String> = theory.transitions().map(|of| of.name.clone()).collect();
    let mut records: HashMap<String, String> = HashMap::new();
    let told = |error| format!("{}: {error}", folder.display());
    for file in fs::read_dir(folder).map_err(told)? {
        let text = fs::read_to_string(file.map_err(told)?.path()).map_err(told)?;
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for line in text.lines() {
            match line.split_once(" | ") {
                None => {
                    let (name, count) = line.split_once(' ').unwrap_or((line, "0"));
                    counts.insert(name, count.parse().unwrap_or(0));
                }
                Some(_) => {
                    let mut parts = line.rsplitn(3, " | ");
                    let (test, place) = (
                        parts.next().unwrap_or_default(),
                        parts.next().unwrap_or_default(),
                    );
                    let record = parts.next().unwrap_or_default().to_owned();
                    records
                        .entry(record)
                        .or_insert(format!("{place}, in {test}"));
                }
            }
        }
        for (name, count) in counts {
            rows.entry(name.to_owned()).or_default().calls += count;
        }
    }
    let mut asked = Vec::new();
    for (record, place) in records {
        let name = record
            .split([' ', '|'])
            .next()
            .unwrap_or_default()
            .to_owned();
        let row = rows.entry(name.clone()).or_default();
        row.distinct += 1;
        let known = names.contains(&name);
        match question(&record)? {
            Some(question) if known => asked.push((name, record, place, question)),
            Some(_) => return Err(format!("there is no relation for {name}: {place}")),
            None => row.long += 1,
        }
    }
    asked.sort_by(|left, right| left.1.cmp(&right.1));
    let definitions = theory.definitions(Some(MOST));
    let chunks: Vec<_> = asked.chunks(AT_ONCE).collect();
    let answers = on_all(chunks, |chunk| {
        let questions = chunk.iter().map(|(.., question)| &**question);
        let answers = z3(&format!("{definitions}{}", questions.collect::<String>()))?;
        match answers.len() == 2 * chunk.len() {
            true => Ok(answers),
            false => Err(format!(
                "z3 has {} answers to {} records: {:?}",
                answers.len(),
                chunk.len(),
                answers.last()
            )),
        }
    })?;
    let mut bad = Vec::new();
    for ((name, record, place, _), answers) in asked.iter().zip(answers.concat().chunks(2)) {
        if answers == ["true", "true"] {
            continue;
        }
        rows.entry(name.clone()).or_default().bad += 1;
        let why = match (&*answers[0], &*answers[1]) {
            ("false", _) => "the invariant does not hold before".to_owned(),
            (_, "false") => "the relation does not allow it".to_owned(),
            _ => format!("z3 does not calculate it: {answers:?}"),
        };
        bad.push(format!("{name} at {place}: {why}\n{}", shown(record)));
    }
    for name in names {
        rows.entry(name).or_default();
    }
    Ok(Verdict {
        bad,
        rows: rows.into_iter().collect(),
    })
}

/// Whether the invariant holds before, and whether the relation allows what is after. `None` if a queue is too long.
fn question(record: &str) -> Result<Option<String>, String> {
    let parts: Vec<&str> = record.split(" | ").collect();
    let [call, before, after] = parts[..] else {
        return Err(format!("not a record: {record}"));
    };
    let (before, after) = (Seen::of(before)?, Seen::of(after)?);
    if before.queue().len() > MOST || after.queue().len() > MOST {
        return Ok(None);
    }
    let mut words = call.split(' ');
    let name = words.next().unwrap_or_default();
    let mut arguments: Vec<String> = words.map(str::to_owned).collect();
    // A slot decides by the position of a place; and what an arrival brings is seen in the slot after it.
    match name {
        "look" | "leave" | "watch" | "unwatch" => {
            let position = before.position(&arguments[0], &arguments[1]);
            arguments.push(position);
        }
        "enter" => {
            // One more than it is, or 0 for a call that does not wait.
            let limit = arguments[1].parse::<i64>().unwrap_or(0) - 1;
            let brings = match before.word("phase") {
                "Idle" => after.word("caller") == "true",
                _ => after.has_newcomer(&before),
            };
            arguments = vec![
                arguments[0].clone(),
                limit.to_string(),
                brings.to_string(),
                arguments[2].clone(),
            ];
        }
        "unlock" => arguments.push((before.word("stands") != after.word("stands")).to_string()),
        "look_at" => arguments.push(after.word("unlisted").to_owned()),
        _ => {}
    }
    // What is a flag is recorded as a number.
    let flag = match name {
        "join" => Some(1),
        "look" => Some(2),
        "claim" => Some(1),
        _ => None,
    };
    if let Some(flag) = flag {
        arguments[flag] = (arguments[flag] == "1").to_string();
    }
    let arguments: String = arguments
        .iter()
        .map(|argument| format!(" {}", number(argument)))
        .collect();
    let (before, after) = (before.slot(), after.slot());
    Ok(Some(format!(
        "(simplify (Inv {before}))\n(simplify ({name} {before} {after}{arguments}))\n"
    )))
}

/// A negative number as SMT-LIB has it.
fn number(word: &str) -> String {
    word.strip_prefix('-')
        .map_or(word.to_owned(), |number| format!("(- {number})"))
}

/// In the order of a record.
const WORDS: [&str; 27] = [
    "version",
    "open",
    "phase",
    "since",
    "waiting",
    "number",
    "unknown",
    "holder",
    "session",
    "queue",
    "high",
    "first",
    "normal",
    "grant",
    "lane",
    "last",
    "kept",
    "sealed",
    "handle",
    "stands",
    "caller",
    "rested",
    "touched",
    "superseded",
    "departed",
    "unwinding",
    "unlisted",
];

impl<'a> Seen<'a> {
    fn of(text: &'a str) -> Result<Self, String> {
        let words: Vec<&str> = text.split(' ').collect();
        match words.len() == WORDS.len() {
            true => Ok(Self { words }),
            false => Err(format!("not a slot: {text}")),
        }
    }

    fn word(&self, name: &str) -> &'a str {
        let index = WORDS.iter().position(|word| *word == name);
        self.words[index.expect("it is a word of a record")]
    }

    /// Tickets, wakers and handles.
    fn queue(&self) -> Vec<[&'a str; 3]> {
        let queue = self.word("queue").trim_matches(['[', ']']);
        let parts = |waiter: &'a str| {
            let mut parts = waiter.split(':');
            [(); 3].map(|()| parts.next().unwrap_or_default())
        };
        queue
            .split(',')
            .filter(|waiter| !waiter.is_empty())
            .map(parts)
            .collect()
    }

    fn lane(&self, index: usize) -> &'static str {
        let of = |name| self.word(name).parse::<usize>().unwrap_or(0);
        match index {
            index if index < of("high") => "0",
            index if index < of("high") + of("first") => "1",
            _ => "2",
        }
    }

    fn position(&self, lane: &str, ticket: &str) -> String {
        let queue = self.queue();
        let mut places = queue.iter().enumerate();
        let found = places.find(|(index, waiter)| self.lane(*index) == lane && waiter[0] == ticket);
        found.map_or("-1".to_owned(), |(index, _)| index.to_string())
    }

    /// Whether the call that is not in the queue before has a handle.
    fn has_newcomer(&self, before: &Self) -> bool {
        let (before, after) = (before.queue(), self.queue());
        let new = after
            .iter()
            .find(|waiter| before.iter().all(|other| other[0] != waiter[0]));
        new.is_some_and(|waiter| waiter[2] == "true")
    }

    /// As the machine has it. What the source does not have follows from the invariant.
    fn slot(&self) -> String {
        let queue = self.queue();
        let array = queue
            .iter()
            .enumerate()
            .fold("nobody".to_owned(), |array, (index, waiter)| {
                format!("(store {array} {index} (waiter {}))", waiter.join(" "))
            });
        let is = |name, value| self.word(name) == value;
        let held = is("departed", "false") && is("grant", "0");
        let out = |phase| usize::from(held && is("phase", phase));
        let inside = usize::from(is("session", "true"));
        let (turns, vacancies, closings) = (out("Busy"), out("Starting"), out("Closing"));
        let mut words: Vec<String> = self.words.iter().map(|word| number(word)).collect();
        words[WORDS.iter().position(|word| *word == "queue").unwrap_or(0)] = array;
        format!(
            "(slot {} {turns} {vacancies} {closings} {} {} 0 (store ((as const (Array Int Int)) 0) {} {}))",
            words.join(" "),
            self.word("kept"),
            inside + turns + closings,
            self.word("lane"),
            self.word("grant"),
        )
    }
}

/// The fields that a call has changed, and those that say where it was.
fn shown(record: &str) -> String {
    let parts: Vec<&str> = record.split(" | ").collect();
    let [call, before, after] = parts[..] else {
        return record.to_owned();
    };
    let (before, after): (Vec<&str>, Vec<&str>) =
        (before.split(' ').collect(), after.split(' ').collect());
    let rows: Vec<_> = WORDS
        .iter()
        .zip(before.iter().zip(&after))
        .filter(|(word, (before, after))| {
            before != after || ["phase", "queue", "grant", "holder", "last"].contains(word)
        })
        .map(|(word, (before, after))| {
            vec![
                (*word).to_owned(),
                (*before).to_owned(),
                (*after).to_owned(),
            ]
        })
        .collect();
    format!("{call}\n{}", table("field | before | after", &rows))
}
