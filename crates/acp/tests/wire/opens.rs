//! The begin of a process and of its sessions.

use super::*;
use crate::updates::{line, respond};
use std::error::Error;

fn initialized(capabilities: &Value) -> Value {
    json!({"protocolVersion": 1, "agentCapabilities": capabilities})
}

/// The error that ends the process.
fn fault(probe: &mut Probe, it: &Value) -> String {
    probe.sent();
    let fault = probe.line(it.to_string().as_bytes());
    fault.expect_err("it ends the process").to_string()
}

#[test]
fn what_is_offered_and_asked() {
    let agent = AcpAgent::builder("agent")
        .mcp_server(json!({"name": "m"}))
        .auth_method("key");
    let mut probe = Probe::new(agent);
    let initialize = respond(&mut probe, &initialized(&json!({})));
    assert_eq!(initialize["params"]["protocolVersion"], 1);
    let files = json!({"readTextFile": false, "writeTextFile": false});
    assert_eq!(
        initialize["params"]["clientCapabilities"],
        json!({"fs": files, "terminal": false})
    );
    probe.open(0, None);
    // It waits for the account.
    let account = respond(&mut probe, &json!({}));
    assert_eq!(
        (&account["method"], &account["params"]),
        (&json!("authenticate"), &json!({"methodId": "key"}))
    );
    let new = respond(&mut probe, &json!({"sessionId": "s", "modes": 7}));
    let params = json!({"cwd": "/", "mcpServers": [{"name": "m"}]});
    assert_eq!(
        (&new["method"], &new["params"]),
        (&json!("session/new"), &params)
    );
    assert_eq!(probe.received(), [(0, Received::Opened(true))]);
    assert_eq!(&*probe.opened[&0].id, "s");
    // The agent cannot close it.
    probe.close(0);
    assert!(probe.sent().is_empty());
}

#[test]
fn a_session_is_resumed_if_the_agent_can() {
    let both = json!({"loadSession": true, "sessionCapabilities": {"resume": {}}});
    let cases = [
        (json!({}), "session/new"),
        (json!({"loadSession": true}), "session/load"),
        (
            json!({"sessionCapabilities": {"resume": {}}}),
            "session/resume",
        ),
        (both.clone(), "session/resume"),
        (
            json!({"loadSession": 1, "sessionCapabilities": {"resume": null}}),
            "session/new",
        ),
    ];
    for (can, method) in cases {
        let mut probe = Probe::new(AcpAgent::builder("agent"));
        probe.open(0, Some("old".to_owned()));
        respond(&mut probe, &initialized(&can));
        let open = respond(&mut probe, &json!({"sessionId": "new"}));
        assert_eq!(open["method"], method);
        let resumes = method != "session/new";
        assert_eq!(open["params"].get("sessionId").is_some(), resumes);
        probe.received();
        let id = if resumes { "old" } else { "new" };
        assert_eq!(&*probe.opened[&0].id, id, "{method}");
    }
    // It refuses: then a new one, once.
    let mut probe = Probe::new(AcpAgent::builder("agent"));
    probe.open(0, Some("old".to_owned()));
    respond(&mut probe, &initialized(&both));
    probe.sent();
    line(
        &mut probe,
        &json!({"id": 2, "error": {"code": 1, "message": "gone"}}),
    );
    let sent = probe.sent();
    assert_eq!((&sent[0]["method"], sent.len()), (&json!("session/new"), 1));
    line(
        &mut probe,
        &json!({"id": 3, "error": {"code": 1, "message": "no"}}),
    );
    assert_eq!(
        (probe.received(), probe.sent()),
        (vec![(0, Received::Opened(false))], vec![])
    );
    // An agent that wants an account would want it for a new one too.
    probe.open(1, Some("old".to_owned()));
    line(
        &mut probe,
        &json!({"id": 4, "error": {"code": -32000, "message": "who?"}}),
    );
    assert_eq!(probe.received(), [(1, Received::Opened(false))]);
}

#[test]
fn starts_that_end_the_process() {
    let start = || {
        let mut probe = Probe::new(AcpAgent::builder("agent").auth_method("key"));
        probe.open(0, None);
        probe
    };
    let methods = json!([{"id": "one"}, {}, {"id": "two"}]);
    let two = json!({"id": 1, "result": {"protocolVersion": 2}});
    assert_eq!(
        fault(&mut start(), &two),
        "the agent speaks version 2 of ACP, not 1"
    );
    let refused = json!({"id": 1, "error": {"code": 1, "message": "no"}});
    assert_eq!(
        fault(&mut start(), &refused),
        "the agent refused initialize: no (1)"
    );
    let mut probe = start();
    respond(
        &mut probe,
        &json!({"protocolVersion": 1, "authMethods": methods}),
    );
    let account = json!({"id": 2, "error": {"code": -32000, "message": "who?"}});
    assert_eq!(
        fault(&mut probe, &account),
        "the agent wants an account: who? (one, two)"
    );

    let opening = || {
        let mut probe = Probe::new(AcpAgent::builder("agent"));
        probe.open(0, None);
        probe.open(1, None);
        respond(
            &mut probe,
            &initialized(&json!({"sessionCapabilities": {"close": {}}})),
        );
        probe.sent();
        probe
    };
    let opened = |id: u64, session: &str| json!({"id": id, "result": {"sessionId": session}});
    let without = "unexpected output from the agent: a new session without an id";
    assert_eq!(
        fault(&mut opening(), &json!({"id": 2, "result": {}})),
        without
    );
    assert_eq!(
        fault(&mut opening(), &opened(2, &"i".repeat(1025))),
        without
    );
    let mut probe = opening();
    line(&mut probe, &opened(2, &"i".repeat(1024)));
    line(&mut probe, &opened(3, "s"));
    assert!(probe.sent().is_empty());
    let mut probe = opening();
    line(&mut probe, &opened(2, "s"));
    let twice = "unexpected output from the agent: two sessions with the same id";
    assert_eq!(fault(&mut probe, &opened(3, "s")), twice);
    // A start that was cut short: what was opened for it is closed.
    let mut probe = opening();
    probe.close(0);
    line(&mut probe, &opened(2, "s"));
    let sent = probe.sent();
    assert_eq!(
        (&sent[0]["method"], &sent[0]["params"]),
        (&json!("session/close"), &json!({"sessionId": "s"}))
    );
    assert!(probe.received().is_empty());
    // One that still waits for the process is not even opened.
    let mut probe = start();
    probe.close(0);
    respond(&mut probe, &json!({"protocolVersion": 1}));
    respond(&mut probe, &json!({}));
    assert!(probe.sent().is_empty());
}

/// The error of a start has what the error of its process has.
#[test]
fn errors_of_starts() {
    let cause = std::io::Error::other(Cause(std::fmt::Error));
    let source = Box::new(AcpError::Io(cause.into()));
    let failed = AcpError::NotStarted { source };
    assert!(failed.source().is_some_and(|it| it.is::<std::fmt::Error>()));
    assert_eq!(failed.stderr(), None);
    let stderr = "no licence".to_owned();
    let source = Box::new(AcpError::Exited {
        status: None,
        stderr,
    });
    let failed = AcpError::NotStarted { source };
    assert_eq!(failed.stderr(), Some("no licence"));
    assert!(failed.source().is_none());
}

/// An error with a source.
#[derive(Debug)]
struct Cause(std::fmt::Error);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a cause")
    }
}

impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
