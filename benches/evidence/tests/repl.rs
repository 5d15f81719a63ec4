//! The scenarios of the REPL, few of each: over the manager nothing goes wrong.

use std::path::Path;
use turnwise_evidence::repl::{
    scenarios::{Count, Size},
    table,
};

#[test]
fn over_the_manager_nothing_goes_wrong() {
    let size = Size {
        each: 2,
        users: 2,
        bursts: 10,
    };
    let programs = [
        Path::new(env!("CARGO_BIN_EXE_repl-by-hand")),
        Path::new(env!("CARGO_BIN_EXE_repl-manager")),
    ];
    let [by_hand, manager] = table::measure(programs, size, 1).expect("both servers answer");
    let none = |count: Count| assert_eq!(count.bad, 0, "{manager:?}");
    none(manager.late_status);
    none(manager.killed);
    none(manager.foreign);
    none(manager.outlived_limit);
    none(manager.outlived_exit);
    none(manager.two_shells);
    none(manager.at_once);
    assert_eq!(manager.starts.largest(), 1.0, "{manager:?}");
    // Both were tried as often.
    assert_eq!(by_hand.foreign.of, manager.foreign.of);
    let text = table::evidence(&[by_hand, manager], 1).table;
    assert!(text.contains("| lines of code |"), "{text}");
}
