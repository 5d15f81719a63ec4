//! What there is to look at beside turnwise's status: of each session, what it was asked last and what it has said to that.
//!
//! One value in tokio's watch channel, which is at once where it is kept and how those who look learn of a change. What a
//! session *does* is not kept here: that is asked of turnwise, at the moment when it is looked at.
//!
//! Every text has its bound in bytes, and so has the whole: [`limits::EXCHANGES`] times what one exchange may have, some
//! 4 MB, whatever the agents say and fail with.

use crate::{
    limits,
    words::{REMARK, add_keeping_end, begin_of},
};
use serde::Serialize;
use std::{collections::HashMap, time::Instant};

#[derive(Debug, Default)]
pub(crate) struct Board {
    exchanges: HashMap<String, Exchange>,
    /// The daemon has been asked to end.
    pub(crate) closing: bool,
    /// It starts no new sessions.
    pub(crate) draining: bool,
}

/// A message and its answer, as far as they are kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Exchange {
    /// The ticket of its turn.
    turn: u64,
    asked: String,
    /// The end of it.
    said: String,
    /// How many bytes of it are not kept, before its end.
    #[serde(skip_serializing_if = "is_none")]
    cut: usize,
    /// No more will be said.
    over: bool,
    /// Why not.
    error: Option<String>,
    #[serde(skip)]
    began: Instant,
}

impl Board {
    pub(crate) fn exchange(&self, key: &str) -> Option<&Exchange> {
        self.exchanges.get(key)
    }

    /// A session has been given a message.
    pub(crate) fn begin(&mut self, key: &str, turn: u64, asked: &str) {
        if self.exchanges.len() >= limits::EXCHANGES && !self.exchanges.contains_key(key) {
            let oldest = self
                .exchanges
                .iter()
                .min_by_key(|(_, exchange)| exchange.began);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                self.exchanges.remove(&oldest);
            }
        }
        let exchange = Exchange {
            turn,
            asked: begin_of(asked, limits::ASKED + REMARK),
            said: String::new(),
            cut: 0,
            over: false,
            error: None,
            began: Instant::now(),
        };
        self.exchanges.insert(key.to_owned(), exchange);
    }

    pub(crate) fn say(&mut self, key: &str, turn: u64, text: &str) {
        if let Some(exchange) = self.of_turn(key, turn) {
            exchange.cut += add_keeping_end(&mut exchange.said, text, limits::SAID);
        }
    }

    pub(crate) fn end(&mut self, key: &str, turn: u64, error: Option<&str>) {
        if let Some(exchange) = self.of_turn(key, turn) {
            exchange.over = true;
            exchange.error = error.map(|error| begin_of(error, limits::ERROR + REMARK));
        }
    }

    /// `false` if there was nothing to forget.
    pub(crate) fn forget(&mut self, key: &str) -> bool {
        self.exchanges.remove(key).is_some()
    }

    /// What comes late, after the next turn has begun, is not the next turn's.
    fn of_turn(&mut self, key: &str, turn: u64) -> Option<&mut Exchange> {
        let exchange = self.exchanges.get_mut(key);
        exchange.filter(|exchange| exchange.turn == turn)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_none(count: &usize) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let mut board = Board::default();
        for number in 0..limits::EXCHANGES + 5 {
            board.begin(&number.to_string(), 1, "");
        }
        assert_eq!(board.exchanges.len(), limits::EXCHANGES);
        assert!(board.exchange("4").is_none() && board.exchange("5").is_some());

        let long = "ü".repeat(1 << 20);
        board.begin("5", 2, &long);
        board.say("5", 2, &long);
        board.say("5", 2, &long);
        board.end("5", 2, Some(&long));
        let kept = board.exchange("5").expect("it was begun");
        let error = kept.error.as_ref().expect("it failed");
        assert!(kept.said.len() <= limits::SAID && kept.said.starts_with('ü'));
        assert_eq!(kept.cut + kept.said.len(), 4 << 20);
        assert!(error.ends_with(" bytes cut)") && kept.asked.ends_with(" bytes cut)"));
        let room = [&kept.asked, &kept.said, error].map(|text| text.capacity());
        assert!(room.iter().sum::<usize>() < 16_000, "{room:?}");
    }

    #[test]
    fn what_comes_late_changes_nothing() {
        let mut board = Board::default();
        board.begin("a", 1, "one");
        board.begin("a", 2, "two");
        board.say("a", 1, "late");
        board.end("a", 1, None);
        let exchange = board.exchange("a").expect("it was begun");
        assert_eq!((exchange.said.as_str(), exchange.over), ("", false));
        assert!(board.forget("a") && !board.forget("a"));
        board.say("a", 2, "later still");
        assert_eq!(board.exchange("a"), None);
    }
}
