//! Questions of extensions.

use super::Pi;
use serde_json::json;
use turnwise_pi::{
    PiAnswer, PiEvent,
    wire::{Protocol, Report},
};

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

/// A turn whose prompt is accepted.
fn begins(pi: &mut Pi) {
    pi.0.begin("hello".into());
    pi.accepts("1");
    assert_eq!(pi.said(), ["prompt 1"]);
}

#[test]
fn an_extension_that_is_answered() {
    let mut pi = Pi(Protocol::new(true));
    begins(&mut pi);
    for id in ["a", "b", "c"] {
        pi.asks(id);
    }
    assert_eq!(pi.said(), [""; 0]);
    assert_eq!(pi.notes(), ["waiting for an answer"; 3]);
    let handle = pi.0.handle();
    let ids: Vec<u64> = handle.questions().iter().map(|asked| asked.id).collect();
    assert!(pi.answers_question("a", PiAnswer::Confirmed(true)));
    assert!(pi.answers_question("b", PiAnswer::Value("x\ny".to_owned())));
    assert!(!handle.answer(ids[0], PiAnswer::Confirmed(false)));
    assert!(!handle.answer(0, PiAnswer::Cancelled));
    pi.0.answer();
    assert_eq!(
        pi.said(),
        ["answer a null true null", "answer b null null \"x\\ny\""],
        "once each"
    );
    assert_eq!(pi.notes(), [""; 0]);
    assert!(pi.answers_question("c", PiAnswer::Cancelled));
    assert_eq!(pi.said(), ["answer c true null null"]);
    assert_eq!(pi.notes(), ["running"]);
}

#[test]
fn a_cancelled_turn_cancels_its_questions() {
    let mut pi = Pi(Protocol::new(true));
    begins(&mut pi);
    pi.asks("d");
    pi.asks("e");
    let handle = pi.0.handle();
    let [first, second] = [0, 1].map(|index| handle.questions()[index].id);
    // It was given in time, though pi has not received it.
    assert!(handle.answer(second, PiAnswer::Confirmed(true)));
    // An open question would keep the abort from its answer.
    pi.0.cancel();
    assert_eq!(
        pi.said(),
        [
            "answer d true null null",
            "answer e null true null",
            "clear_queue 2",
            "abort 3"
        ]
    );
    assert!(!handle.answer(first, PiAnswer::Confirmed(true)), "too late");
    pi.asks("f");
    assert_eq!(
        pi.said(),
        ["answer f true null null"],
        "while it aborts, nobody answers"
    );
    pi.0.answer();
    assert_eq!(pi.said(), [""; 0]);
}

#[test]
fn the_end_of_a_turn_cancels_its_questions() {
    let mut pi = Pi(Protocol::new(true));
    begins(&mut pi);
    pi.starts();
    pi.asks("a");
    let id = pi.0.handle().questions()[0].id;
    pi.settles(false);
    assert!(pi.end().is_some());
    assert_eq!(pi.said(), ["answer a true null null"]);
    // pi may use its name for another one.
    pi.0.begin("again".into());
    pi.accepts("2");
    pi.said();
    pi.asks("a");
    assert!(!pi.0.handle().answer(id, PiAnswer::Confirmed(true)));
    assert!(pi.answers_question("a", PiAnswer::Confirmed(false)));
    assert_eq!(pi.said(), ["answer a null false null"]);
    pi.asks("b");
    let handle = pi.0.handle();
    drop(pi);
    assert!(handle.questions().is_empty(), "without it nothing is open");
}

/// Its listeners receive it; nobody's status shows it.
#[test]
fn a_question_between_turns() {
    let mut pi = Pi(Protocol::new(true));
    // Nobody has the handle before the first turn.
    pi.asks("start");
    assert_eq!(pi.said(), ["answer start true null null"]);
    begins(&mut pi);
    pi.starts();
    pi.settles(false);
    assert!(pi.end().is_some());
    pi.asks("a");
    let told: Vec<Report> = pi.0.told.drain(..).collect();
    assert!(
        matches!(&*told, [Report::Event(PiEvent::Question(_))]),
        "{told:?}"
    );
    assert!(pi.answers_question("a", PiAnswer::Confirmed(true)));
    assert_eq!(pi.said(), ["answer a null true null"]);
    assert!(pi.0.told.is_empty(), "{:?}", pi.0.told);
}

#[test]
fn open_questions_are_few_and_small() {
    let mut pi = Pi(Protocol::new(true));
    begins(&mut pi);
    for number in 0..64 {
        pi.asks(&number.to_string());
    }
    assert_eq!(pi.said(), [""; 0]);
    pi.asks("more");
    assert_eq!(pi.said(), ["answer more true null null"]);
    // One that is answered has its place until pi is to receive it.
    let handle = pi.0.handle();
    let first = handle.questions()[0].id;
    assert!(handle.answer(first, PiAnswer::Cancelled));
    assert_eq!(handle.questions().len(), 63);
    pi.asks("more");
    assert_eq!(pi.said(), ["answer more true null null"]);
    pi.0.answer();
    pi.said();
    pi.asks("more");
    assert_eq!(handle.questions().len(), 64);

    let mut pi = Pi(Protocol::new(true));
    begins(&mut pi);
    pi.asks(&"a".repeat(400 << 10)); // as name and as title
    pi.asks(&"b".repeat(400 << 10));
    assert_eq!(pi.said().len(), 1);
    assert_eq!(pi.0.handle().questions().len(), 1);

    // Options cost more than their letters.
    let mut pi = Pi(Protocol::new(true));
    begins(&mut pi);
    for id in ["a", "b"] {
        let options = vec!["x"; 21_500];
        pi.writes(&json!({"type": "extension_ui_request", "id": id, "method": "select", "options": options}));
    }
    assert_eq!(pi.said(), ["answer b true null null"]);
}

#[test]
fn questions_without_end_are_an_error() {
    for answered in [false, true] {
        let mut pi = Pi(Protocol::new(answered));
        begins(&mut pi);
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
