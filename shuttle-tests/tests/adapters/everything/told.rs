//! What is told, and must make sense: events, parts of answers.

use super::Run;
use crate::backend::{Failed, Message, Reply, Scripted};
use crate::ledger::Key;
use futures_core::Stream;
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use turnwise::{
    Incarnation, Ticket,
    manager::{SendError, Sending, SessionEvent, Subscription, Update},
};

impl Run {
    /// What the turns of a key emit: each message of this key, once.
    pub(super) async fn listens(self, key: Key, mut parts: Subscription<u32>) {
        let mut heard = BTreeSet::new();
        while let Some(part) = parts.next().await {
            let Update::Event(id) = part else {
                panic!("{part:?} of a few");
            };
            assert_eq!(id % 10, u32::from(key), "a part of another key's answer");
            assert!(heard.insert(id), "a part is heard twice");
        }
        let closes = self.closes.load(Ordering::SeqCst);
        assert!(closes, "A4: the parts end before the manager");
    }
}

/// What is told of each key is a life: a start, turns one after the other, a stop, then the next, with a higher number. Gives
/// the keys whose session had not ended when the telling did.
pub(super) async fn lives(mut told: Subscription<SessionEvent<Key>>) -> Vec<Key> {
    let mut lives = BTreeMap::<Key, (Incarnation, Option<Ticket>)>::new();
    let mut last = BTreeMap::<Key, Incarnation>::new();
    while let Some(event) = told.next().await {
        let Update::Event(event) = event else {
            panic!("{event:?} of a few");
        };
        let (key, before, after) = match &event {
            SessionEvent::Started {
                key, incarnation, ..
            } => (*key, None, Some((*incarnation, None))),
            SessionEvent::StartFailed { key, .. } => (*key, None, None),
            SessionEvent::TurnBegan {
                key,
                incarnation,
                turn,
                ..
            } => {
                let (rests, used) = ((*incarnation, None), (*incarnation, Some(*turn)));
                (*key, Some(rests), Some(used))
            }
            SessionEvent::TurnEnded {
                key,
                incarnation,
                turn,
                ..
            } => {
                let (rests, used) = ((*incarnation, None), (*incarnation, Some(*turn)));
                (*key, Some(used), Some(rests))
            }
            SessionEvent::Stopped {
                key, incarnation, ..
            } => (*key, Some((*incarnation, None)), None),
            _ => continue,
        };
        let was = match after {
            Some(after) => lives.insert(key, after),
            None => lives.remove(&key),
        };
        assert_eq!(was, before, "{event:?} comes out of turn");
        if let SessionEvent::Started { incarnation, .. }
        | SessionEvent::StartFailed { incarnation, .. } = event
        {
            let last = last.insert(key, incarnation);
            assert!(last < Some(incarnation), "an old number: {event:?}");
        }
    }
    lives.into_keys().collect()
}

/// A message whose parts are read first: its own, and none if it was not heard.
pub(super) async fn streamed(
    id: u32,
    sending: Sending<Scripted>,
) -> Result<Reply, SendError<Message, Failed>> {
    let mut stream = sending.into_stream();
    let mut parts = Vec::new();
    loop {
        let next = poll_fn(|cx| Pin::new(&mut stream).poll_next(cx)).await;
        match next.expect("the reply comes last") {
            Update::Event(part) => parts.push(part),
            Update::Lagged(count) => panic!("{count} parts of one are missed"),
            Update::Done(answer) => {
                let back = matches!(&answer, Err(error) if error.message.is_some());
                let expected = if back { vec![] } else { vec![id] };
                assert_eq!(parts, expected, "the parts of an answer");
                return answer;
            }
        }
    }
}
