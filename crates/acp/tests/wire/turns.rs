//! Turns and questions, with their times.

use super::*;
use crate::updates::{line, opened, update};

const LIMIT: Duration = Duration::from_secs(3);
const MS: Duration = Duration::from_millis(1);

/// A probe in a turn, which answers nothing by itself.
fn in_turn() -> Probe {
    let agent = AcpAgent::builder("agent").permissions(AcpPolicy::Ask);
    let mut probe = opened(agent.permission_timeout(LIMIT).abort_timeout(LIMIT));
    probe.prompt(0);
    probe
}

fn ask(probe: &mut Probe, id: &str, kind: &str, options: &[&str]) {
    let option = |kind: &&str| json!({"optionId": format!("{kind}!"), "name": "", "kind": kind});
    let options: Vec<Value> = options.iter().map(option).collect();
    let params = json!({"sessionId": "s", "options": options,
        "toolCall": {"toolCallId": "1", "title": "rm", "kind": kind}});
    line(
        probe,
        &json!({"id": id, "method": "session/request_permission", "params": params}),
    );
}

/// The answers to these questions, and for each the option that was chosen.
fn answers(probe: &mut Probe) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let sent = probe.sent();
    let answers = sent.iter().filter(|line| line.get("result").is_some());
    let answer = |line: &Value| {
        let outcome = &line["result"]["outcome"];
        let chosen = ["cancelled", "selected"][usize::from(outcome["optionId"].is_string())];
        assert_eq!(outcome["outcome"], chosen);
        (
            text(&line["id"]).expect("an id"),
            text(&outcome["optionId"]),
        )
    };
    answers.map(answer).collect()
}

fn answer(id: &str, option: Option<&str>) -> (String, Option<String>) {
    (id.to_owned(), option.map(str::to_owned))
}

#[test]
fn policies() {
    let all = ["allow_always", "allow_once", "reject_always", "reject_once"];
    let cases: [(AcpPolicy, &str, &[&str], Option<&str>); 9] = [
        (AcpPolicy::Deny, "read", &all, Some("reject_once!")),
        (AcpPolicy::Deny, "read", &all[..3], Some("reject_always!")),
        (AcpPolicy::Deny, "read", &all[..2], None),
        (AcpPolicy::AllowReads, "read", &all, Some("allow_once!")),
        (AcpPolicy::AllowReads, "search", &all, Some("allow_once!")),
        (AcpPolicy::AllowReads, "edit", &all, Some("reject_once!")),
        (AcpPolicy::AllowReads, "edit", &all[..2], None),
        (
            AcpPolicy::AllowReads,
            "read",
            &["allow_always", "reject_once"],
            Some("reject_once!"),
        ),
        (AcpPolicy::AllowReads, "read", &["allow_always"], None),
    ];
    for (policy, kind, options, chosen) in cases {
        let mut probe = opened(AcpAgent::builder("agent").permissions(policy));
        ask(&mut probe, "q", kind, options);
        assert_eq!(
            answers(&mut probe),
            [answer("q", chosen)],
            "{policy:?} {kind} {options:?}"
        );
    }
}

#[test]
fn requests_that_are_refused() {
    let mut probe = in_turn();
    let error = |code: i64, message: &str| json!({"code": code, "message": message});
    let permission =
        |params: Value| json!({"id": 7, "method": "session/request_permission", "params": params});
    let tool = json!({"toolCallId": "1"});
    let cases = [
        (
            json!({"id": 7, "method": "fs/read_text_file", "params": {"sessionId": "s"}}),
            error(-32601, "this client does not offer fs/read_text_file"),
        ),
        (
            permission(json!({"toolCall": tool, "options": []})),
            error(-32602, "no such session"),
        ),
        (
            permission(json!({"sessionId": "x", "toolCall": tool, "options": []})),
            error(-32602, "no such session"),
        ),
        (
            permission(json!({"sessionId": "s", "toolCall": tool})),
            error(-32602, "no tool call or no options"),
        ),
    ];
    probe.sent();
    for (request, error) in cases {
        line(&mut probe, &request);
        assert_eq!(
            probe.sent(),
            [json!({"jsonrpc": "2.0", "id": 7, "error": error})]
        );
    }
    assert!(probe.reports().is_empty());
}

#[test]
fn a_question_in_a_turn_and_outside() {
    let mut probe = in_turn();
    let note = |note: &str| json!({"note": note});
    let closed = json!({"event": {"PermissionClosed": 0}});
    for id in ["a", "b"] {
        ask(&mut probe, id, "edit", &["reject_once"]);
        let reports = probe.reports();
        assert_eq!(reports[0], note("asks for permission: rm"));
        assert_eq!(reports[1]["event"]["Permission"]["tool"]["title"], "rm");
    }
    assert_eq!(probe.waits(), Some(LIMIT));
    // One of them is late: the other is not answered yet, so the turn still waits.
    assert_eq!(probe.answer(0, 1, "y"), 1);
    assert_eq!(probe.reports(), std::slice::from_ref(&closed));
    assert_eq!(probe.answer(0, 99, "z"), 1);
    assert_eq!(probe.reports(), [closed, note("running")]);
    assert_eq!(
        answers(&mut probe),
        [answer("a", Some("y")), answer("b", Some("z"))]
    );

    respond_prompt(&mut probe, &json!({"stopReason": "end_turn"}));
    probe.reports();
    ask(&mut probe, "c", "edit", &[]);
    let reports = probe.reports();
    assert_eq!(reports.len(), 1, "no note outside of turns");
    assert_eq!(reports[0]["unasked"]["Permission"]["id"], 0);
    assert_eq!(probe.answer(0, 99, "y"), 1);
    assert_eq!(
        probe.reports(),
        [json!({"unasked": {"PermissionClosed": 0}})]
    );
}

/// The prompt is the third request.
fn respond_prompt(probe: &mut Probe, result: &Value) {
    line(probe, &json!({"id": 3, "result": result}));
}

#[test]
fn a_question_that_nobody_answers_is_refused_in_its_time() {
    let mut probe = in_turn();
    ask(&mut probe, "a", "edit", &["reject_once"]);
    probe.wait(LIMIT - MS);
    ask(&mut probe, "b", "edit", &[]);
    assert_eq!((answers(&mut probe), probe.waits()), (vec![], Some(MS)));
    probe.wait(MS);
    assert_eq!(answers(&mut probe), [answer("a", Some("reject_once!"))]);
    assert_eq!(probe.waits(), Some(LIMIT - MS));
    probe.wait(LIMIT - MS);
    assert_eq!(
        (answers(&mut probe), probe.waits()),
        (vec![answer("b", None)], None)
    );
}

#[test]
fn a_cancel_is_repeated_until_its_time_is_over() {
    let mut probe = in_turn();
    ask(&mut probe, "a", "edit", &["reject_once"]);
    probe.sent();
    probe.cancel(0);
    let cancel =
        json!({"jsonrpc": "2.0", "method": "session/cancel", "params": {"sessionId": "s"}});
    let sent = probe.sent();
    assert_eq!(sent[0], cancel);
    assert_eq!(
        sent[1]["result"]["outcome"],
        json!({"outcome": "cancelled"})
    );
    probe.reports();
    // A question after a cancel is refused at once.
    ask(&mut probe, "b", "edit", &["reject_once"]);
    assert_eq!(answers(&mut probe), [answer("b", None)]);
    for pause in [200, 400, 800] {
        let pause = MS * pause;
        assert_eq!(probe.waits(), Some(pause));
        probe.wait(pause - MS);
        assert!(probe.sent().is_empty());
        probe.wait(MS);
        assert_eq!(probe.sent(), std::slice::from_ref(&cancel));
    }
    assert_eq!(probe.waits(), Some(MS * 1600));
    probe.wait(MS * 1599);
    assert!(probe.sent().is_empty() && probe.reports().is_empty());
    probe.wait(MS);
    let why = "the turn did not end within 3s after its abort";
    assert_eq!(
        probe.reports(),
        [json!({"error": why}), json!({"over": why})]
    );
    assert_eq!((probe.sent(), probe.waits()), (vec![], None));
    // Its response is late.
    respond_prompt(&mut probe, &json!({"stopReason": "cancelled"}));
    assert!(probe.reports().is_empty());
}

#[test]
fn times_without_end() {
    let agent = AcpAgent::builder("agent").permissions(AcpPolicy::Ask);
    let mut probe = opened(
        agent
            .permission_timeout(Duration::MAX)
            .abort_timeout(Duration::MAX),
    );
    probe.prompt(0);
    ask(&mut probe, "a", "edit", &[]);
    let days = Duration::from_secs(24 * 3600);
    assert!(probe.waits().is_some_and(|time| time > days * 365));
    probe.cancel(0);
    probe.wait(days);
    assert!(probe.reports().iter().all(|it| it.get("over").is_none()));
}

#[test]
fn ends_of_turns() {
    let usage = json!({"inputTokens": 1, "outputTokens": 2, "totalTokens": 3});
    let reasons = [
        ("end_turn", json!("EndTurn")),
        ("max_tokens", json!("MaxTokens")),
        ("max_turn_requests", json!("MaxTurnRequests")),
        ("refusal", json!("Refusal")),
        ("cancelled", json!("Cancelled")),
        ("tired", json!({"Other": "tired"})),
    ];
    for (word, stop) in reasons {
        let mut probe = in_turn();
        for text in ["he", "llo"] {
            update(
                &mut probe,
                &json!({"sessionUpdate": "agent_message_chunk", "content": {"text": text}}),
            );
        }
        ask(&mut probe, "a", "edit", &["reject_once"]);
        probe.reports();
        respond_prompt(&mut probe, &json!({"stopReason": word, "usage": usage}));
        let closed = json!({"event": {"PermissionClosed": 0}});
        let reply = json!({"text": "hello", "stop": stop, "usage": usage});
        assert_eq!(probe.reports(), [closed, json!({"reply": reply})]);
        assert_eq!(
            answers(&mut probe),
            [answer("a", None)],
            "it has given up waiting"
        );
    }
    let errors = [
        (-32603, "the agent refused session/prompt: no: why (-32603)"),
        (-32000, "the agent wants an account: no: why ()"),
    ];
    for (code, error) in errors {
        let mut probe = in_turn();
        line(
            &mut probe,
            &json!({"id": 3, "error": {"code": code, "message": "no", "data": "why"}}),
        );
        assert_eq!(probe.reports(), [json!({"error": error})]);
    }
    // After a cancel, both mean that it was aborted. An answer that is complete is one.
    let ends = [
        (json!({"result": {"stopReason": "cancelled"}}), true),
        (json!({"error": {"code": 1}}), true),
        (json!({"result": {"stopReason": "end_turn"}}), false),
    ];
    for (mut end, aborted) in ends {
        let mut probe = in_turn();
        probe.cancel(0);
        end["id"] = 3.into();
        line(&mut probe, &end);
        let reports = probe.reports();
        assert_eq!(reports[0].get("error").is_some(), aborted, "{reports:?}");
        assert_eq!(probe.waits(), None);
    }
}

#[test]
fn a_session_that_is_closed_in_its_turn() {
    let mut probe = in_turn();
    ask(&mut probe, "a", "edit", &[]);
    probe.sent();
    probe.close(0);
    let sent = probe.sent();
    assert_eq!(sent[0]["method"], "session/cancel");
    assert_eq!(sent[1]["id"], "a");
    assert_eq!(
        (&sent[2]["method"], sent.len()),
        (&json!("session/close"), 3)
    );
    // Another turn of it cannot begin.
    probe.reports();
    probe.prompt(0);
    assert_eq!(
        probe.reports(),
        [json!({"error": "unexpected output from the agent: no session"})]
    );
    assert!(probe.sent().is_empty());
}

#[test]
fn the_end_of_a_process_ends_all() {
    let mut probe = in_turn();
    ask(&mut probe, "a", "edit", &[]);
    probe.reports();
    probe.open(1, None);
    probe.end(&AcpError::LineTooLong { limit: 7 });
    let why = "the agent wrote a line of more than 7 bytes";
    let ends = [
        json!({"event": {"PermissionClosed": 0}}),
        json!({"error": why}),
        json!({"over": why}),
    ];
    assert_eq!(probe.reports(), ends);
    assert_eq!(probe.received(), [(1, Received::Opened(false))]);
    let mut probe = opened(AcpAgent::builder("agent"));
    probe.end(&AcpError::Aborted);
    assert_eq!(probe.reports(), [json!({"over": "the turn was aborted"})]);
}

#[test]
fn beside_a_turn() {
    let mut probe = in_turn();
    probe.sent();
    // Another turn cannot begin, and other notifications are ignored.
    probe.prompt(0);
    let none = json!({"error": "unexpected output from the agent: no session"});
    assert_eq!(probe.reports(), [none]);
    line(&mut probe, &json!({"method": "news", "params": 7}));
    let mut replies = [probe.request(0), probe.request(0)];
    let sent = probe.sent();
    assert_eq!(sent.len(), 2);
    let request =
        json!({"jsonrpc": "2.0", "id": 4, "method": "m", "params": {"a": 1, "sessionId": "s"}});
    assert_eq!(sent[0], request);
    line(
        &mut probe,
        &json!({"id": 5, "error": {"code": 1, "message": "no"}}),
    );
    line(&mut probe, &json!({"id": 4, "result": 7}));
    let mut reply = |index: usize| replies[index].try_recv().expect("it is answered");
    assert_eq!(reply(0).expect("a result"), 7);
    let refused = reply(1).expect_err("a refusal").to_string();
    assert_eq!(refused, "the agent refused m: no (1)");
    respond_prompt(&mut probe, &json!({"stopReason": "end_turn"}));
    assert!(probe.reports()[0].get("reply").is_some());
}
