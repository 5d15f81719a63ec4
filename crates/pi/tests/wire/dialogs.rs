//! Questions of extensions.

use super::Pi;
use serde_json::json;
use turnwise_pi::wire::{Answer, Protocol};

#[test]
fn nobody_answers_an_extension() {
    let mut pi = Pi::working();
    pi.asks("d");
    assert_eq!(pi.said(), ["answer d true null null"]);
    pi.settles(false);
    assert!(pi.end().is_some());
    // Between turns too, and where the question is not known.
    pi.writes(&json!({"type": "extension_ui_request", "id": "e", "method": "select", "options": [{"new": 1}]}));
    assert_eq!(pi.said(), ["answer e true null null"]);
    pi.writes(&json!({"type": "extension_ui_request", "id": "f", "method": "setStatus"}));
    assert_eq!(pi.said(), [""; 0], "it does not wait");
}

#[test]
fn an_extension_that_is_answered() {
    let mut pi = Pi(Protocol::new(true));
    pi.0.begin("hello".into());
    pi.accepts("1");
    pi.said();
    for id in ["a", "b", "c"] {
        pi.asks(id);
    }
    assert_eq!(pi.said(), [""; 0]);
    assert_eq!(pi.notes(), ["waiting for a dialog"; 3]);
    pi.0.answer("a", Answer::Confirmed(true));
    pi.0.answer("b", Answer::Value("x\ny".to_owned()));
    pi.0.answer("a", Answer::Confirmed(false));
    pi.0.answer("nobody's", Answer::Cancelled);
    assert_eq!(
        pi.said(),
        ["answer a null true null", "answer b null null \"x\\ny\""],
        "once each"
    );
    assert_eq!(pi.notes(), [""; 0]);
    pi.0.answer("c", Answer::Cancelled);
    assert_eq!(pi.notes(), ["running"]);
    pi.asks("d");
    pi.said();
    // An open dialog would keep the abort from its answer.
    pi.0.cancel();
    assert_eq!(
        pi.said(),
        ["answer d true null null", "clear_queue 2", "abort 3"]
    );
    pi.asks("e");
    assert_eq!(
        pi.said(),
        ["answer e true null null"],
        "while it aborts, nobody answers"
    );
    pi.0.answer("d", Answer::Confirmed(true));
    assert_eq!(pi.said(), [""; 0], "too late");

    // Between turns it may ask too; nobody's status shows it.
    let mut pi = Pi(Protocol::new(true));
    pi.asks("a");
    assert!(pi.0.told.is_empty(), "{:?}", pi.0.told);
    pi.0.answer("a", Answer::Confirmed(true));
    assert_eq!(pi.said(), ["answer a null true null"]);
    assert!(pi.0.told.is_empty(), "{:?}", pi.0.told);
}

#[test]
fn questions_without_end_are_an_error() {
    for answered in [false, true] {
        let mut pi = Pi(Protocol::new(answered));
        let mut asked = 0_u64;
        let error = loop {
            asked += 1;
            let line = json!({"type": "extension_ui_request", "id": format!("{asked:0>1000}"), "method": "confirm"});
            if let Err(error) = pi.0.line(line.to_string().as_bytes()) {
                break error;
            }
            assert!(asked < 10_000, "it grows: {}", pi.0.out.len());
        };
        assert!(error.contains("does not read the answers"), "{error}");
        assert!(pi.0.out.len() < 2 << 20, "{}", pi.0.out.len());
    }
    // What else it has not read does not count as answers.
    let mut pi = Pi::new();
    pi.0.begin("x".repeat(4 << 20).into());
    for _ in 0..100 {
        pi.asks("d");
    }
    // One that reads them may ask for ever.
    let mut pi = Pi::new();
    for _ in 0..10_000 {
        pi.asks(&"d".repeat(1000));
        pi.0.out.clear();
    }
}
