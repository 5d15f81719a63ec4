//! Lines from standard input, each of a bounded length.

use crate::limits;
use std::io::{self, BufRead, IsTerminal, Read};
use tokio::sync::mpsc;

#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    Text(String),
    /// Longer than a line may be, or not UTF-8: why it is left out.
    Bad(&'static str),
    /// There are no more; at a terminal, a person said so.
    End {
        person: bool,
    },
}

/// Reads in a thread of its own, which nobody waits for: it may wait for a line that never comes.
///
/// # Errors
///
/// If there is no thread for it.
pub(crate) fn lines() -> io::Result<mpsc::Receiver<Line>> {
    let (sender, lines) = mpsc::channel(16);
    let reads = move || {
        let mut stdin = stdin();
        while let Ok(Some(line)) = read(&mut stdin) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
        // A terminal that is gone is none any more.
        let person = io::stdin().is_terminal();
        drop(sender.blocking_send(Line::End { person }));
    };
    std::thread::Builder::new()
        .name("input".to_owned())
        .spawn(reads)?;
    Ok(lines)
}

#[cfg(unix)]
fn stdin() -> impl BufRead {
    io::BufReader::new(crate::foreground::Standard(io::stdin()))
}

#[cfg(not(unix))]
fn stdin() -> impl BufRead {
    io::stdin().lock()
}

/// The next line, or `None` at the end.
fn read(from: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut line = Vec::new();
    let most = limits::LINE + 1;
    from.by_ref()
        .take(most as u64)
        .read_until(b'\n', &mut line)?;
    let whole = chop(&mut line, b'\n');
    if line.is_empty() && !whole {
        return Ok(None);
    }
    if !whole && line.len() == most {
        skip_line(from)?;
        return Ok(Some(Line::Bad("the line has more than 65536 bytes")));
    }
    chop(&mut line, b'\r');
    let text = String::from_utf8(line);
    Ok(Some(
        text.map_or(Line::Bad("the line is not UTF-8"), Line::Text),
    ))
}

fn chop(line: &mut Vec<u8>, end: u8) -> bool {
    let ends = line.last() == Some(&end);
    if ends {
        line.pop();
    }
    ends
}

fn skip_line(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = from.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (read, over) = match end {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        from.consume(read);
        if over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_bound() {
        let long = "x".repeat(limits::LINE);
        let input = format!("one\r\n\n{long}\n{long}y\n{long}{long}{long}\nlast");
        let mut input = io::BufReader::with_capacity(7, input.as_bytes());
        let mut next = || read(&mut input).expect("memory can be read");
        assert_eq!(next(), Some(Line::Text("one".to_owned())));
        assert_eq!(next(), Some(Line::Text(String::new())));
        assert_eq!(next(), Some(Line::Text(long)));
        assert!(matches!(next(), Some(Line::Bad(_))));
        assert!(matches!(next(), Some(Line::Bad(_))));
        assert_eq!(next(), Some(Line::Text("last".to_owned())));
        assert_eq!(next(), None);
    }

    #[test]
    fn what_is_not_text_is_left_out() {
        let mut input: &[u8] = b"\xff\nnext\n";
        assert!(matches!(read(&mut input), Ok(Some(Line::Bad(_)))));
        assert_eq!(
            read(&mut input).ok().flatten(),
            Some(Line::Text("next".to_owned()))
        );
    }
}
