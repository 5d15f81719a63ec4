//! Turns that go wrong, and what the next one meets.

use super::{Folder, SERVE, gone, manager, manager_with, on_prompt, runs, script, send, within};
use serde_json::Map;
use std::{process::Command, time::Duration};
use turnwise::{Phase, manager::*};
use turnwise_pi::{PiError, PiEvent, PiStop};

/// Does this on the first prompt of all, and answers the others.
fn at_first(folder: &Folder, text: &str) -> turnwise_pi::PiBuilder {
    let once = format!("if mkdir \"$OUT/once\" 2>/dev/null; then {text}; else answer well; fi");
    on_prompt(&once).env("OUT", &folder.0)
}

fn agents(end: Result<turnwise_pi::PiReply, TurnError<PiError>>) -> PiError {
    match end {
        Err(TurnError::Agent(error)) => error,
        end => panic!("not the agent's error: {end:?}"),
    }
}

#[tokio::test]
async fn what_comes_and_what_is_told() {
    let sessions = manager(on_prompt(
        r#"accept
        say auto_retry_start ',"attempt":1,"maxAttempts":3,"delayMs":0,"errorMessage":"busy"'
        say message_update ',"assistantMessageEvent":{"type":"text_delta","delta":"hel"}'
        next
        said hello; say agent_settled"#,
    ));
    let mut sending = sessions.send_message("a", "hello".into());
    let mut events = Vec::new();
    while events.len() < 2 {
        match within(sending.next_event()).await {
            Some(Update::Event(event)) => events.push(event),
            other => panic!("{other:?} after {events:?}"),
        }
    }
    assert_eq!(events[1], PiEvent::Text("hel".to_owned()));
    let status = sessions.status("a").expect("it is there");
    assert_eq!(status.phase, Phase::Busy);
    assert_eq!(status.note.as_deref(), Some("retrying 1 of 3: busy"));
    // Its script waits for one line more: that of the abort, which it does not heed.
    sending.abort();
    let end = within(sending).await.map_err(|error| error.error);
    assert_eq!(end.expect("it had answered").text, "hello");
}

#[tokio::test]
async fn one_that_ends_in_a_turn_says_why_and_the_next_works() {
    let folder = Folder::new();
    let sessions = manager(at_first(
        &folder,
        "accept; echo 'out of memory' >&2; kill -9 $$",
    ));
    let error = agents(within(send(&sessions, "hello")).await);
    assert_eq!(
        error.to_string(),
        "pi ended: signal: 9 (SIGKILL); stderr: out of memory"
    );
    let reply = within(send(&sessions, "again")).await.expect("a new one");
    assert_eq!(reply.text, "well");
}

#[tokio::test]
async fn what_it_wrote_before_its_end_counts() {
    // It asks, and does not wait for an answer: it has ended before we look further than the question. All of us is in one
    // thread.
    let text = "accept; say extension_ui_request \",\\\"id\\\":\\\"q\\\",\\\"method\\\":\\\"input\\\",\\\"title\\\":\\\"$$\\\"\"
        said 'last words'; say agent_settled; exit 0";
    let sessions = manager(on_prompt(text));
    for round in 0..100 {
        let mut sending = sessions.send_message("a", "hello".into());
        match within(sending.next_event()).await {
            Some(Update::Event(PiEvent::Question(question))) => {
                while runs(&question.title) {
                    std::thread::yield_now();
                }
            }
            other => panic!("round {round}: {other:?}"),
        }
        let reply = within(sending).await;
        let reply = reply.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        assert_eq!((&*reply.text, &reply.stop), ("last words", &PiStop::Stop));
    }
}

#[tokio::test]
async fn so_it_does_when_it_reads_no_more() {
    let text = "accept; exec <&-; said 'last words'; sleep 0.1; say agent_settled; exit 0";
    let sessions = manager(on_prompt(text));
    for _ in 0..3 {
        let sending = sessions.send_message("a", "hello".into());
        let reply = within(sending).await.expect("it answered");
        assert_eq!(reply.text, "last words");
    }
    // The cancel is written to nobody.
    for yields in 0..20 {
        let sending = sessions.send_message("a", "hello".into());
        for _ in 0..yields * 20 {
            tokio::task::yield_now().await;
        }
        sending.abort();
        let end = within(sending).await.map_err(|error| error.error);
        assert!(matches!(end, Ok(_) | Err(TurnError::Aborted)), "{end:?}");
    }
}

#[tokio::test]
async fn what_it_should_not_write_ends_the_turn_and_the_process() {
    let folder = Folder::new();
    let text = "accept; echo $$ >&2; echo 'console.log'; trap '' TERM; sleep 600";
    let sessions = manager(at_first(&folder, text).stop_grace(Duration::from_millis(100)));
    let error = agents(within(send(&sessions, "hello")).await);
    assert!(matches!(error, PiError::Protocol { .. }), "{error}");
    let pid = error.stderr().expect("it told its number");
    assert!(!runs(pid), "it is gone before the turn has ended");
    let reply = within(send(&sessions, "again")).await.expect("a new one");
    assert_eq!(reply.text, "well");
}

#[tokio::test]
async fn a_line_without_end_is_an_error() {
    let folder = Folder::new();
    let sessions = manager(at_first(&folder, "accept; tr '\\0' x < /dev/zero").line_limit(1 << 20));
    let error = agents(within(send(&sessions, "hello")).await);
    assert_eq!(
        error.to_string(),
        "pi wrote a line of more than 1048576 bytes"
    );
    let reply = within(send(&sessions, "again")).await.expect("a new one");
    assert_eq!(reply.text, "well");
}

#[tokio::test]
async fn an_abort_that_is_not_heeded_ends_the_process() {
    let folder = Folder::new();
    let text = "accept; echo $$ > \"$OUT/pid\"; while :; do next; done";
    let pi = at_first(&folder, text).abort_timeout(Duration::from_millis(200));
    // By its own timeout: the manager would wait for ever.
    let timeouts = Timeouts::default().start(Duration::from_secs(60));
    let sessions = manager_with(pi, timeouts.abort(Duration::from_secs(600)));
    let mut sending = sessions.send_message("a", "hello".into());
    within(sending.started()).await.expect("it starts");
    within(async {
        while folder.words("pid").is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sending.abort();
    let error = within(sending).await.expect_err("it does not end").error;
    assert!(matches!(error, TurnError::Aborted), "{error:?}");
    let reply = within(send(&sessions, "again")).await.expect("a new one");
    assert_eq!(reply.text, "well");
    assert!(!runs(&folder.words("pid")[0]));
}

#[tokio::test]
async fn an_overdue_turn_does_not_wait_for_the_end_of_its_process() {
    let folder = Folder::new();
    let text = "accept; echo > \"$OUT/accepted\"; trap '' TERM; while :; do sleep 600; done";
    let pi = on_prompt(text)
        .env("OUT", &folder.0)
        .abort_timeout(Duration::from_millis(100))
        .stop_grace(Duration::from_secs(600));
    let timeouts = Timeouts::default().start(Duration::from_secs(60));
    let sessions = manager_with(pi, timeouts.abort(Duration::from_secs(600)));
    let sending = sessions.send_message("a", "hello".into());
    within(async {
        while !folder.join("accepted").exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sending.abort();
    let error = within(sending).await.expect_err("it was aborted").error;
    assert!(matches!(error, TurnError::Aborted), "{error:?}");
}

/// Its time for the turn to end is over with the turn.
#[tokio::test]
async fn an_abort_that_is_heeded_leaves_the_next_turn_alone() {
    let folder = Folder::new();
    let text = "accept; if mkdir \"$OUT/once\" 2>/dev/null
        then next; next; said half aborted; say agent_settled
        else sleep 3; said $$; say agent_settled; fi";
    let pi = on_prompt(&format!("echo $$ > \"$OUT/pid\"; {text}")).env("OUT", &folder.0);
    let sessions = manager(pi.abort_timeout(Duration::from_secs(2)));
    let sending = sessions.send_message("a", "hello".into());
    within(async {
        while !folder.join("once").exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sending.abort();
    let error = within(sending).await.expect_err("it was aborted").error;
    assert!(matches!(error, TurnError::Aborted), "{error:?}");
    let first = folder.words("pid");
    let reply = within(send(&sessions, "again")).await.expect("it answers");
    assert_eq!([reply.text], *first, "the same process");
}

#[tokio::test]
async fn a_pi_that_reads_nothing_holds_no_turn() {
    // Its input is closed before the message is written.
    let folder = Folder::new();
    let once =
        "if mkdir \"$OUT/once\" 2>/dev/null; then take; exec <&-; handle; exec sleep 600; fi";
    let text = format!("on() {{ answer well; }}\n{once}\n{}", super::SERVE);
    let pi = script(&text).env("OUT", &folder.0);
    let sessions = manager(pi.stop_grace(Duration::from_millis(100)));
    let error = agents(within(send(&sessions, "hello")).await);
    assert!(matches!(error, PiError::Exited { .. }), "{error}");
    let reply = within(send(&sessions, "again")).await.expect("a new one");
    assert_eq!(reply.text, "well");

    // Its input is open, and the message is longer than a pipe.
    let folder = Folder::new();
    let once = "if mkdir \"$OUT/once\" 2>/dev/null; then next; exec sleep 600; fi";
    let text = format!("on() {{ answer well; }}\n{once}\n{}", super::SERVE);
    let pi = script(&text)
        .env("OUT", &folder.0)
        .stop_grace(Duration::from_millis(100))
        .abort_timeout(Duration::from_millis(100));
    // By its own timeout: the manager would wait for ever.
    let timeouts = Timeouts::default().start(Duration::from_secs(60));
    let sessions = manager_with(pi, timeouts.abort(Duration::from_secs(600)));
    let mut sending = sessions.send_message("a", "x".repeat(3 << 20).into());
    within(sending.started()).await.expect("it starts");
    sending.abort();
    let error = within(sending).await.expect_err("nobody reads it").error;
    assert!(matches!(error, TurnError::Aborted), "{error:?}");
    let reply = within(send(&sessions, "again")).await.expect("a new one");
    assert_eq!(reply.text, "well");
}

#[tokio::test]
async fn the_words_of_a_refused_message_are_not_the_next_ones() {
    let folder = Folder::new();
    let refuses = "say response \",\\\"id\\\":\\\"$n\\\",\\\"success\\\":false,\\\"error\\\":\\\"no key\\\"\"";
    let sessions = manager(at_first(&folder, refuses));
    let error = agents(within(send(&sessions, "hello")).await);
    assert_eq!(error.to_string(), "pi refused: no key");
    let reply = within(send(&sessions, "again")).await.expect("it answers");
    assert_eq!(reply.text, "well");
}

#[tokio::test]
async fn a_message_of_megabytes_crosses_an_answer_of_megabytes() {
    // Writes more than a pipe holds before it reads what waits for it. The shell's own `read` would take minutes.
    let text = format!(
        "more=$(printf %0500d 0)
        flood() {{ i=0; while [ $i -lt 4000 ]; do say message_update \",\\\"x\\\":\\\"$more\\\"\"; i=$((i+1)); done; }}
        next; flood; length=$(head -n 1 | wc -c); n=2; accept; flood; said $length; say agent_settled; {SERVE}"
    );
    let sessions = manager(script(&text));
    let message = "x".repeat(3 << 20);
    let reply = within(send(&sessions, &message))
        .await
        .expect("both arrive");
    let length: usize = reply.text.parse().expect("a number");
    assert!(length > message.len(), "{length}");
}

#[tokio::test]
async fn floods_without_a_reader_stop_nobody() {
    // stderr and stdout at once, in turns and between them.
    let text = "accept; i=0; while [ $i -lt 20000 ]; do echo 'a line of stderr' >&2;
        say message_update ',\"assistantMessageEvent\":{\"type\":\"text_delta\",\"delta\":\"x\"}'; i=$((i+1)); done;
        said done; say agent_settled; i=0; while [ $i -lt 20000 ]; do say queue_update; i=$((i+1)); done";
    let sessions = manager(on_prompt(text));
    let listens = sessions.listen("a");
    for _ in 0..2 {
        let reply = within(send(&sessions, "hello")).await.expect("it answers");
        assert_eq!(reply.text, "done");
    }
    drop(listens);
}

#[tokio::test]
async fn a_pi_that_died_idle_is_replaced_before_the_message() {
    let folder = Folder::new();
    let sessions =
        manager(on_prompt("echo $$ >> \"$OUT\"; answer well").env("OUT", folder.join("pids")));
    for round in 1..=5 {
        let reply = within(send(&sessions, "hello"))
            .await
            .expect("each is answered");
        assert_eq!(reply.text, "well");
        let pids = folder.words("pids");
        assert_eq!(pids.len(), round, "each heard one message: {pids:?}");
        let killed = Command::new("kill").args(["-9", &pids[round - 1]]).status();
        assert!(killed.expect("`kill` can be run").success());
        // Not waited for: the look at its health finds out.
    }
}

#[tokio::test]
async fn commands_between_messages() {
    let sessions = manager(on_prompt("answer ok; exit 0"));
    let end = within(sessions.with_turn("a", async |pi| {
        for command in ["prompt", "steer", "follow_up"] {
            let refused = pi.request(command, Map::new()).await;
            assert!(
                matches!(refused, Err(PiError::Refused(_))),
                "{command}: {refused:?}"
            );
        }
        let state = pi
            .request("get_state", Map::new())
            .await
            .expect("it answers");
        assert_eq!(state["sessionId"], pi.session_id());
        pi.pid().to_string()
    }))
    .await;
    let pid = end.expect("it has a turn");
    within(send(&sessions, "hello")).await.expect("it answers");
    gone(&pid).await;
}
