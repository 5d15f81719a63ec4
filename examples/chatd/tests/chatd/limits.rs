//! Who may ask, what may be asked, and how the program may be started.

use crate::{client::refused, daemon::*};
use serde_json::json;
use std::process::{Output, Stdio};
use tokio::time::timeout;

#[tokio::test]
async fn bodies_are_checked() {
    let daemon = Daemon::start(&[]).await;
    let send = || daemon.ask("POST", "/sessions/a/messages");
    let json = || send().header("content-type", "application/json");
    for body in [
        "{",
        "[]",
        "{}",
        r#"{"message": 1}"#,
        r#"{"message": "a", "what": 1}"#,
    ] {
        assert_eq!(
            refused(&json().body(body).answer().await),
            (400, "bad_input"),
            "{body}"
        );
    }
    for body in [
        json!({ "message": " " }),
        json!({ "message": "a", "wait_seconds": -1 }),
    ] {
        assert_eq!(
            refused(&send().json(&body).answer().await),
            (400, "bad_input"),
            "{body}"
        );
    }
    assert_eq!(refused(&send().answer().await), (400, "bad_input"));
    assert_eq!(
        refused(&json().body(vec![b' '; 65_536]).answer().await),
        (400, "bad_input")
    );
    assert_eq!(
        refused(&json().body(vec![b' '; 65_537]).answer().await),
        (413, "too_large")
    );
    let form = send()
        .header("content-type", "text/plain")
        .body(r#"{"message": "a"}"#);
    assert_eq!(refused(&form.answer().await), (415, "no_json"));
    assert_eq!(
        daemon.get("/sessions").answer().await.1,
        json!([]),
        "nothing was begun"
    );
}

#[tokio::test]
async fn keys_are_checked() {
    let daemon = Daemon::start(&[]).await;
    let name = |length| "x".repeat(length);
    for key in ["a%00b", "a%0Ab", "%C2%85", "%FF", &name(129)] {
        assert_eq!(
            refused(&daemon.say(key, "a").answer().await),
            (400, "bad_input"),
            "{key}"
        );
        let look = daemon.get(&format!("/sessions/{key}")).answer().await;
        assert_eq!(refused(&look), (400, "bad_input"), "{key}");
    }
    assert_eq!(daemon.say(&name(128), "a").answer().await.0, 200);
    assert_eq!(
        daemon.say("%C3%BC%20%2F%3F", "a").answer().await.1["key"],
        "ü /?"
    );
}

/// A name that was made to point to loopback is not loopback.
#[tokio::test]
async fn other_hosts_are_not_answered() {
    let daemon = Daemon::start(&[]).await;
    for host in [
        "example.org",
        "localhost.example.org",
        "192.0.2.1",
        "exa mple",
    ] {
        for path in ["/", "/health", "/sessions"] {
            let ask = daemon.get(path).header("host", host);
            assert_eq!(
                refused(&ask.answer().await),
                (421, "other_host"),
                "{host}{path}"
            );
        }
    }
    let port = daemon.address.port();
    for host in [
        format!("localhost:{port}"),
        format!("[::1]:{port}"),
        "127.0.0.1".to_owned(),
    ] {
        assert_eq!(
            daemon
                .get("/sessions")
                .header("host", &host)
                .answer()
                .await
                .0,
            200,
            "{host}"
        );
    }
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let daemon = Daemon::start(&[]).await;
    let own = format!("http://{}", daemon.address);
    let others = [
        ("origin", "http://example.org"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ];
    for (name, value) in others {
        let say = daemon.say("a", "hello").header(name, value);
        assert_eq!(refused(&say.answer().await), (403, "other_origin"));
        for (method, path) in [
            ("DELETE", "/sessions/a"),
            ("POST", "/sessions/a/new"),
            ("POST", "/admin/drain"),
        ] {
            let ask = daemon.ask(method, path).header(name, value);
            assert_eq!(refused(&ask.answer().await), (403, "other_origin"));
        }
    }
    assert_eq!(
        daemon.get("/sessions").answer().await.1,
        json!([]),
        "nothing was begun"
    );
    assert_eq!(
        daemon
            .say("a", "hello")
            .header("origin", &own)
            .answer()
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let daemon = Daemon::start_with(&["--listen", "0.0.0.0:0"], &[("CHATD_TOKEN", "secret")]).await;
    for shown in [
        None,
        Some("Bearer secreT"),
        Some("Bearer secret2"),
        Some("secret"),
        Some("Bearer "),
    ] {
        for ask in [
            daemon.get("/sessions"),
            daemon.get("/events"),
            daemon.get("/metrics"),
            daemon.ask("POST", "/admin/drain"),
            daemon.say("a", "hello"),
        ] {
            let ask = match shown {
                Some(shown) => ask.header("authorization", shown),
                None => ask,
            };
            assert_eq!(refused(&ask.answer().await), (401, "no_token"), "{shown:?}");
        }
    }
    let right = daemon
        .say("a", "hello")
        .header("authorization", "bearer secret");
    // On an address that is not loopback, it has the name that it is called by.
    assert_eq!(
        right.header("host", "chat.example.org").answer().await.0,
        200
    );
    assert_eq!(daemon.get("/health").answer().await.0, 200);
    assert_eq!(daemon.get("/").response().await.status(), 200);
    let response = daemon.get("/sessions").response().await;
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}

async fn run(args: &[&str]) -> (Option<i32>, String) {
    let mut command = command(args);
    let run = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let Output { status, stderr, .. } = timeout(PATIENCE, run)
        .await
        .expect("it ends")
        .expect("it runs");
    (status.code(), String::from_utf8(stderr).expect("text"))
}

#[tokio::test]
async fn bad_usage_is_told_at_the_start() {
    for (args, why) in [
        (&["--listen", "0.0.0.0:0"][..], "--token"),
        (&["--listen", "[::]:0"], "--token"),
        (&["--session", "a\nb"], "control characters"),
        (&["--turn-timeout", "0"], "more than 0"),
        (&["--quiet", "0"], "more than 0"),
        (&["--max-age", "0"], "more than 0"),
        (&["--delay=-1"], "--delay"),
        (&["--max-sessions", "0"], "--max-sessions"),
        (&["--what"], "--what"),
    ] {
        let (code, text) = run(args).await;
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(text.contains(why), "{args:?}: {text}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_at_the_start() {
    let daemon = Daemon::start(&[]).await;
    let address = daemon.address.to_string();
    let (code, text) = run(&["--listen", &address]).await;
    assert_eq!(code, Some(1));
    assert!(
        text.contains(&format!("cannot listen on {address}")),
        "{text}"
    );
}
