//! The scenarios of the MCP server, few of each: turnwise-rmcp answers all calls.

use std::path::Path;
use turnwise_evidence::mcp::{Size, scenarios::Count, table};

#[test]
fn turnwise_answers_all_calls() {
    let size = Size {
        kills: 5,
        sessions: 3,
        bursts: 10,
        each: 2,
    };
    let server = Path::new(env!("CARGO_BIN_EXE_mcp-server"));
    let [rmcp, turnwise] = table::measure(server, size, 1).expect("both servers answer");
    let none = |count: Count| assert_eq!(count.bad, 0, "{turnwise:?}");
    none(turnwise.after_kills);
    none(turnwise.around_the_limit);
    none(turnwise.long);
    none(turnwise.foreign);
    none(turnwise.robbed);
    none(turnwise.silent);
    // Both were tried as often.
    assert_eq!(rmcp.after_kills.of, turnwise.after_kills.of);
    assert_eq!(rmcp.around_the_limit.of, turnwise.around_the_limit.of);
    let text = table::evidence(&[rmcp, turnwise], 1).table;
    assert!(
        text.contains("rmcp 3.") && text.contains("idle limit"),
        "{text}"
    );
}
