//! When a node is taken for dead, without an etcd.

// They are private: their own source is tested.
#[path = "../src/heartbeat.rs"]
mod heartbeat;
#[allow(dead_code)]
#[path = "../src/wire.rs"]
mod wire;

use data_encoding::BASE64;
use heartbeat::Heartbeats;
use serde_json::{Value, json};
use std::{thread, time::Duration};

const HOUR: u64 = 3_600_000;

/// An answer with these heartbeats: lease, revision, and the time to live in milliseconds.
fn answer(found: &[(u64, u64, u64)]) -> Value {
    let base64 = |text: String| BASE64.encode(text.as_bytes());
    let records = found.iter().map(|(lease, revision, time)| {
        json!({
            "key": base64(format!("t/c/n/{lease:016x}")),
            "value": base64(time.to_string()),
            "mod_revision": revision.to_string(),
        })
    });
    let records: Vec<_> = records.collect();
    json!({
        "succeeded": true,
        "responses": [{ "response_put": {} }, { "response_range": { "kvs": records } }],
    })
}

fn overdue(beats: &Heartbeats) -> Vec<(u64, Option<u64>)> {
    let all = beats.overdue().into_iter();
    let mut all: Vec<_> = all.map(|one| (one.lease, one.revision)).collect();
    all.sort_unstable();
    all
}

fn wait() {
    thread::sleep(Duration::from_millis(5));
}

#[test]
fn one_that_is_not_renewed_in_its_time_is_overdue() {
    let beats = Heartbeats::new("t/c/");
    let time = beats.seen(
        1,
        &answer(&[(1, 10, HOUR), (2, 11, 4), (3, 12, 4), (4, 13, HOUR)]),
    );
    assert_eq!(time, Some(Duration::from_secs(3600)));
    wait();
    // 3 has been renewed, and 5 is new.
    beats.seen(
        1,
        &answer(&[
            (1, 14, 1),
            (2, 11, 4),
            (3, 15, HOUR),
            (4, 13, HOUR),
            (5, 16, HOUR),
        ]),
    );
    assert_eq!(overdue(&beats), [(2, Some(11))]);
    assert_eq!(overdue(&beats), [], "it is just being tried");
    thread::sleep(Duration::from_millis(250));
    assert_eq!(overdue(&beats), [(2, Some(11))]);
    // It has gone.
    beats.seen(1, &answer(&[(1, 14, 1)]));
    thread::sleep(Duration::from_millis(250));
    assert_eq!(overdue(&beats), []);
}

#[test]
fn time_counts_from_the_first_look_at_a_revision() {
    let beats = Heartbeats::new("t/c/");
    beats.seen(1, &answer(&[(2, 11, 50)]));
    assert_eq!(overdue(&beats), []);
    thread::sleep(Duration::from_millis(60));
    beats.seen(1, &answer(&[(2, 12, 50)]));
    assert_eq!(overdue(&beats), [], "it was renewed");
    thread::sleep(Duration::from_millis(60));
    beats.seen(1, &answer(&[(2, 12, 50)]));
    assert_eq!(overdue(&beats), [(2, Some(12))]);
}

#[test]
fn one_that_is_marked_only_needs_its_lease_revoked() {
    let beats = Heartbeats::new("t/c/");
    beats.seen(1, &answer(&[(1, 10, HOUR), (2, 11, 0)]));
    assert_eq!(overdue(&beats), [(2, None)]);
}

#[test]
fn nothing_is_known_from_a_renewal_that_failed() {
    let beats = Heartbeats::new("t/c/");
    assert_eq!(beats.seen(1, &json!({ "header": {} })), None);
    let strange = json!({ "succeeded": true, "responses": [{}, { "response_range": { "kvs": [
        { "key": "dC9jL24vMQ==", "value": "!", "mod_revision": "1" },
        { "key": BASE64.encode(b"t/c/k/1"), "value": "MA==", "mod_revision": "1" },
    ] } }] });
    assert_eq!(beats.seen(1, &strange), None, "its own is not there");
    assert_eq!(overdue(&beats), []);
}

/// Each transaction is JSON, and does nothing on a heartbeat that has ended or was renewed.
#[test]
fn transactions_compare() {
    let beats = Heartbeats::new("t/c/");
    let parsed = |text: String| serde_json::from_str::<Value>(&text).expect("it is JSON");
    let key = BASE64.encode(b"t/c/n/000000000000004d");
    let begin = parsed(beats.begin(77, Duration::from_secs(4)));
    assert_eq!(
        begin["compare"],
        json!([{ "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0" }])
    );
    let put = &begin["success"][0]["request_put"];
    assert_eq!(
        *put,
        json!({ "key": key, "value": BASE64.encode(b"4000"), "lease": "77" })
    );
    let all = &begin["success"][1]["request_range"];
    let ends = [&b"t/c/n/"[..], b"t/c/n0"].map(|end| BASE64.encode(end));
    assert_eq!(*all, json!({ "key": ends[0], "range_end": ends[1] }));
    let renewal = parsed(beats.renewal(77));
    assert_eq!(
        renewal["compare"],
        json!([
            { "key": key, "target": "CREATE", "result": "GREATER", "create_revision": "0" },
            { "key": key, "target": "VALUE", "result": "NOT_EQUAL", "value": "MA==" },
        ])
    );
    let put = &renewal["success"][0]["request_put"];
    assert_eq!(
        *put,
        json!({ "key": key, "ignore_value": true, "ignore_lease": true })
    );
    let end = parsed(beats.end(77, 5));
    assert_eq!(
        end["compare"],
        json!([{ "key": key, "target": "MOD", "result": "EQUAL", "mod_revision": "5" }])
    );
    let put = &end["success"][0]["request_put"];
    assert_eq!(
        *put,
        json!({ "key": key, "value": "MA==", "ignore_lease": true })
    );
}
