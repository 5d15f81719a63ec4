//! What both interfaces may do: all of turnwise that the daemon uses is in this file and in `daemon`.

pub(crate) use crate::view::View;

use crate::{
    agent::{Chat, Part, Unkept},
    board::Board,
    limits,
    metrics::Metrics,
    question::{Reply, Unanswered},
    words::{begin_of, begin_of_shared, told},
};
use serde::Serialize;
use std::{fmt, sync::Arc, time::Duration};
use tokio::sync::watch;
use turnwise::{
    Phase, SessionManager, Ticket,
    manager::{
        DrainReport, EventId, Sending, SessionEvent, SessionStatus, StopError, Subscription,
        TurnError, TurnOptions, Update,
    },
};

/// The sessions, and what there is to look at. Cheap to clone; no lock of its own.
pub(crate) struct Desk<A: Chat> {
    sessions: SessionManager<A>,
    agent: A,
    board: watch::Sender<Board>,
    metrics: Metrics,
    /// Of a cluster, the name of this node.
    node: Option<Arc<str>>,
}

/// A message that waits.
#[derive(Debug, Serialize)]
pub(crate) struct Queued {
    turn: Ticket,
    first: bool,
    waited_ms: u64,
    /// Its beginning.
    message: Option<Arc<str>>,
}

/// For people.
impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = Duration::from_millis(self.waited_ms).as_secs_f64();
        write!(f, "{} waits for {seconds:.1} s", self.turn)?;
        f.write_str(if self.first { ", first" } else { "" })?;
        let message = self.message.as_ref();
        message.map_or(Ok(()), |message| write!(f, ": {message}"))
    }
}

/// Whether a conversation that was ended stays so after a restart of the daemon.
pub(crate) type Kept = Result<(), Unkept>;

impl<A: Chat> Clone for Desk<A> {
    fn clone(&self) -> Self {
        Self {
            sessions: self.sessions.clone(),
            agent: self.agent.clone(),
            board: self.board.clone(),
            metrics: self.metrics.clone(),
            node: self.node.clone(),
        }
    }
}

impl<A: Chat> Desk<A> {
    /// In tokio's context: a task of its own counts.
    pub(crate) fn new(sessions: SessionManager<A>, agent: A, node: Option<Arc<str>>) -> Self {
        let metrics = Metrics::new();
        tokio::spawn(metrics.clone().observe(sessions.subscribe()));
        Self {
            sessions,
            agent,
            board: watch::Sender::default(),
            metrics,
            node,
        }
    }

    /// Takes the message's place in line, now. Dropping the answer cancels the message.
    pub(crate) fn send(&self, key: &str, message: String, options: TurnOptions) -> Answer<A> {
        let asked = begin_of(&message, limits::ASKED);
        let options = options.note(&*asked);
        let sending = self.sessions.with(options).send_message(key, message);
        self.changed();
        Answer {
            key: key.to_owned(),
            asked,
            sending,
            stage: Stage::Waits,
            board: self.board.clone(),
        }
    }

    /// Whether a session is here, or about to be. Waits for nothing.
    #[cfg(all(feature = "cluster", unix))]
    pub(crate) fn has(&self, key: &str) -> bool {
        self.sessions.status(key).is_some()
    }

    /// Whether another node may own a session that has a message here: until this one has acquired it.
    pub(crate) fn may_be_elsewhere(&self, key: &str) -> bool {
        let status = || self.sessions.status(key);
        let is_here = |phase| matches!(phase, Phase::Idle | Phase::Busy);
        self.node.is_some() && !status().is_some_and(|status| is_here(status.phase))
    }

    /// A session as it is now; `None` if there is none. Waits for nothing.
    pub(crate) fn look(&self, key: &str) -> Option<View> {
        let status = self.sessions.status(key)?;
        Some(self.view(key.to_owned(), status, &self.board.borrow()))
    }

    /// All of them, by name. Waits for nothing.
    pub(crate) fn look_at_all(&self) -> Vec<View> {
        let sessions = self.sessions.snapshot();
        let board = self.board.borrow();
        let view = |(key, status)| self.view(key, status, &board);
        let mut views: Vec<View> = sessions.into_iter().map(view).collect();
        drop(board);
        views.sort_by(|a, b| a.key.cmp(&b.key));
        views
    }

    /// The messages that wait, in the order of their turns.
    pub(crate) fn queue(&self, key: &str) -> Vec<Queued> {
        let queue = self.sessions.queue(key).into_iter();
        queue
            .map(|call| Queued {
                turn: call.ticket,
                first: call.first,
                waited_ms: millis(call.waited),
                message: call.note,
            })
            .collect()
    }

    /// All that is counted, as Prometheus reads it. Waits for nothing.
    pub(crate) fn metrics(&self) -> String {
        let sessions = self.sessions.snapshot().into_iter();
        let sessions = sessions.map(|(_, status)| (name(status.phase), status.waiting));
        let sessions: Vec<_> = sessions.collect();
        self.metrics.text(&self.sessions.stats(), &sessions)
    }

    /// Cancels the turn under way; with a ticket, that turn, or the message that waits for it.
    pub(crate) fn abort(&self, key: &str, only: Option<Ticket>) -> bool {
        let aborted = self.sessions.abort(key, only);
        self.changed();
        aborted
    }

    /// Answers a question of the session, while its turn runs. Waits for nothing.
    pub(crate) fn answer(&self, key: &str, id: u64, reply: Reply) -> Result<(), Unanswered> {
        let handle = self.sessions.handle(key).ok_or(Unanswered::NotOpen)?;
        let answered = self.agent.answer(&handle, id, reply);
        self.changed();
        answered
    }

    /// Sends the line away, and cancels the turn under way: what a person means by stop.
    pub(crate) fn hush(&self, key: &str) -> (usize, bool) {
        let sent_away = self.sessions.dismiss(key);
        (sent_away, self.sessions.abort(key, None))
    }

    /// Stops the session, and starts it anew, with a new conversation. Who waits in line goes on with that.
    ///
    /// Refused if no session may be started. If that begins after the look, the session is stopped, and the answer is the same.
    pub(crate) async fn afresh(&self, key: &str) -> Result<Kept, TurnError<A::Error>> {
        if self.is_draining() {
            return Err(TurnError::NotAccepting);
        }
        let forgetting = self.agent.forget(key);
        let stopping = self.sessions.stop(key);
        self.board.send_if_modified(|board| board.forget(key));
        match stopping.await {
            Ok(_) => {}
            Err(StopError::Closed) => return Err(TurnError::Closed),
            // Its key is free all the same.
            Err(error) => tracing::warn!(key, error = told(&error), "the session failed to stop"),
        }
        match self.sessions.with(TurnOptions::no_wait()).turn(key).await {
            // Who waited has it, anew.
            Ok(_) | Err(TurnError::Busy) => Ok(forgetting.await),
            Err(error) => Err(error),
        }
    }

    /// Sends the line away, and stops the session: cancels its turn first. `false` if there was none. Its conversation ends
    /// in any case.
    pub(crate) async fn end(&self, key: &str) -> Result<(bool, Kept), StopError<A::Error>> {
        self.sessions.dismiss(key);
        let forgetting = self.agent.forget(key);
        let stopping = self.sessions.stop(key);
        self.board.send_if_modified(|board| board.forget(key));
        let ended = stopping.await;
        self.changed();
        let kept = forgetting.await;
        ended.map(|was_there| (was_there, kept))
    }

    /// Whether new sessions are started. Those that are there go on.
    pub(crate) fn accept_new(&self, accept: bool) {
        // Under the board's lock, so that of two calls the same one is the last for both.
        self.board.send_modify(|board| {
            self.sessions.accept_new(accept);
            board.draining = !accept;
        });
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.board.borrow().draining
    }

    /// Admits nobody any more; when all sessions have ended, the report.
    pub(crate) async fn shut_down(&self, deadline: Duration) -> DrainReport<String> {
        let report = self.sessions.shutdown(deadline);
        self.board.send_modify(|board| board.closing = true);
        report.await
    }

    /// What a session says: from now on, or after this part.
    pub(crate) fn listen(&self, key: &str, after: Option<EventId>) -> Subscription<Part> {
        match after {
            Some(after) => self.sessions.listen_from(key, after),
            None => self.sessions.listen(key),
        }
    }

    /// What to wait for before one looks again. Not everything announces itself: look now and then all the same.
    pub(crate) fn news(&self) -> (Subscription<SessionEvent<String>>, watch::Receiver<Board>) {
        (self.sessions.subscribe(), self.board.subscribe())
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.board.borrow().closing
    }

    /// What the agent cannot do for any session, though it should.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.agent.trouble(None)
    }

    fn view(&self, key: String, status: SessionStatus, board: &Board) -> View {
        let handle = self.sessions.handle(&key);
        View {
            phase: name(status.phase),
            elapsed_ms: millis(status.elapsed),
            waiting: status.waiting,
            incarnation: status.incarnation.get(),
            turn: status.turn.map(Ticket::get),
            note: status.note.map(|note| begin_of_shared(&note, limits::NOTE)),
            questions: handle.map_or_else(Vec::new, |handle| self.agent.questions(&handle)),
            last: board.exchange(&key).cloned(),
            trouble: self.agent.trouble(Some(&key)),
            node: self.node.clone(),
            key,
        }
    }

    fn changed(&self) {
        self.board.send_modify(|_| ());
    }
}

pub(crate) const PHASES: [&str; 5] = ["starting", "idle", "busy", "closing", "unknown"];

fn name(phase: Phase) -> &'static str {
    let place = match phase {
        Phase::Starting => 0,
        Phase::Idle => 1,
        Phase::Busy => 2,
        Phase::Closing => 3,
        _ => 4,
    };
    PHASES[place]
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The answer to a message, as it comes.
pub(crate) struct Answer<A: Chat> {
    key: String,
    asked: String,
    sending: Sending<A>,
    stage: Stage,
    board: watch::Sender<Board>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Waits,
    Speaks,
    Over,
}

/// What an answer gives, one after the other.
#[derive(Debug)]
pub(crate) enum Step<E> {
    Part(Part),
    /// So many parts were missed, because nobody read them in time.
    Lagged(u64),
    /// The whole of it, or why there is none.
    Done(Result<String, TurnError<E>>),
}

impl<A: Chat> Answer<A> {
    /// `None` if the message was refused when it was sent.
    pub(crate) fn ticket(&self) -> Option<u64> {
        self.sending.ticket().map(Ticket::get)
    }

    /// Resolves when the session has the message: past the line and the start, or refused.
    pub(crate) async fn started(&mut self) -> Result<(), TurnError<A::Error>> {
        if self.stage == Stage::Waits {
            self.sending.started().await?;
            self.stage = Stage::Speaks;
            self.post(|board, key, turn, asked| board.begin(key, turn, asked));
        }
        Ok(())
    }

    /// The next step, cancel-safe; `None` after the end.
    pub(crate) async fn step(&mut self) -> Option<Step<A::Error>> {
        if self.stage == Stage::Over {
            return None;
        }
        if let Err(error) = self.started().await {
            self.stage = Stage::Over;
            self.post(|_, _, _, _| ());
            return Some(Step::Done(Err(error)));
        }
        Some(match self.sending.next_event().await {
            Some(Update::Event(part)) => {
                if let Part::Text(text) = &part {
                    self.post(|board, key, turn, _| board.say(key, turn, text));
                }
                Step::Part(part)
            }
            Some(Update::Lagged(count)) => Step::Lagged(count),
            None => {
                let reply = (&mut self.sending).await.map_err(|refused| refused.error);
                self.stage = Stage::Over;
                let error = reply.as_ref().err().map(|error| told(error));
                self.post(|board, key, turn, _| board.end(key, turn, error.as_deref()));
                Step::Done(reply)
            }
        })
    }

    /// The whole of it.
    pub(crate) async fn whole(mut self) -> Result<String, TurnError<A::Error>> {
        while let Some(step) = self.step().await {
            if let Step::Done(reply) = step {
                return reply;
            }
        }
        Err(TurnError::Aborted)
    }

    fn post(&self, change: impl FnOnce(&mut Board, &str, u64, &str)) {
        let turn = self.ticket().unwrap_or(0);
        self.board
            .send_modify(|board| change(board, &self.key, turn, &self.asked));
    }
}

impl<A: Chat> Drop for Answer<A> {
    /// The message is cancelled by the drop of its `Sending`.
    fn drop(&mut self) {
        if self.stage != Stage::Over {
            let error = "the client went away before the answer was complete";
            self.post(|board, key, turn, _| board.end(key, turn, Some(error)));
        }
    }
}
