//! What Prometheus reads.

use crate::{client::*, daemon::Daemon};
use http_body_util::BodyExt;
use serde_json::json;

async fn read(daemon: &Daemon) -> String {
    let response = daemon.get("/metrics").response().await;
    assert_eq!(response.status(), 200);
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(response.headers()["content-type"], kind);
    let body = response.into_body().collect().await.expect("a body");
    String::from_utf8(body.to_bytes().to_vec()).expect("text")
}

/// The histograms follow the events, which may come after the answer.
async fn until(daemon: &Daemon, line: &str) -> String {
    loop {
        let text = read(daemon).await;
        if text.lines().any(|there| there == line) {
            return text;
        }
    }
}

#[tokio::test]
async fn what_happens_is_counted_and_timed() {
    let daemon = Daemon::start(&["--max-waiting", "0"]).await;
    let text = read(&daemon).await;
    assert!(text.contains("turnwise_starts_total 0\n"), "{text}");
    assert_eq!(daemon.say("secret", "hello").answer().await.0, 200);
    assert_eq!(daemon.say("secret", "!fail").answer().await.0, 502);
    let held = daemon.say("secret", "!hold").later();
    daemon.until("secret", busy(0)).await;
    let full = daemon.say("secret", "more").answer().await;
    assert_eq!(refused(&full), (429, "queue_full"));
    let now = json!({ "message": "now", "wait": false });
    let now = daemon.post("/sessions/secret/messages", &now);
    assert_eq!(refused(&now.answer().await), (409, "busy"));

    let text = until(&daemon, "turnwise_wait_seconds_count 3").await;
    for line in [
        "# TYPE turnwise_starts_total counter",
        "turnwise_starts_total 1",
        "turnwise_turns_total{outcome=\"done\"} 1",
        "turnwise_turns_total{outcome=\"failed\"} 1",
        "turnwise_refused_total{reason=\"queue_full\"} 1",
        "turnwise_refused_total{reason=\"busy\"} 1",
        "# TYPE turnwise_sessions gauge",
        "turnwise_sessions{phase=\"busy\"} 1",
        "turnwise_sessions{phase=\"idle\"} 0",
        "# TYPE turnwise_start_seconds histogram",
        "turnwise_start_seconds_count 1",
        "turnwise_turn_seconds_count 2",
        "turnwise_missed_events_total 0",
    ] {
        assert!(text.lines().any(|there| there == line), "{line}\n{text}");
    }
    assert!(!text.contains("secret"), "no label names a session: {text}");

    let ended = daemon.ask("DELETE", "/sessions/secret").answer().await;
    assert_eq!(ended.0, 200);
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
    let text = until(&daemon, "turnwise_turn_seconds_count 3").await;
    for line in [
        "turnwise_stops_total{reason=\"requested\"} 1",
        "turnwise_turns_total{outcome=\"aborted\"} 1",
        "turnwise_sessions{phase=\"busy\"} 0",
    ] {
        assert!(text.lines().any(|there| there == line), "{line}\n{text}");
    }
}
