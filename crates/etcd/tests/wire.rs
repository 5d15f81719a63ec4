//! Requests and answers as JSON, without an etcd.

// It is private: its own source is tested.
#[path = "../src/wire.rs"]
mod wire;

use data_encoding::BASE64;
use serde_json::{Value, json};
use turnwise_cluster::{Action, Answer, Batch, Request};
use wire::{
    LONGEST, answers, fence, is_gone, is_token, owners, parts, range, transaction, unwrapped,
    warning,
};

fn batch(actions: &[Action]) -> Batch {
    let request = |(place, action): (usize, &Action)| Request {
        key: format!("k{place}").as_bytes().into(),
        action: *action,
    };
    Batch {
        owner: "a#1".into(),
        lease: 77,
        requests: actions.iter().enumerate().map(request).collect(),
    }
}

fn asked(actions: &[Action]) -> Value {
    let text = transaction("t/c/", &batch(actions)).expect("it is small");
    serde_json::from_str(&text).expect("it is JSON")
}

fn encoded(text: &str) -> String {
    BASE64.encode(text.as_bytes())
}

/// An answer of etcd 3.5, without what is not read.
fn answer(revision: u64, responses: &Value) -> Value {
    json!({ "header": { "cluster_id": "9", "revision": revision.to_string() }, "succeeded": true, "responses": responses })
}

fn found(revision: u64, value: &str) -> Value {
    json!({ "response_range": { "kvs": [{ "key": encoded("t/c/k"), "mod_revision": revision.to_string(), "value": encoded(value) }], "count": "1" } })
}

fn nested(response: &Value) -> Value {
    json!({ "response_txn": { "responses": [response] } })
}

#[test]
fn an_acquisition_writes_where_there_is_no_record() {
    let asked = asked(&[Action::Acquire { seen: None }]);
    let key = encoded("t/c/k0");
    let expected = json!({ "success": [{ "request_txn": {
        "compare": [{ "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0" }],
        "success": [{ "request_put": { "key": key, "value": encoded("0 a#1"), "lease": "77" } }],
        "failure": [{ "request_range": { "key": key } }],
    } }] });
    assert_eq!(asked, expected);
}

/// The revision *and* the name, with the place in the batch that had written it: never the name alone.
#[test]
fn a_record_is_taken_and_deleted_as_it_was_seen() {
    let seen = (1234 << 7) | 56;
    let actions = [
        Action::Acquire { seen: Some(seen) },
        Action::Release { revision: seen },
    ];
    let asked = asked(&actions);
    for (place, key) in ["t/c/k0", "t/c/k1"].map(encoded).iter().enumerate() {
        let compare = json!([
            { "key": key, "target": "MOD", "result": "EQUAL", "mod_revision": "1234" },
            { "key": key, "target": "VALUE", "result": "EQUAL", "value": encoded("56 a#1") },
        ]);
        assert_eq!(asked["success"][place]["request_txn"]["compare"], compare);
    }
    let taken = &asked["success"][0]["request_txn"];
    assert_eq!(
        taken["success"][0]["request_put"]["value"],
        encoded("0 a#1")
    );
    let otherwise = &taken["failure"][0]["request_txn"];
    assert_eq!(otherwise["compare"][0]["target"], "CREATE");
    let deleted = &asked["success"][1]["request_txn"]["success"][0];
    assert_eq!(deleted["request_delete_range"]["key"], encoded("t/c/k1"));
}

#[test]
fn each_key_of_a_transaction_has_a_fence_of_its_own() {
    let batch = batch(&[
        Action::Acquire { seen: None },
        Action::Acquire { seen: Some(5) },
    ]);
    let put = json!({ "response_put": { "header": { "revision": "8" } } });
    let told = answers(
        &batch,
        &answer(8, &json!([nested(&put), nested(&nested(&put))])),
    );
    let fences = [8 << 7, (8 << 7) | 1].map(|fence| Answer::Acquired { fence });
    assert_eq!(told, Ok(fences.to_vec()));
}

/// What is seen of a record is the fence of whoever acquired it.
#[test]
fn a_revision_is_the_fence_of_the_acquisition() {
    let batch = batch(&[
        Action::Look,
        Action::Look,
        Action::Look,
        Action::Release { revision: 9 },
    ]);
    let none = json!({ "response_range": {} });
    let deleted = nested(&json!({ "response_delete_range": { "deleted": "1" } }));
    let responses = json!([found(8, "3 a#1"), found(7, "0 b#2 c"), none, deleted]);
    let told = answers(&batch, &answer(9, &responses));
    let expected = vec![
        Answer::Ours {
            revision: (8 << 7) | 3,
        },
        Answer::Other {
            owner: "b#2 c".into(),
        },
        Answer::Free,
        Answer::Free,
    ];
    assert_eq!(told, Ok(expected));
}

#[test]
fn fences_stay_below_two_to_the_sixty_third() {
    let highest = fence((1 << 56) - 1, 127).expect("it fits");
    assert_eq!(highest, (1 << 63) - 1);
    assert_eq!(parts(highest), ((1 << 56) - 1, 127));
    assert!(fence(1 << 56, 0).is_err());
    assert!(fence(1, 128).is_err());
    assert!(transaction("t/c/", &batch(&[Action::Look; 101])).is_err());
}

/// It is not asked for, and the others keep their places.
#[test]
fn a_key_that_is_too_long_is_refused_alone() {
    let mut batch = batch(&[Action::Acquire { seen: None }; 3]);
    batch.requests[1].key = [b'k'; LONGEST + 1].into();
    let asked = transaction("t/c/", &batch).expect("it is small");
    let asked: Value = serde_json::from_str(&asked).expect("it is JSON");
    let put = &asked["success"][1]["request_txn"]["success"][0]["request_put"];
    assert_eq!(put["value"], encoded("2 a#1"));
    assert_eq!(asked["success"].as_array().map(Vec::len), Some(2));
    let put = nested(&json!({ "response_put": {} }));
    let told = answers(&batch, &answer(8, &json!([put, put]))).expect("answers");
    assert_eq!(told[0], Answer::Acquired { fence: 8 << 7 });
    assert!(matches!(&told[1], Answer::Refused(why) if why.contains("1024 bytes")));
    assert_eq!(
        told[2],
        Answer::Acquired {
            fence: (8 << 7) | 2
        }
    );
    batch.requests = vec![batch.requests[1].clone()];
    let none = json!({ "header": { "revision": "8" }, "succeeded": true });
    let told = answers(&batch, &none);
    assert!(
        matches!(told.as_deref(), Ok([Answer::Refused(_)])),
        "{told:?}"
    );
}

#[test]
fn what_is_no_answer_is_a_fault() {
    let one = batch(&[Action::Look]);
    let none = json!({ "response_range": {} });
    for odd in [
        json!({}),
        answer(1, &json!([])),
        answer(1, &json!([none, none])),
        answer(1, &json!([{ "response_watch": {} }])),
        answer(1, &json!([{ "response_txn": { "responses": [] } }])),
        answer(1, &json!([found(1, "no place")])),
        answer(1, &json!([found(1, "words")])),
        json!({ "header": {}, "responses": [none] }),
    ] {
        // A record of somebody else may be read as another's; it is never ours.
        let told = answers(&one, &odd);
        assert!(
            told.is_err() || matches!(told.as_deref(), Ok([Answer::Other { .. }])),
            "{odd}"
        );
    }
}

#[test]
fn leases_and_errors() {
    let renewed = br#"{"result":{"header":{"revision":"4"},"ID":"77","TTL":"10"}}
{"result":{"ID":"77","TTL":"9"}}"#;
    let renewed = unwrapped(renewed).expect("an answer");
    assert_eq!(renewed["TTL"], "10");
    for text in [
        r#"{"error":"etcdserver: requested lease not found","code":5,"message":"etcdserver: requested lease not found"}"#,
        r#"{"error":{"grpc_code":5,"http_code":404,"message":"etcdserver: requested lease not found"}}"#,
        r#"{"code":5,"message":"etcdserver: requested lease not found","details":[]}"#,
    ] {
        let words = unwrapped(text.as_bytes()).expect_err("an error");
        assert!(is_gone(&words) && !is_token(&words), "{words}");
    }
    assert!(is_token("etcdserver: invalid auth token"));
    assert_eq!(
        unwrapped(b"404 page not found\n"),
        Err("404 page not found".to_owned())
    );
    assert_eq!(unwrapped(b""), Err("an empty answer".to_owned()));
}

#[test]
fn versions_that_revoke_leases_early() {
    for old in ["3.4.0", "3.4.30", "3.5.0", "3.5.12", "3.5.0-rc.1"] {
        let words = warning(old).expect("it works").expect("a warning");
        assert!(
            words.contains("before 3.4.31 and 3.5.13 leases may be revoked early"),
            "{words}"
        );
    }
    for good in [
        "3.4.31",
        "3.4.44",
        "3.5.13",
        "3.5.30+dfsg",
        "3.6.0",
        "3.7.3",
        "4.0.0",
    ] {
        assert_eq!(warning(good), Ok(None), "{good}");
    }
    assert!(warning("3.3.27").is_err());
    assert!(warning("not a version").is_err());
}

#[test]
fn owners_are_listed_by_the_beginning_of_their_keys() {
    let one = format!(r#"{{"key":"{}"}}"#, encoded("t/c/k"));
    assert_eq!(range("t/c/", b"k", None), one);
    for (begin, end) in [
        (&b"k"[..], &b"t/c/l"[..]),
        (b"", b"t/c0"),
        (b"k\xff\xff", b"t/c/l"),
    ] {
        let asked: Value =
            serde_json::from_str(&range("t/c/", begin, Some(7))).expect("it is JSON");
        assert_eq!(asked["range_end"], BASE64.encode(end));
        assert_eq!(asked["limit"], "7");
    }
    let found = |key: &str, value: &str| json!({ "kvs": [{ "key": encoded(key), "value": encoded(value) }] });
    let listed = owners("t/c/", &found("t/c/k", "5 a#1"));
    assert_eq!(listed, Ok(vec![(b"k".to_vec(), "a#1".into())]));
    assert_eq!(owners("t/c/", &json!({})), Ok(Vec::new()));
    for (key, value) in [("t/d/k", "5 a#1"), ("t/c/k", "5"), ("t/c/k", "5 ")] {
        owners("t/c/", &found(key, value)).expect_err("it is not turnwise's");
    }
}
