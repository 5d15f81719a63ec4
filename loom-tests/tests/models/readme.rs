//! What the README quotes of the source: the line that prevents the schedule it tells of, and the mutant that takes it out.

use std::{fs, path::Path};

#[test]
fn the_quoted_line_stands_in_the_source() {
    let readme = read("README.md");
    let (file, line) = quoted(&readme);
    let stands = read(file).lines().filter(|of| of.trim() == line).count();
    assert_eq!(stands, 1, "{file} has this line once: {line}");
    let mutants = read("loom-tests/mutants/c06.txt");
    let (_, mutant) = mutants
        .split_once("=== c06_identity_by_key\n")
        .expect("there is a mutant of the schedule");
    let (_, pair) = mutant.split_once("\n--- ").expect("it has a pair");
    let (taken_out, _) = pair.split_once("\n+++").expect("it ends the lines to find");
    assert!(
        taken_out.lines().skip(1).any(|of| of.trim() == line),
        "the mutant of the schedule takes out other lines:\n{taken_out}"
    );
}

/// The file and the line, out of the paragraph that begins with `The line that prevents it`.
fn quoted(readme: &str) -> (&str, &str) {
    let (_, told) = readme
        .split_once("The line that prevents it")
        .expect("the README tells which line it is");
    let (before, quote) = told
        .split_once("```text\n")
        .expect("and quotes it in a block");
    let file = before
        .split('`')
        .find(|word| word.ends_with(".rs"))
        .expect("with the file in which it stands");
    let line = quote.lines().next().expect("a block has a line");
    (file, line.trim())
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
