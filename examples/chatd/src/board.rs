//! What there is to look at beside turnwise's status: of each session, what it was asked last and what it has said to that.
//!
//! One value in tokio's watch channel, which is at once where it is kept and how those who look learn of a change. What a
//! session *does* is not kept here: that is asked of turnwise, at the moment when it is looked at.

use crate::limits;
use serde::Serialize;
use std::{collections::HashMap, time::Instant};

#[derive(Debug, Default)]
pub(crate) struct Board {
    exchanges: HashMap<String, Exchange>,
    /// The daemon has been asked to end.
    pub(crate) closing: bool,
}

/// A message and its answer, as far as they are kept.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Exchange {
    /// The ticket of its turn.
    turn: u64,
    asked: String,
    said: String,
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
    pub(crate) fn begin(&mut self, key: &str, turn: u64, asked: String) {
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
            asked,
            said: String::new(),
            over: false,
            error: None,
            began: Instant::now(),
        };
        self.exchanges.insert(key.to_owned(), exchange);
    }

    pub(crate) fn say(&mut self, key: &str, turn: u64, text: &str) {
        if let Some(exchange) = self.of_turn(key, turn) {
            exchange.said.push_str(text);
            keep_end(&mut exchange.said, limits::SAID);
        }
    }

    pub(crate) fn end(&mut self, key: &str, turn: u64, error: Option<String>) {
        if let Some(exchange) = self.of_turn(key, turn) {
            exchange.over = true;
            exchange.error = error;
        }
    }

    pub(crate) fn forget(&mut self, key: &str) {
        self.exchanges.remove(key);
    }

    /// What comes late, after the next turn has begun, is not the next turn's.
    fn of_turn(&mut self, key: &str, turn: u64) -> Option<&mut Exchange> {
        let exchange = self.exchanges.get_mut(key);
        exchange.filter(|exchange| exchange.turn == turn)
    }
}

/// The begin of a text, of so many bytes at most.
pub(crate) fn begin_of(text: &str, most: usize) -> String {
    let mut cut = most.min(text.len());
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    text[..cut].to_owned()
}

fn keep_end(text: &mut String, most: usize) {
    let mut cut = text.len().saturating_sub(most);
    while !text.is_char_boundary(cut) {
        cut += 1;
    }
    text.drain(..cut);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let mut board = Board::default();
        for number in 0..limits::EXCHANGES + 5 {
            board.begin(&number.to_string(), 1, String::new());
        }
        assert_eq!(board.exchanges.len(), limits::EXCHANGES);
        assert!(board.exchange("4").is_none() && board.exchange("5").is_some());
        board.say("5", 1, &"ü".repeat(limits::SAID));
        let said = &board.exchange("5").expect("it was begun").said;
        assert!(said.len() <= limits::SAID && said.starts_with('ü'));
        assert_eq!(begin_of("müde", 2), "m");
    }

    #[test]
    fn what_comes_late_changes_nothing() {
        let mut board = Board::default();
        board.begin("a", 1, "one".to_owned());
        board.begin("a", 2, "two".to_owned());
        board.say("a", 1, "late");
        board.end("a", 1, None);
        let exchange = board.exchange("a").expect("it was begun");
        assert_eq!((exchange.said.as_str(), exchange.over), ("", false));
        board.forget("a");
        board.say("a", 2, "later still");
        assert_eq!(board.exchange("a"), None);
    }
}
