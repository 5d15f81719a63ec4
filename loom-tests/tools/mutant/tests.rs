//! The format of the mutants: what it allows and refuses.

use super::*;

const SOURCE: &str = "fn f() {\n    a();\n    b();\n\n    a();\n    c();\n}\n";

/// A mutant with these pairs, in the source.
fn with(pairs: &str) -> Result<String, String> {
    let text = format!("=== c06_x\nclaim: C6\nmodel: m\nexpect: e\nwhy: w\n{pairs}");
    let mutants = parse("loom-tests", "c06", &text)?;
    let pairs: Vec<&Pair> = mutants[0].pairs.iter().collect();
    replaced(SOURCE, &pairs)
}

fn refused(pairs: &str, words: &str) {
    let end = with(pairs);
    assert!(
        end.as_ref().is_err_and(|error| error.contains(words)),
        "{words:?} is expected: {end:?}"
    );
}

#[test]
fn lines_found_once_are_replaced() {
    let taken_out = "fn f() {\n    a();\n    a();\n    c();\n}\n";
    assert_eq!(
        with("--- f\nb();\n\na();\n+++\n\na();\n\n"),
        Ok(taken_out.to_owned())
    );
    let two = "fn f() {\n    if x {\n        b();\n    }\n\n    a();\n}\n";
    let pairs = "--- f\n\n  a();\n  b();\n\n+++\nif x {\n    b();\n}\n--- f\nc();\n+++\n\n";
    assert_eq!(with(pairs), Ok(two.to_owned()));
}

#[test]
fn lines_are_moved_by_two_pairs() {
    let moved = "fn f() {\n    a();\n\n    a();\n    c();\n    b();\n}\n";
    let pairs = "--- f\nb();\n+++\n--- f\nc();\n+++\nc();\nb();\n";
    assert_eq!(with(pairs), Ok(moved.to_owned()));
}

#[test]
fn lines_found_twice_or_never_are_refused() {
    refused("--- f\na();\n+++\nb();\n", "occur 2 times, not once:\na();");
    refused("--- f\nd();\n+++\nb();\n", "occur 0 times, not once:\nd();");
    // The blank line between them counts.
    refused("--- f\nb();\na();\n+++\nb();\n", "0 times");
    refused("--- f\na\n+++\nb();\n", "0 times");
}

#[test]
fn pairs_that_overlap_or_change_nothing_are_refused() {
    refused(
        "--- f\na();\nb();\n+++\n--- f\nb();\n+++\n",
        "two pairs overlap",
    );
    refused("--- f\n  b();\n+++\nb();\n", "changes nothing");
    refused("--- f\n\n+++\nb();\n", "nothing to find");
    refused("--- f\nb();\n", "needs one line `+++`");
    refused("", "it has no pair");
}

#[test]
fn headers_are_read_strictly() {
    let header = "claim: C6\nmodel: m\nexpect: e\nwhy: w\n";
    let of = |name: &str, header: &str| {
        let text = format!("# a comment\n\n=== {name}\n{header}--- f\na\n+++\n");
        parse("loom-tests", "c06", &text).map(|mutants| mutants.len())
    };
    assert_eq!(of("c06_x", header), Ok(1));
    assert!(of("c07_x", header).is_err_and(|words| words.contains("begin with c06_")));
    for wrong in [
        "claim: C7\n",
        "survive: x\n",
        "expect:\n",
        "survives: a\nsurvives: b\n",
    ] {
        assert!(of("c06_x", &format!("{header}{wrong}")).is_err(), "{wrong}");
    }
    for (index, line) in header.lines().enumerate() {
        let rest = header.lines().enumerate().filter(|(of, _)| *of != index);
        let rest: String = rest.map(|(_, line)| format!("{line}\n")).collect();
        assert!(of("c06_x", &rest).is_err(), "without {line}");
    }
}

#[test]
fn every_mutant_is_found_in_the_source_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mutants = mutants(&root).expect("the mutants are read");
    let faults: Vec<String> = mutants
        .iter()
        .filter_map(|mutant| mutant.broken(&root).err())
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(mutants.len() > 100, "only {} mutants", mutants.len());
}
