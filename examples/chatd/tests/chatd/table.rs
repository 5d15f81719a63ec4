//! The table of the routes holds for every input: each route with each method and each kind of body, as README.md says.

#[path = "../../src/http/table.rs"]
#[allow(dead_code)] // what is for README.md
mod routes;

use self::routes::{Body, Route, TABLE};
use crate::{client::Ask, daemon::Daemon};
use http_body_util::BodyExt;
use hyper::{Response, body::Incoming};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
];

const BODIES: [Sent; 9] = [
    Sent::Nothing,
    Sent::Good,
    Sent::Unknown,
    Sent::Array,
    Sent::Null,
    Sent::Broken,
    Sent::NoText,
    Sent::OtherType,
    Sent::Huge,
];

/// What is sent as the body.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sent {
    Nothing,
    /// What the table shows.
    Good,
    /// That, with a field that nobody knows.
    Unknown,
    /// Its values without names.
    Array,
    Null,
    Broken,
    NoText,
    /// What the table shows, as a form of a page can send it.
    OtherType,
    Huge,
}

/// A status, and the error if it is one.
type Expected = (u16, &'static str);

#[tokio::test]
async fn every_route_answers_every_input_as_the_table_says() {
    let daemon = Daemon::start(&["--max-sessions", "1000"]).await;
    let paths: BTreeSet<&str> = TABLE.iter().map(|route| route.path).collect();
    let mut number = 0;
    for path in paths
        .into_iter()
        .chain(["/session", "/sessions/", "/sessions/a/b/c"])
    {
        let known: Vec<&Route> = TABLE.iter().filter(|route| route.path == path).collect();
        for (method, sent) in METHODS
            .iter()
            .flat_map(|method| BODIES.map(|sent| (*method, sent)))
        {
            number += 1;
            let wanted = if method == "HEAD" { "GET" } else { method };
            let route = known.iter().copied().find(|route| route.method == wanted);
            let expected = expected(&known, route, sent);
            // A name that nobody has used, and a query that nobody knows.
            let address = path.replace("{key}", &format!("name-{number}"));
            let address = address.replace("{id}", "1");
            let ask = daemon.ask(method, &format!("{address}?unknown=1"));
            let response = body(ask, route, sent).response().await;
            let what = format!("{method} {path} with {sent:?}");
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
            ] {
                assert_eq!(response.headers()[name], value, "{what}");
            }
            let policy = response.headers()["content-security-policy"].to_str();
            assert!(
                policy.is_ok_and(|policy| policy.contains("default-src 'none'")),
                "{what}"
            );
            if expected.0 == 405 {
                let allowed = response.headers()["allow"].to_str().expect("text");
                let allowed: BTreeSet<&str> = allowed.split(',').map(str::trim).collect();
                let mut there: BTreeSet<&str> = known.iter().map(|route| route.method).collect();
                if there.contains("GET") {
                    there.insert("HEAD");
                }
                assert_eq!(allowed, there, "{what}");
            }
            if method == "HEAD" || path.ends_with("/events") && expected.0 == 200 {
                assert_eq!(response.status(), expected.0, "{what}");
                continue;
            }
            assert_eq!(
                answer(response).await,
                (expected.0, expected.1.to_owned()),
                "{what}"
            );
        }
    }
}

fn expected(known: &[&Route], route: Option<&Route>, sent: Sent) -> Expected {
    let Some(route) = route else {
        let there_is_none = (404, "no_route");
        return if known.is_empty() {
            there_is_none
        } else {
            (405, "no_method")
        };
    };
    match (route.body, sent) {
        (Body::Ignored, _) | (_, Sent::Good) | (Body::Optional(_), Sent::Nothing) => route.absent,
        (_, Sent::OtherType) => (415, "no_json"),
        (_, Sent::Huge) => (413, "too_large"),
        _ => (400, "bad_input"),
    }
}

fn body(ask: Ask, route: Option<&Route>, sent: Sent) -> Ask {
    let good = match route.map(|route| route.body) {
        Some(Body::Optional(body) | Body::Required(body)) => body,
        _ => "{}",
    };
    let mut good: Value = serde_json::from_str(good).expect("the table shows JSON");
    let json = |ask: Ask| ask.header("content-type", "application/json");
    match sent {
        Sent::Nothing => ask,
        Sent::Good => ask.json(&good),
        Sent::Unknown => {
            good["what"] = 1.into();
            ask.json(&good)
        }
        Sent::Array => {
            let values = good.as_object().expect("an object").values().cloned();
            ask.json(&values.collect())
        }
        Sent::Null => ask.json(&Value::Null),
        Sent::Broken => json(ask).body(r#"{"message": "#),
        Sent::NoText => json(ask).body(&b"{\"message\": \"\xff\"}"[..]),
        Sent::OtherType => ask
            .header("content-type", "text/plain")
            .body(good.to_string()),
        Sent::Huge => json(ask).body(vec![b' '; 65_537]),
    }
}

/// Its status, and the error that it tells.
async fn answer(response: Response<Incoming>) -> (u16, String) {
    let status = response.status().as_u16();
    let json = response.headers()["content-type"] == "application/json";
    let body = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    if !json {
        return (status, String::new());
    }
    let body: Value = serde_json::from_slice(&body).expect("JSON");
    let error = body["error"].as_str().unwrap_or_default();
    assert_eq!(error.is_empty(), body["message"].is_null(), "{body}");
    (status, error.to_owned())
}

#[tokio::test]
async fn limits_of_no_time_are_refused() {
    let daemon = Daemon::start(&[]).await;
    for name in ["turn_seconds", "wait_seconds"] {
        for seconds in [json!(0), json!(0.0), json!(1e-12), json!(-1), json!(1e300)] {
            let body = json!({ "message": "hello", name: seconds });
            let (status, answer) = daemon.post("/sessions/a/messages", &body).answer().await;
            assert_eq!(
                (status, &answer["error"]),
                (400, &json!("bad_input")),
                "{body}"
            );
            let message = answer["message"].as_str().expect("text");
            assert!(message.starts_with(name), "{message}");
        }
    }
    assert_eq!(daemon.get("/sessions").answer().await.1, json!([]));
}

#[tokio::test]
async fn names_that_cannot_be_shown_or_addressed_are_refused_with_the_reason() {
    let daemon = Daemon::start(&[]).await;
    for (name, why) in [
        (".", "no address leads"),
        ("%2E%2e", "no address leads"),
        ("%20", "begins or ends with a space"),
        ("a%E2%80%8Bb", "U+200B"),
        ("a%E2%80%AEb", "U+202E"),
        ("a%E2%81%A6b", "U+2066"),
        ("a%C2%ADb", "U+00AD"),
        ("a%EF%B8%8F", "U+FE0F"),
        ("%E3%85%A4", "U+3164"),
        ("a%C2%A0b", "U+00A0"),
        ("a%1Bb", "control characters"),
    ] {
        let (status, answer) = daemon.say(name, "hello").answer().await;
        assert_eq!(
            (status, &answer["error"]),
            (400, &json!("bad_input")),
            "{name}"
        );
        let message = answer["message"].as_str().expect("text");
        assert!(message.contains(why), "{name}: {message}");
    }
    assert_eq!(daemon.get("/sessions").answer().await.1, json!([]));
}
