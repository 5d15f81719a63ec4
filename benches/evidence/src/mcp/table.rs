//! Both kinds of sessions, round by round, and the table of them.

use super::{
    Size,
    client::Failed,
    scenarios::{AT_ONCE, Count, IDLE, Results, round},
};
use crate::page::{Evidence, Row, machine, version};
use std::path::Path;
use tokio::runtime::Runtime;

/// How its rows in README.md begin.
pub const SUBJECT: &str = "MCP server";
const KINDS: [&str; 2] = ["rmcp", "turnwise"];

/// Runs both, in an order that changes from round to round.
///
/// # Errors
///
/// A server cannot be started or does not answer.
pub fn measure(program: &Path, size: Size, rounds: usize) -> Result<[Results; 2], Failed> {
    let mut results = <[Results; 2]>::default();
    let runtime = Runtime::new()?;
    for number in 0..rounds {
        let order = if number % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            runtime.block_on(round(program, KINDS[index], size, &mut results[index]))?;
        }
    }
    for (kind, results) in KINDS.iter().zip(&results) {
        eprintln!("{kind}: {results:?}");
    }
    Ok(results)
}

/// All that is published.
pub fn evidence(results: &[Results; 2], rounds: usize) -> Evidence {
    let [rmcp, turnwise] = results;
    let row = |what: &str, of: fn(&Results) -> Count| Row {
        what: what.to_owned(),
        with: format!("rmcp's own sessions: {}", of(rmcp)),
        turnwise: of(turnwise).to_string(),
    };
    Evidence {
        name: "mcp",
        subject: SUBJECT,
        table: text(results, rounds),
        rows: vec![
            row(
                "a call takes longer than the idle limit, and is not answered",
                |r| r.long,
            ),
            row(
                "it is killed during a call; the client resumes this call's stream, and gets the answer to another call",
                |r| r.foreign,
            ),
        ],
    }
}

/// The table, and the paragraph before it.
fn text([rmcp, turnwise]: &[Results; 2], rounds: usize) -> String {
    let idle = IDLE.as_millis();
    let row = |what: &str, of: &dyn Fn(&Results) -> String| {
        format!("| {what} | {} | {} |\n", of(rmcp), of(turnwise))
    };
    let mut text = format!(
        "\n{}; rmcp {}, axum {}, tokio {}. {rounds} rounds. Counts are those of all rounds.\n\n\
         | scenario | rmcp, `LocalSessionManager` | turnwise-rmcp, `McpSessions` |\n|---|---:|---:|\n",
        machine(),
        version("rmcp"),
        version("axum"),
        version("tokio"),
    );
    text += &row(
        &format!("{AT_ONCE} calls at once after each kill of the server: not answered"),
        &|r| r.after_kills.to_string(),
    );
    text += &row(
        &format!(
            "bursts of {AT_ONCE} calls around the idle limit of {idle} ms: calls not answered"
        ),
        &|r| r.around_the_limit.to_string(),
    );
    text += &row(
        &format!("a call that takes {} ms: not answered", 3 * idle),
        &|r| r.long.to_string(),
    );
    text += &row(
        "the server is killed during a call; the client resumes this call's stream, and gets the answer to another call",
        &|r| r.foreign.to_string(),
    );
    text += &row(
        "… the other call's own stream ends without its answer",
        &|r| r.robbed.to_string(),
    );
    text + &row("… the client gets no error for the lost call", &|r| {
        r.silent.to_string()
    })
}
