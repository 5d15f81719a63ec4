//! The documents: what docs/why.md quotes of the source, and where links and pictures lead, in the repository and in the packaged
//! documentation.

use crate::files::named;
use std::{
    fs,
    path::{Path, PathBuf},
};

#[test]
fn the_quoted_line_stands_in_the_source() {
    let page = read("docs/why.md");
    let (file, line) = quoted(&page);
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

#[test]
fn links_and_pictures_of_the_repository_are_there() {
    let mut pages = named("README.md");
    assert!(pages.len() > 12, "every crate and every example has one");
    let others = [
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "PROOFS.md",
        "docs/cluster.md",
        "docs/machine.md",
        "docs/scaling.md",
        "docs/speed.md",
        "docs/why.md",
    ];
    pages.extend(others.map(path));
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page is text");
        let folder = page.parent().expect("a page lies in a folder");
        for target in relative_targets(&text) {
            let (page, file) = (page.display(), folder.join(&target));
            assert!(file.exists(), "{page}: no file {target}");
        }
    }
}

/// README.md and two pages of docs/ are pages of the documentation too, where a relative link is broken. So such a link has a name,
/// and the documentation defines the name first.
#[test]
fn the_documentation_leads_these_links_elsewhere() {
    for (page, by) in [
        ("README.md", "src/lib.rs"),
        ("docs/speed.md", "src/guide/mod.rs"),
        ("docs/why.md", "src/guide/mod.rs"),
    ] {
        let (text, by_text) = (read(page), read(by));
        for target in relative_targets(&text) {
            let name = text.lines().find_map(|line| {
                line.strip_suffix(&format!("]: {target}"))
                    .filter(|name| name.starts_with('['))
            });
            let name = name.unwrap_or_else(|| panic!("{page}: the link to {target} has no name"));
            assert!(
                by_text.contains(&format!("{name}]: ")),
                "{by} leads {name}] of {page} nowhere"
            );
        }
    }
}

#[test]
fn the_picture_in_the_documentation_is_that_of_the_readme() {
    let picture = fs::read(path("examples/chatd/page.png")).expect("there is a picture");
    assert!(
        base64(&picture) == read("docs/page.base64"),
        "`just picture` writes docs/page.base64"
    );
}

/// The file and the line, out of the paragraph that begins with `The line that prevents it`.
fn quoted(page: &str) -> (&str, &str) {
    let (_, told) = page
        .split_once("The line that prevents it")
        .expect("the page names the line");
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

/// Targets of links and pictures, inline or defined on a line, that are files.
fn relative_targets(text: &str) -> Vec<String> {
    let mut code = false;
    let prose = text.lines().filter(|line| {
        code ^= line.starts_with("```");
        !code
    });
    let target = |rest: &str, end: &[char]| {
        let target = rest.split(end).next().unwrap_or_default();
        let target = target.split('#').next().unwrap_or_default();
        let is_file = !target.is_empty() && !target.contains(':');
        is_file.then(|| target.to_owned())
    };
    let of_line = |line: &str| {
        let defined = line
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        let inline = line.split("](").skip(1);
        defined
            .and_then(|(_, rest)| target(rest, &[' ']))
            .into_iter()
            .chain(inline.filter_map(|rest| target(rest, &[')', ' '])))
            .collect::<Vec<_>>()
    };
    prose.flat_map(of_line).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| {
            (bits << 8) | usize::from(three.get(at).copied().unwrap_or(0))
        });
        for at in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * at)) & 63]);
            text.push(if at > three.len() { '=' } else { letter });
        }
    }
    text
}

fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)
}

fn read(file: &str) -> String {
    let path = path(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
