//! The routes, as data: the router is made of this table, README.md shows it, and a test walks all of it.

/// What answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Send,
    All,
    One,
    Queue,
    Answer,
    Abort,
    Afresh,
    Delete,
    Listen,
    Feed,
    Drain,
    Accept,
    Health,
    Metrics,
    Page,
}

#[cfg(all(feature = "cluster", unix))]
impl Call {
    pub(crate) fn has_body(self) -> bool {
        matches!(self, Self::Send | Self::Answer | Self::Abort)
    }
}

/// One method of one address. `HEAD` is answered as `GET` is, without the body; every other method is refused.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code)] // README.md and the tests are made of the rest
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) call: Call,
    /// Whether it is answered without the token.
    pub(crate) open: bool,
    pub(crate) body: Body,
    /// What it does, and what it answers, for README.md.
    pub(crate) does: &'static str,
    pub(crate) answers: &'static str,
    /// The answer if no session has the name: a status, and the error if it is one.
    pub(crate) absent: (u16, &'static str),
}

/// What it takes. Queries are ignored everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Body {
    /// Nothing: a body is ignored.
    Ignored,
    /// A JSON object, or no body at all.
    Optional(&'static str),
    /// A JSON object.
    Required(&'static str),
}

pub(crate) const TABLE: &[Route] = &[
    Route {
        method: "POST",
        path: "/sessions/{key}/messages",
        call: Call::Send,
        open: false,
        body: Body::Required(r#"{"message": "..."}"#),
        does: "queues a message",
        answers: "200 `{\"key\", \"turn\", \"reply\"}`; with `Accept: text/event-stream` the events `started`, \
                  `part`, `question`, `lagged`, then `done` or `failed`",
        absent: (200, ""),
    },
    Route {
        method: "GET",
        path: "/sessions",
        call: Call::All,
        open: false,
        body: Body::Ignored,
        does: "all sessions",
        answers: "200, a list of the objects of the next row; with `--cluster` `{\"sessions\", \"unreachable\"}`, of all nodes; `\"unreachable\"` has nodes, and `\"etcd\"`",
        absent: (200, ""),
    },
    Route {
        method: "GET",
        path: "/sessions/{key}",
        call: Call::One,
        open: false,
        body: Body::Ignored,
        does: "one session",
        answers: "200 `{\"key\", \"phase\", \"elapsed_ms\", \"waiting\", \"incarnation\", \"turn\", \"note\", \"questions\", \"last\", \
                  \"trouble\"}`, with `--cluster` a `\"node\"` too; `incarnation` rises from session to session, with gaps; 404 `no_session`",
        absent: (404, "no_session"),
    },
    Route {
        method: "GET",
        path: "/sessions/{key}/queue",
        call: Call::Queue,
        open: false,
        body: Body::Ignored,
        does: "the messages that wait for a session",
        answers: "200, a list of `{\"turn\", \"first\", \"waited_ms\", \"message\"}` in the order of their turns, with the beginning of each \
                  message",
        absent: (200, ""),
    },
    Route {
        method: "GET",
        path: "/sessions/{key}/events",
        call: Call::Listen,
        open: false,
        body: Body::Ignored,
        does: "server-sent events: the output of a session from now on, for all its messages; with `Last-Event-ID`, from after \
               that event, as far as it is kept",
        answers: "200, events `part`, `question` and `lagged`",
        absent: (200, ""),
    },
    Route {
        method: "POST",
        path: "/sessions/{key}/questions/{id}",
        call: Call::Answer,
        open: false,
        body: Body::Required(r#"{"answer": "..."}"#),
        does: "answers an open question of the session; a question for yes or no also takes `{\"yes\": true}`",
        answers: "200 `{\"answered\": true}`; 404 `no_question` if it is no longer open",
        absent: (404, "no_question"),
    },
    Route {
        method: "POST",
        path: "/sessions/{key}/abort",
        call: Call::Abort,
        open: false,
        body: Body::Optional(r#"{"turn": 7}"#),
        does: "cancels the running turn; with a number, cancels that turn, or takes that message out of the queue",
        answers: "200 `{\"aborting\": true}`; 409 `no_turn`; 404 `no_session`",
        absent: (404, "no_session"),
    },
    Route {
        method: "POST",
        path: "/sessions/{key}/new",
        call: Call::Afresh,
        open: false,
        body: Body::Ignored,
        does: "cancels the turn and restarts the session with a new conversation; queued messages go to it",
        answers: "200, the session; 500 `not_kept`",
        absent: (200, ""),
    },
    Route {
        method: "DELETE",
        path: "/sessions/{key}",
        call: Call::Delete,
        open: false,
        body: Body::Ignored,
        does: "cancels the turn, dismisses the queue and stops the session",
        answers: "200 `{\"stopped\": true}`; 404 `no_session` if there was none (its conversation still ends); 500 `not_kept`",
        absent: (404, "no_session"),
    },
    Route {
        method: "GET",
        path: "/events",
        call: Call::Feed,
        open: false,
        body: Body::Ignored,
        does: "server-sent events: `sessions` after each change",
        answers: "200, events `{\"closing\", \"trouble\", \"sessions\"}`",
        absent: (200, ""),
    },
    Route {
        method: "POST",
        path: "/admin/drain",
        call: Call::Drain,
        open: false,
        body: Body::Ignored,
        does: "refuses new sessions (503 `not_accepting`); existing ones go on",
        answers: "200 `{\"draining\": true}`",
        absent: (200, ""),
    },
    Route {
        method: "DELETE",
        path: "/admin/drain",
        call: Call::Accept,
        open: false,
        body: Body::Ignored,
        does: "accepts new sessions again",
        answers: "200 `{\"draining\": false}`",
        absent: (200, ""),
    },
    Route {
        method: "GET",
        path: "/health",
        call: Call::Health,
        open: true,
        body: Body::Ignored,
        does: "whether chatd accepts messages, also for new sessions",
        answers: "200 `{\"status\": \"ok\"}`, or 503 `{\"status\": \"draining\"}` while new sessions are refused, or `\"closing\"` once chatd \
                  has been asked to end, or `\"no_lease\"` while the node of a cluster has no lease; a `\"trouble\"` says why, also with 200 if \
                  conversations cannot be kept",
        absent: (200, ""),
    },
    Route {
        method: "GET",
        path: "/metrics",
        call: Call::Metrics,
        open: false,
        body: Body::Ignored,
        does: "counters and histograms for Prometheus",
        answers: "200, text",
        absent: (200, ""),
    },
    Route {
        method: "GET",
        path: "/",
        call: Call::Page,
        open: true,
        body: Body::Ignored,
        does: "the page",
        answers: "200, HTML",
        absent: (200, ""),
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// As README.md has it.
    fn markdown() -> String {
        let mut text = "| route | body | does | answers |\n|---|---|---|---|\n".to_owned();
        for route in TABLE {
            let body = match route.body {
                Body::Ignored => String::new(),
                Body::Optional(body) => format!("`{body}` or none"),
                Body::Required(body) => format!("`{body}`"),
            };
            let Route {
                method,
                path,
                does,
                answers,
                ..
            } = route;
            let row = format!("| `{method} {path}` | {body} | {does} | {answers} |\n");
            text += &row.replace("|  |", "| |");
        }
        text
    }

    #[test]
    fn the_readme_shows_this_table() {
        let readme = include_str!("../../README.md");
        let table = markdown();
        assert!(readme.contains(&table), "README.md needs this:\n{table}");
    }
}
