//! The proofs: each transition keeps the invariant, and each claim follows from it. None is empty: each has an example.

use crate::{
    table::table,
    theory::{Function, Kind, SMALL, Theory},
    z3::{BY_INSTANCES, on_all, z3},
};
use std::time::Instant;

/// What is to be true, and what z3 says.
struct Answer {
    kind: &'static str,
    name: String,
    question: &'static str,
    fault: Option<String>,
    seconds: f64,
}

/// Asks all, and prints the table. True if all is as it must be.
pub(crate) fn prove(theory: &Theory) -> Result<bool, String> {
    let begin = Instant::now();
    let mut questions: Vec<(Option<Kind>, &Function)> = Vec::new();
    questions.extend(theory.transitions().map(|of| (Some(Kind::Transition), of)));
    questions.extend(theory.claims().map(|(kind, of)| (Some(kind), of)));
    questions.extend(theory.quantified().map(|of| (None, of)));
    let count = questions.len();
    let answers = on_all(questions, |(kind, of)| match kind {
        Some(Kind::Transition) => kept(theory, of),
        Some(kind) => follows(theory, kind, of),
        None => written_out(theory, of),
    })?;
    let rows: Vec<_> = answers
        .iter()
        .map(|answer| {
            let result = answer.fault.as_deref().unwrap_or("yes").to_owned();
            let seconds = format!("{:.2}", answer.seconds);
            vec![
                answer.kind.to_owned(),
                answer.name.clone(),
                answer.question.to_owned(),
                result,
                seconds,
            ]
        })
        .collect();
    print!(
        "{}",
        table("of | name | question | result | seconds", &rows)
    );
    let faults = answers
        .iter()
        .filter(|answer| answer.fault.is_some())
        .count();
    println!(
        "{count} questions, {faults} not answered as they must be; {:.1} seconds",
        begin.elapsed().as_secs_f64()
    );
    Ok(faults == 0)
}

/// An invariant state and the transition lead to an invariant state; and there are such, with another state after.
fn kept(theory: &Theory, of: &Function) -> Result<Answer, String> {
    let begin = Instant::now();
    let step = format!(
        "{}(assert (Inv s))\n(assert {})\n",
        of.declared(),
        of.applied()
    );
    let conjuncts: Vec<_> = theory.conjuncts().collect();
    let mut question = format!("{BY_INSTANCES}{}{step}", theory.definitions(None));
    for conjunct in &conjuncts {
        question += &format!(
            "(push)(assert (not ({} t)))(check-sat)(pop)\n",
            conjunct.name
        );
    }
    let answers = z3(&question)?;
    let broken = conjuncts
        .iter()
        .enumerate()
        .filter_map(|(index, conjunct)| {
            let answer = answers.get(index).map_or("no answer", |answer| answer);
            (answer != "unsat").then(|| format!("{}: {answer}", conjunct.name))
        })
        .collect::<Vec<_>>();
    // What changes nothing has no example of a change.
    let changes = match &*of.name {
        "nothing" => "",
        _ => "(assert (not (is t s)))",
    };
    let example = example(
        theory,
        of,
        &format!("(assert (Inv s))(assert {}){changes}", of.applied()),
    )?;
    let fault = match (broken.is_empty(), example) {
        (true, true) => None,
        (true, false) => Some("it can never happen".to_owned()),
        (false, _) => Some(broken.join(", ")),
    };
    Ok(Answer {
        kind: "transition",
        name: of.name.clone(),
        question: "does it keep the invariant?",
        fault,
        seconds: begin.elapsed().as_secs_f64(),
    })
}

/// The claim holds, and its premise is possible.
fn follows(theory: &Theory, kind: Kind, of: &Function) -> Result<Answer, String> {
    let begin = Instant::now();
    let question = format!(
        "{BY_INSTANCES}{}{}(assert (not {}))(check-sat)\n",
        theory.definitions(None),
        of.declared(),
        of.applied()
    );
    let answers = z3(&question)?;
    let answer = answers.first().map_or("no answer", |answer| answer);
    let premise = of.premise().expect("a claim has a premise");
    let fault = match answer {
        "unsat" if example(theory, of, &format!("(assert {})", premise.small(SMALL)))? => None,
        "unsat" => Some("its premise is never true".to_owned()),
        answer => Some(answer.to_owned()),
    };
    Ok(Answer {
        kind: match kind {
            Kind::Progress => "progress",
            _ => "claim",
        },
        name: of.name.clone(),
        question: "does it follow from the invariant?",
        fault,
        seconds: begin.elapsed().as_secs_f64(),
    })
}

/// A function that is written out for short queues says the same of these.
fn written_out(theory: &Theory, of: &Function) -> Result<Answer, String> {
    let begin = Instant::now();
    let slots = of.short(SMALL);
    // `alike` has its length as a number.
    let ints = of.of_type("Int").filter(|name| *name == "n");
    let bounds: String = ints
        .map(|name| format!("(assert (<= {name} {SMALL}))\n"))
        .collect();
    let mut small = of.clone();
    small.body = of.body.small(SMALL);
    // Two queues are the same if they are alike as far as they go.
    let (result, same) = match of.body.list()[0].text() {
        "lambda" => ("Queue", format!("alike {{}} {{}} {SMALL}")),
        _ => ("Bool", "= {} {}".to_owned()),
    };
    let same = same.replacen("{}", &of.applied(), 1);
    let same = same.replacen("{}", &of.applied().replacen(&of.name, "small", 1), 1);
    let arguments: String = of
        .arguments
        .iter()
        .map(|(name, of)| format!("({name} {of})"))
        .collect();
    let question = format!(
        "{BY_INSTANCES}{}(define-fun small ({arguments}) {result} {})\n{}{bounds}{slots}(assert (not ({same})))(check-sat)\n",
        theory.definitions(None),
        small.body,
        of.declared(),
    );
    let answers = z3(&question)?;
    let answer = answers.first().map_or("no answer", |answer| answer);
    Ok(Answer {
        kind: "short queues",
        name: of.name.clone(),
        question: "does it mean the same, written out?",
        fault: (answer != "unsat").then(|| answer.to_owned()),
        seconds: begin.elapsed().as_secs_f64(),
    })
}

/// Whether there is an example with short queues.
fn example(theory: &Theory, of: &Function, asserted: &str) -> Result<bool, String> {
    let question = format!(
        "{}{}{}{asserted}(check-sat)\n",
        theory.definitions(Some(SMALL)),
        of.declared(),
        of.short(SMALL),
    );
    Ok(z3(&question)?.first().is_some_and(|answer| answer == "sat"))
}
