//! All sessions, as they change: what the page shows.

use crate::{
    agent::Chat,
    board::Board,
    desk::{Desk, View},
};
use axum::{
    extract::State,
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use serde_json::json;
use std::{convert::Infallible, time::Duration};
use tokio::{
    sync::watch,
    time::{Interval, MissedTickBehavior, interval, timeout},
};
use turnwise::{SessionEvent, Subscription};

/// Not more often than people see.
const PACE: Duration = Duration::from_millis(50);
/// Some changes announce themselves to nobody: who leaves a line, a note, the beginning of a stop.
const LOOK: Duration = Duration::from_millis(250);

/// An event `sessions` now, and with each change, until the daemon ends. A client that reads slowly sees less of them.
pub(super) async fn feed<A: Chat>(State(desk): State<Desk<A>>) -> impl IntoResponse {
    let feed = stream::unfold(Feed::new(desk), |mut feed| async {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    Sse::new(feed).keep_alive(KeepAlive::default())
}

struct Feed<A: Chat> {
    desk: Desk<A>,
    happened: Subscription<SessionEvent<String>>,
    board: watch::Receiver<Board>,
    pace: Interval,
    shown: Option<(bool, Vec<View>)>,
    over: bool,
}

impl<A: Chat> Feed<A> {
    fn new(desk: Desk<A>) -> Self {
        let (happened, board) = desk.news();
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            desk,
            happened,
            board,
            pace,
            shown: None,
            over: false,
        }
    }

    /// The next that looks different from the last; `None` when there will be no more.
    async fn next(&mut self) -> Option<Event> {
        loop {
            self.pace.tick().await;
            if let Some(event) = self.look() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            drop(timeout(LOOK, self.news()).await);
        }
    }

    /// What happens between this look and the wait for news is news.
    fn look(&mut self) -> Option<Event> {
        let closing = self.desk.is_closing();
        let views = self.desk.look_at_all();
        let still = |(before, shown): &(bool, Vec<View>)| {
            *before == closing
                && shown.len() == views.len()
                && views
                    .iter()
                    .zip(shown)
                    .all(|(view, shown)| view.is_still(shown))
        };
        if self.shown.as_ref().is_some_and(still) {
            return None;
        }
        let data = json!({ "closing": closing, "sessions": views }).to_string();
        self.shown = Some((closing, views));
        Some(Event::default().event("sessions").data(data))
    }

    async fn news(&mut self) {
        tokio::select! {
            event = self.happened.next() => self.over = event.is_none(),
            _ = self.board.changed() => {}
        }
    }
}
