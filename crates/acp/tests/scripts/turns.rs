//! Turns: what comes, what goes wrong, and what the next turn meets.

use super::{
    Folder, agents, at_first, event, gone, manager, on_prompt, pid, runs, said, script, send,
    within,
};
use serde_json::json;
use std::time::Duration;
use turnwise::{Phase, manager::*};
use turnwise_acp::{AcpError, AcpEvent, AcpMessage, AcpStop};

#[tokio::test]
async fn what_comes_and_what_is_told() {
    let sessions = manager(on_prompt(
        r#"update '"agent_thought_chunk","content":{"type":"text","text":"hm"}'
        text hel
        update '"tool_call","toolCallId":"t","title":"Read","kind":"read","status":"pending","rawInput":{"path":"/a"}'
        update '"tool_call_update","toolCallId":"t","status":"completed","content":[]'
        update '"plan","entries":[{"content":"look","priority":"high","status":"pending"}]'
        update '"current_mode_update","currentModeId":"code"'
        update '"usage_update","used":null,"size":100,"cost":{"amount":0.5,"currency":"USD"}'
        update '"agent_message_chunk","content":{"type":"image","data":""}'
        update '"something_new","x":1'
        text lo
        n=$p; respond '{"stopReason":"max_tokens","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}'"#,
    ));
    let mut sending = sessions.send_message("a", "hello".into());
    let mut events = Vec::new();
    while let Some(update) = within(sending.next_event()).await {
        match update {
            Update::Event(event) => events.push(serde_json::to_value(event).expect("it is data")),
            update => panic!("{update:?}"),
        }
    }
    let call = |id: &str| {
        json!({"toolCallId": id, "title": null, "kind": null, "status": null, "rawInput": null,
            "rawOutput": null, "content": null, "locations": null})
    };
    let mut started = call("t");
    started["title"] = "Read".into();
    started["kind"] = "read".into();
    started["status"] = "pending".into();
    started["rawInput"] = json!({"path": "/a"});
    let mut updated = call("t");
    updated["status"] = "completed".into();
    updated["content"] = json!([]);
    let image =
        json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "image", "data": ""}});
    let expected = [
        json!({"Thought": "hm"}),
        json!({"Text": "hel"}),
        json!({"ToolCall": started}),
        json!({"ToolUpdate": updated}),
        json!({"Plan": [{"content": "look", "priority": "high", "status": "pending"}]}),
        json!({"Mode": "code"}),
        json!({"Context": {"used": null, "size": 100, "cost": 0.5}}),
        json!({"Other": {"kind": "agent_message_chunk", "update": image}}),
        json!({"Other": {"kind": "something_new", "update": {"sessionUpdate": "something_new", "x": 1}}}),
        json!({"Text": "lo"}),
    ];
    assert_eq!(events, expected);
    let reply = within(sending).await.expect("it is answered");
    assert_eq!((&*reply.text, &reply.stop), ("hello", &AcpStop::MaxTokens));
    assert_eq!(reply.usage.map(|usage| usage.total_tokens), Some(3));
}

#[tokio::test]
async fn what_the_agent_cannot_read_is_not_sent() {
    let message = AcpMessage::new("a")
        .image("AA==", "image/png")
        .resource("file:///a", "b")
        .link("file:///b", "b");
    let echo = "case $line in *'\"type\":\"image\"'*'\"type\":\"resource\"'*'\"type\":\"resource_link\"'*) answer all ;; *) answer some ;; esac";
    for (can, expected) in [
        ("{}", Err("the agent does not accept images")),
        (
            r#"{"image":true}"#,
            Err("the agent does not accept resources"),
        ),
        (r#"{"image":true,"embeddedContext":true}"#, Ok("all")),
    ] {
        let agent = script(&format!(
            "can='\"promptCapabilities\":{can}'\non() {{ {echo}\n}}\n{}",
            super::SERVE
        ));
        let sessions = manager(agent);
        let sent = within(sessions.send_message("a", message.clone())).await;
        let got = sent
            .map(|reply| reply.text)
            .map_err(|error| agents::<()>(Err(error.error)).to_string());
        assert_eq!(got, expected.map(str::to_owned).map_err(str::to_owned));
        assert_eq!(said(&sessions, "a").await, "some", "the session is well");
    }
}

#[tokio::test]
async fn a_refused_prompt_is_an_error_and_the_next_one_works() {
    let folder = Folder::new();
    let sessions = manager(at_first(&folder, "n=$p; fail -32603 'no model'"));
    let error = agents(send(&sessions, "a", "hello").await);
    assert_eq!(
        error.to_string(),
        "the agent refused session/prompt: no model (-32603)"
    );
    assert_eq!(said(&sessions, "a").await, "well");
}

#[tokio::test]
async fn an_agent_that_ends_in_a_turn_says_why_and_the_next_works() {
    let folder = Folder::new();
    let sessions = manager(at_first(&folder, "echo 'out of memory' >&2; kill -9 $$"));
    let waits = sessions.send_message("a", "hello".into());
    let next = sessions.send_message("a", "hello".into());
    let error = agents(within(waits).await.map_err(|error| error.error));
    assert_eq!(
        error.to_string(),
        "the agent ended: signal: 9 (SIGKILL); stderr: out of memory"
    );
    assert_eq!(within(next).await.expect("a new one").text, "well");
}

#[tokio::test]
async fn what_it_wrote_before_its_end_counts() {
    let sessions = manager(on_prompt("answer 'last words'; exit 0"));
    let mut events = sessions.subscribe();
    for round in 0..30 {
        let reply = send(&sessions, "a", "hello").await;
        let reply = reply.unwrap_or_else(|error| panic!("round {round}: {error:?}"));
        assert_eq!(reply.text, "last words");
        // A message to it would fail now, until its end is noticed.
        super::unasked::discarded(&mut events, "a").await;
    }
}

/// One that reads no more, or writes no more, and runs on.
#[tokio::test]
async fn a_closed_pipe_ends_the_turn_and_the_process() {
    for closes in ["exec >&-", "exec <&-; text last; exec >&-"] {
        let folder = Folder::new();
        let text = format!("note $$; {closes}; sleep 600");
        let sessions = manager(at_first(&folder, &text).stop_grace(Duration::from_millis(100)));
        let error = agents(send(&sessions, "a", "hello").await);
        assert!(matches!(error, AcpError::Exited { .. }), "{error:?}");
        assert!(!runs(&folder.notes()[0]));
        assert_eq!(said(&sessions, "a").await, "well");
    }
}

#[tokio::test]
async fn what_it_should_not_write_ends_the_turn_and_the_process() {
    let faults = [
        ("echo console.log", "expected value"),
        ("echo '[]'", "invalid type: sequence"),
        ("echo '{}'", "neither a method nor an id"),
        ("say '\"method\":7'", "a method that is no text"),
        (
            "say '\"id\":null,\"error\":{\"code\":-32700,\"message\":\"Parse error\"}'",
            "Parse error",
        ),
        (
            "say '\"method\":\"session/update\"'",
            "an update without session or kind",
        ),
        ("n=$p; respond '{}'", "the end of a turn without a reason"),
    ];
    for (fault, expected) in faults {
        let folder = Folder::new();
        let text = format!("note $$; {fault}; trap '' TERM; sleep 600");
        let sessions = manager(at_first(&folder, &text).stop_grace(Duration::from_millis(100)));
        let error = agents(send(&sessions, "a", "hello").await);
        assert!(
            matches!(error, AcpError::Protocol { .. }),
            "{fault}: {error:?}"
        );
        assert!(error.to_string().contains(expected), "{fault}: {error}");
        assert!(
            !runs(&folder.notes()[0]),
            "it is gone before the turn has ended"
        );
        assert_eq!(said(&sessions, "a").await, "well", "{fault}");
    }
}

#[tokio::test]
async fn a_line_without_end_is_an_error() {
    let folder = Folder::new();
    let sessions = manager(at_first(&folder, "tr '\\0' x < /dev/zero").line_limit(1 << 20));
    let error = agents(send(&sessions, "a", "hello").await);
    assert_eq!(
        error.to_string(),
        "the agent wrote a line of more than 1048576 bytes"
    );
    assert_eq!(said(&sessions, "a").await, "well");
}

#[tokio::test]
async fn a_reply_without_end_is_cut_and_the_events_are_not() {
    let text = "i=0; while [ $i -lt 100 ]; do text ööööööööö; i=$((i + 1)); done; ended";
    let sessions = manager(on_prompt(text).line_limit(501));
    let mut sending = sessions.send_message("a", "hello".into());
    let mut count = 0;
    while let Some(update) = within(sending.next_event()).await {
        count += usize::from(matches!(update, Update::Event(AcpEvent::Text(_))));
    }
    assert_eq!(count, 100);
    assert_eq!(
        within(sending).await.expect("it is answered").text,
        "ö".repeat(250)
    );
}

/// Responses to nobody, words of another session, extensions: they belong to no turn.
#[tokio::test]
async fn what_is_late_or_unknown_is_ignored() {
    let folder = Folder::new();
    let text = r#"
        n=1; respond '{}'; n=999; respond '{}'; n='"x"'; respond '{}'; say '"id":null,"result":{}'; echo; echo '  '
        say '"method":"_ext/news","params":{}'; say '"method":"$/cancel_request"'
        s=$sid; sid=other; text 'not yours'; sid=$s
        for m in fs/read_text_file fs/write_text_file terminal/create _ext/ask; do
            say "\"id\":\"$m\",\"method\":\"$m\",\"params\":{\"sessionId\":\"$sid\"}"
            IFS= read -r line
            case $line in *'"code":-32601'*"\"id\":\"$m\""*) note refused ;; esac
        done
        say '"id":5,"method":"session/request_permission","params":{"sessionId":"other"}'; IFS= read -r line
        case $line in *-32602*'"id":5'*) note refused ;; esac
        say "\"id\":6,\"method\":\"session/request_permission\",\"params\":{\"sessionId\":\"$sid\"}"; IFS= read -r line
        case $line in *-32602*'"id":6'*) note refused ;; esac
        answer ok"#;
    let sessions = manager(on_prompt(text).env("OUT", &folder));
    for _ in 0..3 {
        assert_eq!(said(&sessions, "a").await, "ok");
    }
    assert_eq!(folder.notes().len(), 18, "{:?}", folder.notes());
}

#[tokio::test]
async fn an_abort_is_obeyed_in_one_way_or_the_other() {
    // Some agents end a cancelled turn with an error, some do not hear the first cancel.
    let obeys = [
        "cancel() { ended cancelled; }",
        "cancel() { n=$p; fail -32800 'Request cancelled'; }",
        "cancel() { heard=$((heard + 1)); [ $heard -lt 3 ] || { heard=0; ended cancelled; }; }",
    ];
    for cancel in obeys {
        let text = format!(
            "heard=0; {cancel}\non() {{ case $line in *hang*) text begun ;; *) answer well ;; esac; }}\n{}",
            super::SERVE
        );
        let sessions = manager(script(&text).abort_timeout(Duration::from_secs(40)));
        let first = pid(&sessions, "a").await;
        let mut sending = sessions.send_message("a", "hang".into());
        event(&mut sending, |event| matches!(event, AcpEvent::Text(_))).await;
        sending.abort();
        let end = within(sending).await.map_err(|error| error.error);
        assert!(matches!(end, Err(TurnError::Aborted)), "{cancel}: {end:?}");
        assert_eq!(said(&sessions, "a").await, "well");
        assert_eq!(pid(&sessions, "a").await, first, "it is well");
    }
}

/// An agent that answers all the same has answered.
#[tokio::test]
async fn an_answer_after_an_abort_counts() {
    let sessions = manager(script(&format!(
        "cancel() {{ answer late; }}\non() {{ text begun-; }}\n{}",
        super::SERVE
    )));
    let mut sending = sessions.send_message("a", "hello".into());
    event(&mut sending, |event| matches!(event, AcpEvent::Text(_))).await;
    sending.abort();
    assert_eq!(
        within(sending).await.expect("it had answered").text,
        "begun-late"
    );
}

#[tokio::test]
async fn an_abort_that_is_not_heeded_ends_the_session() {
    let folder = Folder::new();
    let text = "note $$; while :; do take; done";
    let agent = at_first(&folder, text).abort_timeout(Duration::from_millis(200));
    let sessions = manager(agent);
    let mut events = sessions.subscribe();
    let sending = sessions.send_message("a", "hello".into());
    let pid = folder.noted(1).await.remove(0);
    sending.abort();
    let end = within(sending).await.map_err(|error| error.error);
    assert!(matches!(end, Err(TurnError::Aborted)), "{end:?}");
    gone(pid).await;
    within(async {
        loop {
            match events.next().await {
                Some(Update::Event(SessionEvent::Stopped { reason, .. })) => {
                    return assert_eq!(reason, StopReason::Discarded);
                }
                Some(_) => {}
                None => panic!("it was stopped"),
            }
        }
    })
    .await;
    assert_eq!(said(&sessions, "a").await, "well");
}

/// Nothing grows while nobody reads.
#[tokio::test]
async fn a_slow_reader_slows_the_agent() {
    let folder = Folder::new();
    // More than the channels, the manager's queue and the pipes hold.
    let text = "i=0; while [ $i -lt 2000 ]; do text 0123456789012345678901234567890123456789; i=$((i + 1)); done; note written; ended";
    let sessions = manager(on_prompt(text).env("OUT", &folder));
    let mut sending = sessions.send_message("a", "hello".into());
    event(&mut sending, |_| true).await;
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    assert!(folder.notes().is_empty(), "it waits");
    assert_eq!(
        sessions.status("a").expect("it is there").phase,
        Phase::Busy
    );
    let mut count = 1;
    while let Some(update) = within(sending.next_event()).await {
        assert!(
            matches!(update, Update::Event(AcpEvent::Text(_))),
            "{update:?}"
        );
        count += 1;
    }
    assert_eq!(count, 2000, "none is lost");
    within(sending).await.expect("it is answered");
}

#[tokio::test]
async fn a_request_of_the_user() {
    let text = r#"handle() {
        case $line in
            *initialize*) initialize ;;
            *session/new*) create ;;
            *session/prompt*) p=$n; answer ok ;;
            *'"method":"_ext/ask"'*'"x":1'*) respond '{"y":2}' ;;
            *'"method":"_ext/end"'*) exit 7 ;;
            *) fail -32601 'Method not found' ;;
        esac
    }"#;
    let sessions = manager(script(&format!("{text}\n{}", super::SERVE)));
    let end = within(sessions.with_turn("a", async |session| {
        let result = session
            .request("_ext/ask", json!({"x": 1}))
            .await
            .expect("it answers");
        assert_eq!(result, json!({"y": 2}));
        let refused = session.set_model("m").await.expect_err("it has none");
        assert_eq!(
            refused.to_string(),
            "the agent refused session/set_model: Method not found (-32601)"
        );
        session
            .request("_ext/end", json!({}))
            .await
            .expect_err("it ends")
            .to_string()
    }))
    .await;
    assert_eq!(
        end.expect("it has a turn"),
        "the agent ended: exit status: 7"
    );
    assert_eq!(said(&sessions, "a").await, "ok");
}
