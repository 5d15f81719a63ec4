//! The name of the function around a place in the source: of the critical section that begins there.
//!
//! Read from the source when a trace is told, so the source that ships needs no names for it. It is formatted, so what
//! encloses a line is the nearest line above that stands further left.

use std::{fs, panic::Location, path::Path};

/// `Type::function`, and what is called on the guard at once, as in `Turn::vacate: begin_close()`.
pub(crate) fn section(place: &Location<'_>) -> String {
    let Some(source) = read(place) else {
        return String::new();
    };
    let lines: Vec<&str> = source.lines().collect();
    let Some(line) = place.line().checked_sub(1) else {
        return String::new();
    };
    let Some((function, around)) = enclosing(&lines, line as usize) else {
        return String::new();
    };
    let mut name = match around {
        Some(owner) => format!("{owner}::{function}"),
        None => function.to_owned(),
    };
    let column = place.column() as usize - 1;
    let here = lines[line as usize].get(column..).unwrap_or_default();
    if let Some(call) = here.strip_prefix("lock().").and_then(identifier) {
        name += &format!(": {call}()");
    }
    name
}

/// What names a model thread that is spawned there: `let cleaner = spawn(..)`, or the function that spawns it.
pub(crate) fn thread(place: &Location<'_>) -> Option<String> {
    let source = read(place)?;
    let lines: Vec<&str> = source.lines().collect();
    let line = (place.line() as usize).checked_sub(1)?;
    let said = lines.get(line)?.trim_start();
    if let Some(name) = said.strip_prefix("let ").and_then(identifier) {
        return Some(name.to_owned());
    }
    let (function, _) = enclosing(&lines, line)?;
    // The model itself spawns it: its name says nothing.
    let is_model = lines[..line]
        .iter()
        .rev()
        .skip_while(|line| !line.contains(&format!("fn {function}")))
        .nth(1)
        .is_some_and(|line| line.trim() == "#[test]");
    (!is_model).then(|| function.to_owned())
}

/// The path is as the compiler was given it: from the root of the project, or from anywhere.
fn read(place: &Location<'_>) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(place.file())).ok()
}

/// The function around a line, and the type whose method it is.
fn enclosing<'a>(lines: &[&'a str], line: usize) -> Option<(&'a str, Option<&'a str>)> {
    let mut function = None;
    let mut left = indent(lines.get(line)?) + 1;
    for above in lines[..=line].iter().rev() {
        if above.trim().is_empty() || indent(above) >= left {
            continue;
        }
        let head = above.trim_start();
        // A signature of several lines: its name stands as far left, above.
        if head.starts_with([')', '{', '}']) || head.starts_with("where") {
            continue;
        }
        left = indent(above);
        match function {
            None => function = after_word(head, "fn").and_then(identifier),
            Some(name) if head.starts_with("impl") => return Some((name, owner(head))),
            Some(_) => {}
        }
    }
    function.map(|name| (name, None))
}

/// The type of `impl<..> Type<..> {` or `impl<..> Trait for Type<..> {`.
fn owner(head: &str) -> Option<&str> {
    let head = head.strip_prefix("impl")?;
    let mut depth = 0;
    let generics = head
        .char_indices()
        .find(|(at, letter)| {
            depth += match letter {
                '<' => 1,
                '>' if !head[..*at].ends_with('-') => -1,
                _ => 0,
            };
            depth == 0
        })
        .map(|(at, letter)| at + letter.len_utf8());
    let head = if head.starts_with('<') {
        &head[generics?..]
    } else {
        head
    };
    let named = head.rsplit_once(" for ").map_or(head, |(_, named)| named);
    identifier(named.trim_start().trim_start_matches('&'))
}

fn after_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let at = text.find(&format!("{word} "))?;
    let before = &text[..at];
    // `pub(crate) async fn`, but no word in the middle of something.
    before
        .split_whitespace()
        .all(|word| word.starts_with("pub") || ["const", "async", "unsafe"].contains(&word))
        .then(|| &text[at + word.len() + 1..])
}

fn identifier(text: &str) -> Option<&str> {
    let end = text
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
