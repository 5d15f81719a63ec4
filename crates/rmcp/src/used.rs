//! What keeps a session alive: its calls and its streams.

use crate::{
    events::Named,
    live::{Counted, Live, Locals},
};
use futures_core::Stream;
use rmcp::transport::streamable_http_server::session::ServerSseMessage;
use std::{
    pin::Pin,
    sync::atomic::AtomicUsize,
    task::{Context, Poll, ready},
};
use turnwise::manager::KeepAlive;

/// Keeps a session alive, and counts as one of its calls or streams.
pub(crate) struct Used {
    _counted: Counted,
    _kept: KeepAlive<Locals>,
}

impl Used {
    pub(crate) fn by_a_call(kept: KeepAlive<Locals>) -> Self {
        Self::of(kept, |live| &live.calls)
    }

    fn of(kept: KeepAlive<Locals>, counter: fn(&Live) -> &AtomicUsize) -> Self {
        Self {
            _counted: Counted::new(&kept, counter),
            _kept: kept,
        }
    }
}

/// A stream of a session, which keeps the session alive.
pub(crate) struct Kept {
    stream: Pin<Box<dyn Stream<Item = ServerSseMessage> + Send + Sync>>,
    named: Named,
    _used: Used,
}

impl Kept {
    pub(crate) fn new(
        stream: impl Stream<Item = ServerSseMessage> + Send + Sync + 'static,
        named: Named,
        kept: KeepAlive<Locals>,
    ) -> Self {
        Self {
            stream: Box::pin(stream),
            named,
            _used: Used::of(kept, |live| &live.streams),
        }
    }
}

impl Stream for Kept {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        let mut event = ready!(self.stream.as_mut().poll_next(cx));
        if let Some(event) = &mut event {
            self.named.name(event);
        }
        Poll::Ready(event)
    }
}

/// A stream of one event.
pub(crate) struct Once(pub(crate) Option<ServerSseMessage>);

impl Stream for Once {
    type Item = ServerSseMessage;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<ServerSseMessage>> {
        Poll::Ready(self.0.take())
    }
}
