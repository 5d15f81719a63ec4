//! The paths that a source names, read as text: comments and what stands in quotes are no code, `use` trees are written out.

/// The paths of a source, those of `use` trees written out, each with its line.
pub(crate) fn paths(source: &str) -> Vec<(usize, String)> {
    let code = code_of(source);
    let mut found = Vec::new();
    let mut rest = code.as_str();
    let mut line = 1;
    while !rest.is_empty() {
        let head = rest.chars().next().expect("it is not empty");
        let token = word_at(rest);
        let length = if token == "use" {
            let end = rest.find(';').unwrap_or(rest.len());
            let mut named = Vec::new();
            write_out("", &rest[token.len()..end], &mut named);
            found.extend(named.into_iter().map(|named| (line, named.path)));
            end
        } else if token == "static" && rest[token.len()..].trim_start().starts_with("mut ") {
            found.push((line, "static mut".to_owned()));
            token.len()
        } else if !token.is_empty() {
            let path = path_at(rest);
            let called = rest[path.len()..].starts_with('!');
            found.push((
                line,
                if called {
                    format!("{path}!")
                } else {
                    path.to_owned()
                },
            ));
            path.len()
        } else {
            head.len_utf8()
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// What a `use` brings: a name, and the path that it stands for.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) path: String,
}

/// The names that the `use` trees of a source bring.
pub(crate) fn uses(source: &str) -> Vec<Named> {
    let code = code_of(source);
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(head) = rest.chars().next() {
        let word = word_at(rest);
        let length = if word == "use" {
            let end = rest.find(';').unwrap_or(rest.len());
            write_out("", &rest[word.len()..end], &mut found);
            end
        } else {
            word.len().max(head.len_utf8())
        };
        rest = &rest[length..];
    }
    found
}

/// One tree of a `use`: `a::{b, c as d}` is `a::b`, and `a::c` by the name of `d`. A module that is imported whole stands
/// for all that is in it; of one without a name, `super::*`, the star stays.
fn write_out(before: &str, tree: &str, into: &mut Vec<Named>) {
    let tree = tree.trim();
    let Some(brace) = tree.find('{') else {
        let mut words = tree.split_whitespace();
        let Some(last) = words.next() else {
            return;
        };
        let path = format!("{before}{last}");
        let whole = path.trim_end_matches("::*").trim_end_matches("::self");
        let path = match whole {
            "crate" | "super" | "self" => path.as_str(),
            whole => whole,
        };
        let own = path.rsplit("::").next().unwrap_or(path);
        let name = words.nth(1).unwrap_or(own); // the word after `as`
        into.push(Named {
            name: name.to_owned(),
            path: path.to_owned(),
        });
        return;
    };
    let inside = tree[brace + 1..].trim_end().trim_end_matches('}');
    // `trim_end_matches` takes the braces of inner trees too: put back what is missing.
    let missing = inside.matches('{').count() - inside.matches('}').count();
    let inside = inside.to_owned() + &"}".repeat(missing);
    let before = format!("{before}{}", tree[..brace].trim());
    let mut depth = 0;
    let mut begin = 0;
    for (at, letter) in inside.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                write_out(&before, &inside[begin..at], into);
                begin = at + 1;
            }
            _ => {}
        }
    }
    write_out(&before, &inside[begin..], into);
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn word_at(code: &str) -> &str {
    &code[..code.find(|letter| !is_word(letter)).unwrap_or(code.len())]
}

fn path_at(code: &str) -> &str {
    let mut length = word_at(code).len();
    while let Some(rest) = code[length..].strip_prefix("::") {
        let word = word_at(rest);
        if word.is_empty() {
            break;
        }
        length += 2 + word.len();
    }
    &code[..length]
}

pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter| !is_word(letter))
}

/// The code of a source: comments and what stands in quotes replaced by blanks, lines kept.
pub(crate) fn code_of(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(head) = rest.chars().next() {
        let length = aside(rest);
        if length == 0 {
            // A word is taken whole: the `r` of `for"` is no raw string's.
            let length = word_at(rest).len().max(head.len_utf8());
            code.push_str(&rest[..length]);
            rest = &rest[length..];
        } else {
            code.push(' ');
            code.extend(rest[..length].chars().filter(|letter| *letter == '\n'));
            rest = &rest[length..];
        }
    }
    code
}

/// How long the comment or literal is that begins here; 0 if there is none.
fn aside(rest: &str) -> usize {
    let upto = |end: Option<usize>| end.unwrap_or(rest.len());
    if rest.starts_with("//") {
        return upto(rest.find('\n'));
    }
    if rest.starts_with("/*") {
        let mut depth = 0;
        let mut at = 0;
        while at < rest.len() {
            if rest[at..].starts_with("/*") {
                depth += 1;
                at += 2;
            } else if rest[at..].starts_with("*/") {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            } else {
                at += rest[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        return rest.len();
    }
    let raw = rest.strip_prefix('b').unwrap_or(rest);
    if let Some(raw) = raw.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw[hashes..].starts_with('"') {
            let begin = rest.len() - raw.len() + hashes + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            return upto(rest[begin..].find(&end).map(|at| begin + at + end.len()));
        }
    }
    if rest.starts_with('"') {
        return quoted(rest, '"').unwrap_or(rest.len());
    }
    // A letter in quotes, or a lifetime: a lifetime has no quote after its first letter.
    let mut letters = rest.chars();
    if letters.next() == Some('\'') {
        let escaped = letters.next() == Some('\\');
        if escaped || letters.next() == Some('\'') {
            return quoted(rest, '\'').unwrap_or(rest.len());
        }
    }
    0
}

/// How long the literal is, with both quotes.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return Some(at + letter.len_utf8()),
            _ => {}
        }
    }
    None
}
