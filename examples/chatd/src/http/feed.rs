//! All sessions, as they change: what the page shows.
//!
//! One task looks, and renders what it sees once for all readers; each reader has the last frame that it has not sent yet. A
//! reader that is slow sees less of them, and keeps at most two. All readers together are sent so many bytes a second: with
//! thousands of them each waits for its time, and other requests do not wait for them.

use super::rows::{self, Others};
use crate::{
    agent::Chat,
    cluster::Cluster,
    desk::{Desk, View},
};
use axum::{
    body::{Body, Bytes},
    extract::State,
    http::header,
    response::IntoResponse,
};
use futures_util::stream;
use serde_json::json;
use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout},
};

/// Not more often than people see.
const PACE: Duration = Duration::from_millis(50);
/// Some changes announce themselves to nobody: who leaves a line, a note, the beginning of a stop.
const LOOK: Duration = Duration::from_millis(250);
/// Without a change: that the connection lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);
/// What sending to one reader takes of the time of all: so much each, and so much for each byte (64 MB a second).
const SEND: Duration = Duration::from_micros(100);
const SEND_BYTES_PER_MICRO: u64 = 64;

/// An event `sessions` now, and with each change, until the daemon ends.
pub(super) async fn feed(State(feed): State<Feed>) -> impl IntoResponse {
    let frames = stream::unfold(feed.read(), |mut reader| async {
        let frame = reader.next().await?;
        Some((Ok::<_, Infallible>(frame), reader))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, Body::from_stream(frames))
}

/// Where readers come to. Cheap to clone.
#[derive(Clone)]
pub(super) struct Feed {
    frames: watch::Receiver<Frame>,
    turns: Arc<Turns>,
}

/// What is to be seen.
struct Frame {
    number: u64,
    text: Bytes,
    /// When it was looked at last, and was so.
    looked: Instant,
}

impl Feed {
    /// Looks while somebody reads.
    pub(super) fn start<A: Chat>(desk: Desk<A>, cluster: Option<&Cluster>) -> Self {
        let turns = Arc::new(Turns {
            newcomers: Notify::new(),
            readers: AtomicU64::new(0),
            begin: Instant::now(),
            next: AtomicU64::new(0),
        });
        let (sender, frames) = watch::channel(Frame {
            number: 0,
            text: Bytes::new(),
            looked: turns.begin,
        });
        let others = cluster.map(|cluster| {
            let turns = Arc::clone(&turns);
            cluster.follow(move || turns.readers.load(Ordering::Relaxed) > 0)
        });
        tokio::spawn(look(desk, others, sender, Arc::clone(&turns)));
        Self { frames, turns }
    }

    fn read(self) -> Reader {
        self.turns.readers.fetch_add(1, Ordering::Relaxed);
        let since = Instant::now();
        self.turns.newcomers.notify_one();
        Reader {
            feed: self,
            since,
            shown: 0,
        }
    }
}

struct Reader {
    feed: Feed,
    /// What was seen before is not news.
    since: Instant,
    shown: u64,
}

impl Reader {
    /// The next that looks different from the last; `None` when there will be no more.
    async fn next(&mut self) -> Option<Bytes> {
        let (since, shown) = (self.since, self.shown);
        let is_new = |frame: &Frame| frame.looked >= since && frame.number != shown;
        let bytes = match timeout(SIGN_OF_LIFE, self.feed.frames.wait_for(is_new)).await {
            Ok(frame) => frame.ok()?.text.len(),
            Err(_) => return Some(Bytes::from_static(b":\n\n")),
        };
        if let Some(turn) = self.feed.turns.next(bytes as u64) {
            sleep_until(turn).await;
        }
        // Meanwhile there may be a newer one.
        let frame = self.feed.frames.borrow_and_update();
        self.shown = frame.number;
        Some(frame.text.clone())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.feed.turns.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// When each reader is sent its frame.
struct Turns {
    newcomers: Notify,
    readers: AtomicU64,
    begin: Instant,
    /// The next that is free, in microseconds.
    next: AtomicU64,
}

impl Turns {
    /// Takes one for so many bytes; `None` if it is now.
    fn next(&self, bytes: u64) -> Option<Instant> {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let now = micros(self.begin.elapsed());
        let takes = micros(SEND) + bytes / SEND_BYTES_PER_MICRO;
        let take = |next: u64| Some(next.max(now) + takes);
        let turn = self
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        let turn = turn.unwrap_or(now);
        (turn > now).then(|| self.begin + Duration::from_micros(turn))
    }
}

/// For what other nodes show.
async fn changed(others: &mut Option<watch::Receiver<Others>>) {
    match others {
        // It has no end: the feed's task holds its reader.
        Some(others) => drop(others.changed().await),
        None => pending().await,
    }
}

/// Until the manager has no more news.
async fn look<A: Chat>(
    desk: Desk<A>,
    mut others: Option<watch::Receiver<Others>>,
    frames: watch::Sender<Frame>,
    turns: Arc<Turns>,
) {
    let (mut happened, mut board) = desk.news();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown: Option<(bool, Option<String>, Vec<View>)> = None;
    let (mut newcomers, mut moved, mut over) = (true, false, false);
    loop {
        pace.tick().await;
        // What happens between this look and the wait for news is news.
        let looked = Instant::now();
        let seen = (desk.is_closing(), desk.trouble(), desk.look_at_all());
        let there = others.as_ref().map(|others| others.borrow().clone());
        let still = !moved
            && shown.as_ref().is_some_and(|shown| {
                (shown.0, &shown.1, shown.2.len()) == (seen.0, &seen.1, seen.2.len())
                    && seen
                        .2
                        .iter()
                        .zip(&shown.2)
                        .all(|(view, shown)| view.is_still(shown))
            });
        let text = (!still).then(|| {
            let (closing, trouble, sessions) = &seen;
            let mut data = rows::all(sessions, there.as_ref());
            data["closing"] = (*closing).into();
            data["trouble"] = json!(trouble);
            Bytes::from(format!("event: sessions\ndata: {data}\n\n"))
        });
        frames.send_if_modified(|frame| {
            frame.looked = looked;
            if let Some(text) = text {
                frame.number += 1;
                frame.text = text;
                shown = Some(seen);
                return true;
            }
            newcomers
        });
        if over {
            return;
        }
        (newcomers, moved) = (false, false);
        loop {
            let read = turns.readers.load(Ordering::Relaxed) > 0;
            tokio::select! {
                event = happened.next() => over = event.is_none(),
                () = turns.newcomers.notified() => newcomers = true,
                _ = board.changed(), if read => {}
                () = changed(&mut others), if read => moved = true,
                () = sleep(LOOK), if read => {}
            }
            if read || newcomers || over {
                break;
            }
        }
    }
}
