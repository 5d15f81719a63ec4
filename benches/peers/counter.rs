//! What the measurements of the manager start and ask: a session of one word.

use std::convert::Infallible;
use turnwise::{Agent, Backend, TurnContext};

pub(crate) struct Counter;

impl Backend for Counter {
    type Key = String;
    type Session = u64;
    type Handle = ();
    type Event = u64;
    type Error = Infallible;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<(u64, ()), Infallible> {
        Ok((0, ()))
    }
}

impl Agent for Counter {
    type Message = u64;
    type Reply = u64;

    async fn send(
        &self,
        session: &mut u64,
        more: u64,
        _: &TurnContext<u64>,
    ) -> Result<u64, Infallible> {
        *session += more;
        Ok(*session)
    }
}
