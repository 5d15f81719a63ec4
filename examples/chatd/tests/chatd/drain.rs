//! New sessions are refused; those that are there go on.

use crate::{client::*, daemon::Daemon};
use serde_json::json;

#[tokio::test]
async fn a_drain_refuses_new_sessions_only_and_can_be_taken_back() {
    let mut daemon = Daemon::start(&[]).await;
    assert_eq!(daemon.say("old", "hello").answer().await.0, 200);
    let held = daemon.say("old", "!hold").later();
    daemon.until("old", busy(0)).await;
    let drained = daemon.ask("POST", "/admin/drain").answer().await;
    assert_eq!(drained, (200, json!({ "draining": true })));

    let health = daemon.get("/health").answer().await;
    assert_eq!(health, (503, json!({ "status": "draining" })));
    let new = daemon.say("new", "hello").answer().await;
    assert_eq!(refused(&new), (503, "not_accepting"));
    let words = "the session manager starts no new sessions; try again later";
    assert_eq!(new.1["message"], words);
    let anew = daemon.ask("POST", "/sessions/new/new").answer().await;
    assert_eq!(refused(&anew), (503, "not_accepting"));
    // It would have to be started anew: it is left alone.
    let anew = daemon.ask("POST", "/sessions/old/new").answer().await;
    assert_eq!(refused(&anew), (503, "not_accepting"));
    let next = daemon.say("old", "next").later();
    daemon.until("old", busy(1)).await;
    let abort = daemon.ask("POST", "/sessions/old/abort").answer().await;
    assert_eq!(abort.0, 200);
    assert_eq!(refused(&held.await.expect("an answer")), (409, "aborted"));
    assert_eq!(next.await.expect("an answer").1["reply"], "(3) next");

    let back = daemon.ask("DELETE", "/admin/drain").answer().await;
    assert_eq!(back, (200, json!({ "draining": false })));
    assert_eq!(daemon.get("/health").answer().await.0, 200);
    assert_eq!(daemon.say("new", "hello").answer().await.0, 200);

    // The same at the terminal.
    daemon.types("/drain").await;
    daemon.sees("new sessions are refused").await;
    daemon.types("hello").await;
    daemon.sees("[main] (the session manager starts no").await;
    assert_eq!(daemon.get("/health").answer().await.0, 503);
    daemon.types("/accept").await;
    daemon.sees("new sessions are accepted").await;
    daemon.types("hello").await;
    daemon.sees("[main] (1) hello").await;
}
