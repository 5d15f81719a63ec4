//! Both servers, round by round, and the table of them.

use super::scenarios::{CALLERS, Count, LIMIT, Results, Size, round};
use crate::page::{Evidence, Row, machine, version};
use std::{io, path::Path};
use tokio::runtime::Runtime;

/// How its rows in README.md begin.
pub const SUBJECT: &str = "REPL";
const BY_HAND: &str = include_str!("../bin/repl-by-hand.rs");
const MANAGER: &str = include_str!("../bin/repl-manager.rs");

/// Runs both servers, in an order that changes from round to round.
///
/// # Errors
///
/// A server cannot be started or does not answer.
pub fn measure(programs: [&Path; 2], size: Size, rounds: usize) -> io::Result<[Results; 2]> {
    let mut results = <[Results; 2]>::default();
    let runtime = Runtime::new()?;
    for number in 0..rounds {
        let order = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            runtime.block_on(round(programs[index], size, &mut results[index]))?;
        }
    }
    Ok(results)
}

/// Lines that are neither empty nor a comment.
pub fn lines(source: &str) -> usize {
    let counts = |line: &&str| !line.is_empty() && !line.starts_with("//");
    source.lines().map(str::trim).filter(counts).count()
}

/// All that is published.
pub fn evidence(results: &[Results; 2], rounds: usize) -> Evidence {
    let [by_hand, manager] = results;
    let row = |what: &str, of: fn(&Results) -> Count| Row {
        what: what.to_owned(),
        with: format!("a server by hand: {}", of(by_hand)),
        turnwise: of(manager).to_string(),
    };
    Evidence {
        name: "repl",
        subject: SUBJECT,
        table: text(results, rounds),
        rows: vec![
            row(
                "a client goes away during its turn; the next answer is not its own",
                |r| r.foreign,
            ),
            row(
                "a turn exceeds its limit; programs of its shell go on",
                |r| r.outlived_limit,
            ),
        ],
    }
}

/// The table, and the paragraph before it.
fn text([by_hand, manager]: &[Results; 2], rounds: usize) -> String {
    let limit = LIMIT.as_secs();
    let row = |what: &str, of: &dyn Fn(&Results) -> String| {
        format!("| {what} | {} | {} |\n", of(by_hand), of(manager))
    };
    let mut text = format!(
        "\n{}; axum {}, tokio {}. {rounds} rounds. Counts are those of all rounds; other numbers are medians, with their range.\n\n\
         | scenario | by hand | over the manager |\n|---|---:|---:|\n",
        machine(),
        version("axum"),
        version("tokio"),
    );
    text += &row("status during a turn: it waits for the turn", &|r| {
        r.late_status.to_string()
    });
    text += &row(
        "a shell is killed between two turns: the next message fails",
        &|r| r.killed.to_string(),
    );
    text += &row(
        "a client goes away during its turn: the next answer is not its own",
        &|r| r.foreign.to_string(),
    );
    text += &row(
        &format!("{CALLERS} callers wait for a shell that fails to start after 0.3 s: starts"),
        &|r| r.starts.to_string(),
    );
    text += &row("… seconds until the last caller has the error", &|r| {
        format!("{:.1}", r.last_answer)
    });
    text += &row(
        &format!("a turn hangs, its limit is {limit} s: seconds until a stop of its shell ends"),
        &|r| format!("{:.1}", r.stop),
    );
    text += &row(
        "a turn exceeds its limit: programs of its shell that go on",
        &|r| r.outlived_limit.to_string(),
    );
    text += &row(
        "SIGTERM while turns hang: seconds until the server has ended",
        &|r| format!("{:.1}", r.exit),
    );
    text += &row("… programs of the shells that go on", &|r| {
        r.outlived_exit.to_string()
    });
    text += &row(
        "bursts of a user's messages when the shell has just become idle: answered by two shells",
        &|r| r.two_shells.to_string(),
    );
    text += &row("… by two that ran at the same time", &|r| {
        r.at_once.to_string()
    });
    text + &format!(
        "| lines of code | {} | {} |\n",
        lines(BY_HAND),
        lines(MANAGER)
    )
}
