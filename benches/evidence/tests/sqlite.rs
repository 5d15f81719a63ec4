//! A small load of all contenders: turnwise loses nothing, and never opens two connections of a tenant.

use std::time::Duration;
use turnwise_evidence::sqlite::{LIMIT, Load, table};

const BUSY_TIMEOUT: Duration = Duration::from_millis(50);

#[test]
fn turnwise_loses_no_insert() {
    let load = Load {
        tenants: 12,
        threads: 8,
        inserts: 240,
    };
    let lines = table::measure(load, 1, BUSY_TIMEOUT);
    for cells in &lines[0].cells {
        assert_eq!(cells.failed.largest(), 0.0, "{cells:?}");
        assert_eq!(cells.lost.largest(), 0.0, "{cells:?}");
        assert_eq!(cells.of_one.largest(), 1.0, "{cells:?}");
        assert!(cells.in_all.largest() <= LIMIT as f64, "{cells:?}");
    }
    let text = table::evidence(&lines, load, 1, BUSY_TIMEOUT).table;
    assert!(
        text.contains("moka 0.12") && text.contains("deadpool 0.13"),
        "{text}"
    );
}
