//! Weakens a guard or an update of the machine at a time, and expects a counterexample with short queues.

use crate::{
    mutant::{Mutant, parse},
    sexp::Sexp,
    table::{Row, table},
    theory::{Function, SMALL, Theory},
    z3::{on_all, z3},
};
use std::{fs, path::Path};

/// The fields of a slot that a counterexample shows, if they change or are not those of an idle slot.
const FIELDS: [&str; 31] = [
    "phase",
    "since",
    "session",
    "high",
    "first",
    "normal",
    "grant",
    "lane",
    "holder",
    "last",
    "number",
    "unknown",
    "waiting",
    "version",
    "open",
    "kept",
    "sealed",
    "handle",
    "stands",
    "caller",
    "rested",
    "touched",
    "superseded",
    "departed",
    "turns",
    "vacancies",
    "closings",
    "keepers",
    "born",
    "gone",
    "unlisted",
];

/// Weakens each, and prints a table; with `filter`, those with this in their name, with their counterexamples.
pub(crate) fn weaken(root: &Path, filter: Option<&str>) -> Result<bool, String> {
    let file = root.join("machine/weakened.txt");
    let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut all = parse("machine", "weakened", &text)?;
    all.retain(|mutant| mutant.name.contains(filter.unwrap_or_default()));
    let found = on_all(all.iter().collect(), |mutant| found(root, mutant))?;
    let mut rows = Vec::new();
    let mut missed = 0;
    for (mutant, found) in all.iter().zip(found) {
        let result = match found {
            Some((breaks, shown)) if mutant.expect.iter().all(|expect| breaks.contains(expect)) => {
                if filter.is_some() {
                    println!("{}: {}\n{shown}", mutant.name, mutant.why);
                }
                breaks.join(", ")
            }
            Some((breaks, _)) => {
                missed += 1;
                format!("NOT AS EXPECTED: {}", breaks.join(", "))
            }
            None => {
                missed += 1;
                "NO COUNTEREXAMPLE".to_owned()
            }
        };
        let name = mutant.name.trim_start_matches("weakened_").to_owned();
        rows.push(vec![
            mutant.claim.clone(),
            name,
            mutant.why.clone(),
            mutant.model.clone(),
            result,
        ]);
    }
    print!(
        "{}",
        table("claim | weakened | why | asked | broken", &rows)
    );
    println!(
        "{} weakened, {missed} without the counterexample that is expected",
        rows.len()
    );
    Ok(missed == 0)
}

/// What breaks, and the states that show it.
fn found(root: &Path, mutant: &Mutant) -> Result<Option<(Vec<String>, String)>, String> {
    let theory = Theory::read(root, &mutant.broken(root)?)?;
    let transition = theory.transitions().find(|of| of.name == mutant.model);
    let claim = || {
        theory
            .claims()
            .map(|(_, of)| of)
            .find(|of| of.name == mutant.model)
    };
    let of = transition
        .or_else(claim)
        .ok_or(format!("{}: there is no {}", mutant.name, mutant.model))?;
    let broken = match transition {
        Some(_) => format!(
            "(assert (Inv s))(assert {})(assert (not (Inv t)))",
            of.applied()
        ),
        None => format!("(assert (not {}))", of.applied()),
    };
    let conjuncts: Vec<&Function> = theory.conjuncts().collect();
    let asked: String = conjuncts
        .iter()
        .map(|conjunct| format!("({} t)", conjunct.name))
        .collect();
    let slots: Vec<&str> = of.of_type("Slot").collect();
    let fields: String = slots
        .iter()
        .flat_map(|slot| FIELDS.iter().map(move |field| format!("({field} {slot})")))
        .collect();
    let tickets: String = slots
        .iter()
        .flat_map(|slot| {
            (0..SMALL).map(move |index| format!("(ticket (select (queue {slot}) {index}))"))
        })
        .collect();
    let asked_t = if transition.is_some() {
        format!("(get-value ({asked}))")
    } else {
        String::new()
    };
    let answer = z3(&format!(
        "{}{}{}{broken}(check-sat)(get-value ({fields}))(get-value ({tickets})){asked_t}\n",
        theory.definitions(Some(SMALL)),
        of.declared(),
        of.short(SMALL),
    ));
    let lines = match answer {
        Ok(lines) => lines,
        // Without an example there are no values.
        Err(words) if words.contains("model is not available") => return Ok(None),
        Err(words) => return Err(format!("{}: {words}", mutant.name)),
    };
    if lines.first().is_none_or(|line| line != "sat") {
        return Ok(None);
    }
    let values = Sexp::parse(&lines[1..].join("\n"))?;
    let value = |list: usize, index: usize| {
        let pair = values[list].list()[index].list();
        pair[1].to_string().replace("(- ", "-").replace(')', "")
    };
    let breaks = match transition {
        None => vec![of.name.clone()],
        Some(_) => {
            let broken = conjuncts
                .iter()
                .enumerate()
                .filter(|(index, _)| value(2, *index) == "false");
            broken.map(|(_, conjunct)| conjunct.name.clone()).collect()
        }
    };
    let mut rows: Vec<Row> = Vec::new();
    for (index, field) in FIELDS.iter().enumerate() {
        let of_slots = (0..slots.len()).map(|slot| value(0, slot * FIELDS.len() + index));
        let row: Row = [(*field).to_owned()].into_iter().chain(of_slots).collect();
        let rests = row[1..]
            .iter()
            .all(|value| ["0", "false"].contains(&&**value));
        let same = row[1..].iter().all(|value| *value == row[1]);
        if *field == "phase" || !(rests || same) {
            rows.push(row);
        }
    }
    let queue = |slot: usize| {
        let of_lane = |name: &str| {
            let index = FIELDS
                .iter()
                .position(|field| *field == name)
                .expect("it is one");
            value(0, slot * FIELDS.len() + index)
                .parse::<usize>()
                .unwrap_or(0)
        };
        let length = of_lane("high") + of_lane("first") + of_lane("normal");
        let tickets: Vec<_> = (0..length.min(SMALL))
            .map(|index| value(1, slot * SMALL + index))
            .collect();
        tickets.join(" ")
    };
    rows.push(
        ["queue".to_owned()]
            .into_iter()
            .chain((0..slots.len()).map(queue))
            .collect(),
    );
    let head = ["field"].iter().chain(&slots).map(|name| match *name {
        "s" => "before",
        "t" => "after",
        name => name,
    });
    Ok(Some((
        breaks,
        table(&head.collect::<Vec<_>>().join(" | "), &rows),
    )))
}
