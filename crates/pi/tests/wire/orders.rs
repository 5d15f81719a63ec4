//! Every order of records that pi may write, right or wrong, against the sequential model: short orders all of them, long ones
//! at random. `TURNWISE_SEED=<seed>` runs one seed alone.

use super::Pi;
use super::oracle::{Effect, MOVES, Model, Move, Outcome};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};
use serde_json::{Value, json};
use std::hash::{BuildHasher, RandomState};
use turnwise_pi::PiError;
use turnwise_pi::wire::Report;

/// So many moves after the first message.
const SHORT: usize = 5;
const LONG: usize = 60;
const CASES: u32 = 2_000;

/// The protocol beside the model.
struct Pair {
    pi: Pi,
    model: Model,
    /// Commands that have no response: type and id.
    commands: Vec<(String, String)>,
    moves: usize,
}

impl Pair {
    fn new() -> Self {
        Self {
            pi: Pi::new(),
            model: Model::default(),
            commands: Vec::new(),
            moves: 0,
        }
    }

    /// Both make this move, and the same comes of it. False if that is a fault, after which there is nothing.
    fn makes(&mut self, made: Move) -> Result<bool, String> {
        let number = self.moves;
        self.moves += 1;
        let in_turn = self.model.in_turn();
        let expected = self.model.step(made);
        let done = match made {
            Move::Begin => {
                self.pi.0.begin("hello".into());
                Ok(())
            }
            Move::BeginCommand => {
                self.pi.0.begin("/hello".into());
                Ok(())
            }
            Move::Cancel => {
                self.pi.0.cancel();
                Ok(())
            }
            made => {
                let line = self.record(made, number).to_string();
                self.pi.0.line(line.as_bytes())
            }
        };
        let mut written = Vec::new();
        for command in self.pi.said() {
            let (kind, id) = command.split_once(' ').expect("a type and an id");
            written.push(kind.to_owned());
            self.commands.push((kind.to_owned(), id.to_owned()));
        }
        let told: Vec<Report> = self.pi.0.told.drain(..).collect();
        let shown = told.iter().any(|told| matches!(told, Report::Event(_)));
        let shows = matches!(made, Move::Text | Move::Tool | Move::Notice);
        if shown != (shows && in_turn && expected != Effect::Fault) {
            return Err(format!("{made:?} is shown: {shown}"));
        }
        let mut ends = told.into_iter().filter_map(|told| match told {
            Report::End(end) => Some(end),
            Report::Event(_) | Report::Note(_) => None,
        });
        let (end, second) = (ends.next(), ends.next());
        let actual = match done {
            Err(why) if why.is_empty() || why.len() > 500 => return Err(format!("a fault: {why}")),
            Err(_) => Effect::Fault,
            Ok(()) => {
                let names = ["prompt", "get_state", "clear_queue", "abort"];
                let name = |kind: &String| *names.iter().find(|name| *name == kind).expect("known");
                let end = end.map(|end| match end {
                    Ok(reply) if reply.text.is_empty() => Outcome::Handled,
                    Ok(reply) => Outcome::Reply(reply.text.parse().expect("the number of a move")),
                    Err(PiError::Refused(_)) => Outcome::Refused,
                    Err(PiError::Aborted) => Outcome::Aborted,
                    Err(PiError::Model(why)) if why == "there was no answer" => Outcome::NoAnswer,
                    Err(PiError::Model(_)) => Outcome::Failed,
                    Err(error) => panic!("an end that is not known: {error}"),
                });
                Effect::Fine(written.iter().map(name).collect(), end)
            }
        };
        if second.is_some() {
            return Err(format!("the turn ends twice, by {made:?}"));
        }
        if actual != expected {
            return Err(format!(
                "{made:?}: {actual:?}, and expected is {expected:?}"
            ));
        }
        if actual == Effect::Fault {
            return Ok(false);
        }
        if self.pi.0.in_turn() != self.model.in_turn() {
            return Err(format!("in a turn: {}", self.pi.0.in_turn()));
        }
        Ok(true)
    }

    /// What pi writes then.
    fn record(&mut self, made: Move, number: usize) -> Value {
        let said = |stop: &str| {
            let content = json!([{"type": "text", "text": number.to_string()}]);
            json!({"type": "message_end", "message": {"role": "assistant", "content": content, "stopReason": stop}})
        };
        match made {
            Move::Accept => self.responds("prompt", &json!({"disposition": "started"})),
            Move::Handle => self.responds("prompt", &json!({"disposition": "handled"})),
            Move::Queue => self.responds("prompt", &json!({"disposition": "queued"})),
            Move::Refuse => {
                let mut refused = self.responds("prompt", &Value::Null);
                refused["success"] = false.into();
                refused
            }
            Move::Streams => self.responds("get_state", &json!({"isStreaming": true})),
            Move::Still => self.responds("get_state", &json!({"isStreaming": false})),
            Move::Answer => self.responds("", &Value::Null),
            Move::Stray => json!({"type": "response", "id": "0", "success": true}),
            Move::Start => json!({"type": "agent_start"}),
            Move::End => json!({"type": "agent_end", "messages": []}),
            Move::Text => {
                json!({"type": "message_update", "assistantMessageEvent": {"type": "text_delta", "delta": "x"}})
            }
            Move::Say => said("stop"),
            Move::Fail => said("error"),
            Move::SayAborted => said("aborted"),
            Move::Tool => {
                json!({"type": "tool_execution_end", "toolCallId": "1", "toolName": "bash", "isError": false})
            }
            Move::Settle => json!({"type": "agent_settled", "aborted": false}),
            Move::SettleAborted => json!({"type": "agent_settled", "aborted": true}),
            Move::Notice => {
                json!({"type": "extension_ui_request", "id": "1", "method": "notify", "message": "hm"})
            }
            Move::Begin | Move::BeginCommand | Move::Cancel => unreachable!("not pi's"),
        }
    }

    /// A response to the first command of this type; without one, to the first of an abort.
    fn responds(&mut self, kind: &str, data: &Value) -> Value {
        let abort = ["clear_queue", "abort"];
        let is_it = |of: &str| of == kind || kind.is_empty() && abort.contains(&of);
        let index = self.commands.iter().position(|(of, _)| is_it(of));
        let (_, id) = self.commands.remove(index.expect("the model has it too"));
        json!({"type": "response", "id": id, "success": true, "data": data})
    }
}

/// All orders that begin with this one and have so many moves more. How many there are.
fn explore(order: &mut Vec<Move>, model: &Model, more: usize) -> usize {
    let mut orders = 1;
    for made in MOVES.into_iter().filter(|made| model.can(*made)) {
        order.push(made);
        let mut pair = Pair::new();
        let mut goes_on = true;
        for made in &*order {
            goes_on = pair
                .makes(*made)
                .unwrap_or_else(|why| panic!("{order:?}: {why}"));
        }
        if goes_on && more > 1 {
            orders += explore(order, &pair.model, more - 1);
        } else {
            orders += 1;
        }
        order.pop();
    }
    orders
}

#[test]
fn every_short_order_of_records() {
    for first in [Move::Begin, Move::BeginCommand] {
        let mut model = Model::default();
        model.step(first);
        let orders = explore(&mut vec![first], &model, SHORT);
        println!("{first:?}: {orders} orders of at most {SHORT} moves more");
        // Should the model think that nothing can happen, nothing would be compared.
        assert!(orders > 10_000, "{orders}");
    }
}

#[test]
fn long_orders_of_records() {
    let seeds = match std::env::var("TURNWISE_SEED") {
        Ok(seed) => vec![seed.parse().expect("TURNWISE_SEED is a number")],
        Err(_) => vec![1, 2, RandomState::new().hash_one(()) & 0xFFFF_FFFF],
    };
    for seed in seeds {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&u64::to_le_bytes(seed));
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        // Of each pair, the first chooses among the moves that can happen; the second, whether one that is a fault may.
        let order = prop::collection::vec((any::<prop::sample::Index>(), 0..40_u8), 1..LONG);
        let run = runner.run(&order, |order| {
            let mut pair = Pair::new();
            let mut made = Vec::new();
            for (index, fault) in order {
                let fine =
                    |next: &Move| fault == 0 || pair.model.clone().step(*next) != Effect::Fault;
                let can: Vec<Move> = MOVES
                    .into_iter()
                    .filter(|next| pair.model.can(*next))
                    .filter(fine)
                    .collect();
                let next = can[index.index(can.len())];
                made.push(next);
                let goes_on = pair.makes(next);
                if !goes_on.map_err(|why| TestCaseError::fail(format!("{made:?}: {why}")))? {
                    break;
                }
            }
            Ok(())
        });
        if let Err(failure) = run {
            panic!("TURNWISE_SEED={seed}: {failure}");
        }
    }
}
