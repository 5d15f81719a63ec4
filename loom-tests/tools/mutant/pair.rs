//! A text to find in a file of the source, and the text that replaces it.

use std::ops::Range;

#[derive(Debug, Default)]
pub(super) struct Pair {
    pub(super) file: String,
    find: Vec<String>,
    put: Vec<String>,
}

impl Pair {
    /// From its `---` on.
    pub(super) fn parse(lines: &[&str]) -> Result<Self, String> {
        let (first, lines) = lines.split_first().ok_or("a pair is empty")?;
        let file = first.trim_start_matches("--- ").trim();
        let mut marks = lines.iter().enumerate().filter(|(_, line)| **line == "+++");
        let (Some((mark, _)), None) = (marks.next(), marks.next()) else {
            return Err(format!("a pair of {file} needs one line `+++`"));
        };
        let (find, put) = (text(&lines[..mark]), text(&lines[mark + 1..]));
        if find.is_empty() {
            return Err(format!("a pair of {file} has nothing to find"));
        }
        if same(&find, &put) {
            return Err(format!(
                "a pair of {file} changes nothing: {}",
                find.join("\n")
            ));
        }
        Ok(Self {
            file: file.to_owned(),
            find,
            put,
        })
    }

    /// The lines of the source that it replaces.
    fn place(&self, source: &[&str]) -> Result<Range<usize>, String> {
        let windows = source.windows(self.find.len()).enumerate();
        let found: Vec<usize> = windows
            .filter(|(_, lines)| same(lines, &self.find))
            .map(|(start, _)| start)
            .collect();
        match found[..] {
            [start] => Ok(start..start + self.find.len()),
            _ => Err(format!(
                "the lines to find occur {} times, not once:\n{}",
                found.len(),
                self.find.join("\n")
            )),
        }
    }
}

/// Equal but for the white space at the ends of lines.
fn same(left: &[impl AsRef<str>], right: &[impl AsRef<str>]) -> bool {
    let trimmed = |line: &str| line.trim().to_owned();
    let left = left.iter().map(|line| trimmed(line.as_ref()));
    left.eq(right.iter().map(|line| trimmed(line.as_ref())))
}

/// Without the blank lines before the first and after the last.
fn text(lines: &[&str]) -> Vec<String> {
    let is_blank = |line: &&str| line.trim().is_empty();
    let start = lines.iter().take_while(|line| is_blank(line)).count();
    let lines = &lines[start..];
    let end = lines.iter().rev().take_while(|line| is_blank(line)).count();
    let lines = &lines[..lines.len() - end];
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The source with these pairs replaced.
pub(super) fn replaced(source: &str, pairs: &[&Pair]) -> Result<String, String> {
    let mut lines: Vec<&str> = source.lines().collect();
    let mut places = Vec::new();
    for pair in pairs {
        places.push((pair.place(&lines)?, pair));
    }
    places.sort_by_key(|(place, _)| place.start);
    for two in places.windows(2) {
        if let [(first, _), (second, pair)] = two {
            if second.start < first.end {
                return Err(format!(
                    "two pairs overlap, one of them finds:\n{}",
                    pair.find.join("\n")
                ));
            }
        }
    }
    // With the indentation of the first line that is replaced.
    let indented = |place: &Range<usize>, pair: &Pair| -> Vec<String> {
        let first = lines[place.start];
        let width = first.len() - first.trim_start().len();
        let put = pair.put.iter();
        put.map(|line| format!("{}{line}", &first[..width]))
            .collect()
    };
    let put: Vec<_> = places
        .iter()
        .map(|(place, pair)| (place.clone(), indented(place, pair)))
        .collect();
    // From the last to the first, so that earlier places stay valid.
    for (place, put) in put.iter().rev() {
        lines.splice(place.clone(), put.iter().map(|line| &**line));
    }
    Ok(lines.join("\n") + "\n")
}
