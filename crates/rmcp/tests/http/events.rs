//! A store of events in memory, which outlives the servers.

use parking_lot::Mutex;
use rmcp::transport::streamable_http_server::session::{
    EventId, EventStore, EventStoreError, EventStream, ServerSseMessage,
};
use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

/// Each event with its stream. Its place is its identifier.
#[derive(Default)]
pub(crate) struct Events(Mutex<Vec<(String, ServerSseMessage)>>);

#[async_trait::async_trait]
impl EventStore for Events {
    async fn store_event(
        &self,
        stream: &str,
        event: &ServerSseMessage,
    ) -> Result<EventId, EventStoreError> {
        let mut all = self.0.lock();
        let id = all.len().to_string();
        let mut event = event.clone();
        event.event_id = Some(id.clone());
        all.push((stream.to_owned(), event));
        Ok(id)
    }

    async fn replay_events_after(&self, last: &str) -> Result<EventStream, EventStoreError> {
        let all = self.0.lock();
        let last: usize = last.parse()?;
        let (stream, _) = all.get(last).ok_or("no such event")?;
        let later = all.iter().skip(last + 1);
        let of_it = later.filter(|(other, _)| other == stream);
        let events = of_it.map(|(_, event)| event.clone()).collect();
        Ok(Box::pin(Replayed(events)))
    }
}

struct Replayed(VecDeque<ServerSseMessage>);

impl futures_core::Stream for Replayed {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        Poll::Ready(self.0.pop_front())
    }
}
