//! That the checker sees what it is there to see: histories that lie are refused, and an unusual order is found.

use crate::record::Recorder;
use crate::steps::{Given, Id, Key, Phase, Refusal, Step, Told, id};
use std::sync::Arc;

const KEY: Key = 0;

/// A history that is written by hand. Each call has a name, so that it can return later.
struct Written {
    recorder: Arc<Recorder>,
    task: usize,
}

impl Written {
    /// A key that is started by the first ticket, with session 1 in number 1.
    fn new() -> Self {
        let written = Self {
            recorder: Recorder::begin(),
            task: 0,
        };
        written.say(Step::Begin {
            max_sessions: usize::MAX,
            max_waiting: usize::MAX,
        });
        written.say(enter(1));
        written.say(look(1, Some(Ok(given(1, None)))));
        written.say(Step::Fill {
            key: KEY,
            id: id(KEY, 1),
            session: 1,
            number: 1,
        });
        written
    }

    /// A call that nothing comes between.
    fn say(&self, step: Step) {
        let call = self.call();
        self.returns(call, vec![step]);
    }

    fn call(&self) -> usize {
        self.recorder.call(self.task, "call".to_owned())
    }

    fn returns(&self, call: usize, steps: Vec<Step>) {
        self.recorder
            .returned(call, "answer".to_owned(), vec![steps]);
    }

    fn agrees(&self) -> bool {
        self.recorder.linearizable()
    }
}

fn given(number: u64, session: Option<u32>) -> Given {
    Given { number, session }
}

fn enter(ticket: u64) -> Step {
    Step::Enter {
        key: KEY,
        id: id(KEY, ticket),
        lane: crate::model::lane(false),
        refused: Some(false),
    }
}

fn look(ticket: u64, got: Option<Result<Given, Refusal>>) -> Step {
    let id = id(KEY, ticket);
    Step::Look { key: KEY, id, got }
}

fn ends(ticket: u64) -> Step {
    Step::Release {
        key: KEY,
        id: id(KEY, ticket),
        back: None,
    }
}

fn status(phase: Phase, waiting: usize, holder: Option<Id>) -> Step {
    let got = Some(Told {
        phase,
        since: 0,
        waiting,
        number: 1,
        holder,
    });
    Step::Status {
        key: KEY,
        seen: None,
        got,
    }
}

fn first() -> Option<Id> {
    Some(id(KEY, 1))
}

#[test]
fn the_truth_is_accepted() {
    let history = Written::new();
    history.say(enter(2));
    history.say(status(Phase::Busy, 1, first()));
    history.say(look(2, None));
    history.say(ends(1));
    history.say(look(2, Some(Ok(given(1, Some(1))))));
    history.say(ends(2));
    history.say(status(Phase::Idle, 0, None));
    assert!(history.agrees());
}

/// Each of these is the truth but for one answer.
#[test]
fn lies_are_refused() {
    let refused = |what: &str, lie: &dyn Fn(&Written)| {
        let history = Written::new();
        lie(&history);
        assert!(!history.agrees(), "{what}: accepted");
    };
    refused("a stale status", &|history| {
        history.say(ends(1));
        history.say(status(Phase::Busy, 0, first()));
    });
    refused("a count that forgets who waits", &|history| {
        history.say(enter(2));
        history.say(status(Phase::Busy, 0, first()));
    });
    refused("a turn of two", &|history| {
        history.say(enter(2));
        history.say(look(2, Some(Ok(given(1, Some(1))))));
    });
    refused("a session that was lost", &|history| {
        history.say(ends(1));
        history.say(enter(2));
        history.say(look(2, Some(Ok(given(1, None)))));
    });
    refused("a new number for an old session", &|history| {
        history.say(ends(1));
        history.say(enter(2));
        history.say(look(2, Some(Ok(given(2, Some(1))))));
    });
    refused("somebody who overtakes", &|history| {
        history.say(enter(2));
        history.say(enter(3));
        history.say(ends(1));
        history.say(look(3, Some(Ok(given(1, Some(1))))));
    });
    refused("a ticket that is given late", &|history| {
        history.say(enter(3));
        history.say(enter(2));
    });
    refused("a touch that is forgotten", &|history| {
        history.say(ends(1));
        history.say(Step::Advance(2));
        history.say(Step::Touch {
            key: KEY,
            touched: true,
        });
        let claims = Step::ClaimIdle {
            key: KEY,
            id: id(KEY, 2),
            idle_for: 2,
            got: given(1, Some(1)),
        };
        history.say(claims);
    });
    refused("a grant that comes after the close", &|history| {
        let call = history.call();
        let close = Step::Refuse { key: KEY };
        history.returns(call, vec![Step::Flag, close]);
        history.say(enter(2));
    });
}

/// Three entries are under way at once, and return before the turn ends. Their order is that of their tickets, which is
/// neither that of their calls nor that of their returns; and a status that began before all of them shows two of them.
#[test]
fn an_unusual_order_is_found() {
    let history = Written::new();
    let sees = history.call();
    let [third, second, fourth] = [history.call(), history.call(), history.call()];
    history.returns(fourth, vec![enter(4)]);
    history.returns(third, vec![enter(3)]);
    history.returns(second, vec![enter(2)]);
    history.returns(sees, vec![status(Phase::Busy, 2, first())]);
    history.say(status(Phase::Busy, 3, first()));
    assert!(history.agrees());
}

/// What the first three steps of the search for it would have accepted: the same history, but the status returned before
/// anybody called.
#[test]
fn the_order_of_time_is_kept() {
    let history = Written::new();
    let sees = history.call();
    history.returns(sees, vec![status(Phase::Busy, 2, first())]);
    let [third, second] = [history.call(), history.call()];
    history.returns(third, vec![enter(3)]);
    history.returns(second, vec![enter(2)]);
    assert!(!history.agrees());
}
