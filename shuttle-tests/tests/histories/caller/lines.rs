//! Into the line, and out of it: to a guard, refused, or given up.

use super::{Caller, below, given, refusal, shown};
use crate::ledger::Session;
use crate::model::lane;
use crate::steps::{Id, Key, Refusal, Step, id};
use shuttle::future::block_on;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use turnwise::{Enter, EnterError, Entry, TryEnterError, WaitError};

/// A place in a line.
pub(crate) struct Place {
    key: Key,
    id: Id,
    enter: Enter<Key, Session, u32>,
}

type Entered = Option<(Id, Entry<Key, Session, u32>)>;

impl Caller {
    pub(crate) fn enter(&self, key: Key, first: bool) -> Place {
        let sessions = &self.world.sessions;
        let (name, enter): (_, fn(&crate::world::Sessions, &Key) -> _) = match first {
            true => ("enter_first", crate::world::Sessions::enter_first),
            false => ("enter", crate::world::Sessions::enter),
        };
        let unseen = self.world.recorder.unseen();
        let enter = self.one(
            format!("{name}({key})"),
            || enter(sessions, &key),
            |enter| {
                let refused = Some(enter.ticket().is_none());
                let id = place_id(key, enter, unseen);
                let lane = lane(first);
                let step = Step::Enter {
                    key,
                    id,
                    lane,
                    refused,
                };
                (ticket(enter), step)
            },
        );
        let id = place_id(key, &enter, unseen);
        Place { key, id, enter }
    }

    pub(crate) fn enter_existing(&self, key: Key) -> Option<Place> {
        let unseen = self.world.recorder.unseen();
        let enter = self.one(
            format!("enter_existing({key})"),
            || self.world.sessions.enter_existing(&key),
            |enter| {
                let answer = enter.as_ref().map_or("absent".to_owned(), ticket);
                let place = enter
                    .as_ref()
                    .map(|enter| (place_id(key, enter, unseen), enter.ticket().is_none()));
                (answer, Step::EnterExisting { key, place })
            },
        )?;
        let id = place_id(key, &enter, unseen);
        Some(Place { key, id, enter })
    }

    /// Joins and waits; refused, the ticket was not seen.
    pub(crate) fn enter_blocking(&self, key: Key) -> Entered {
        let unseen = self.world.recorder.unseen();
        let entry = self.chain(
            format!("enter_blocking({key})"),
            || self.world.sessions.enter_blocking(&key),
            |entry| {
                let (id, got, answer) = match entry {
                    Ok(entry) => {
                        let (id, given, answer) = given(entry);
                        (id, Ok(given), answer)
                    }
                    Err(error) => (unseen, Err(refusal(*error)), shown(error)),
                };
                let joins = Step::Enter {
                    key,
                    id,
                    lane: lane(false),
                    refused: None,
                };
                let got = Some(got);
                (answer, vec![joins, Step::Look { key, id, got }])
            },
        );
        let entry = entry.ok()?;
        let (id, ..) = given(&entry);
        Some((id, entry))
    }

    pub(crate) fn try_enter(&self, key: Key) -> Entered {
        let unseen = self.world.recorder.unseen();
        let entry = self.one(
            format!("try_enter({key})"),
            || self.world.sessions.try_enter(&key),
            |entry| {
                let (id, got, answer) = match entry {
                    Ok(entry) => {
                        let (id, given, answer) = given(entry);
                        (id, Ok(given), answer)
                    }
                    Err(error) => (unseen, Err(at_once(*error)), shown(error)),
                };
                (answer, Step::TryEnter { key, id, got })
            },
        );
        let entry = entry.ok()?;
        let (id, ..) = given(&entry);
        Some((id, entry))
    }

    /// From a place to its end.
    pub(crate) fn go(&self, mut place: Place) {
        self.aside();
        for _ in 0..below(3) {
            place = match self.glance(place) {
                Ok(entered) => return self.serve(entered),
                Err(place) => place,
            };
            if below(3) == 0 {
                self.ahead(&place);
            }
        }
        match below(4) {
            0 => self.leave(place),
            n => self.serve(self.wait(place, n == 1)),
        }
    }

    /// With the thread, or as a future.
    fn wait(&self, place: Place, blocking: bool) -> Entered {
        let Place { key, id, enter } = place;
        let name = if blocking { "wait" } else { "await" };
        let entry = self.one(
            format!("{name}({key}#{})", tail(id)),
            || match blocking {
                true => enter.wait(),
                false => block_on(enter),
            },
            |entry| answered(key, id, entry),
        );
        Some((id, entry.ok()?))
    }

    /// A look that does not wait: a poll, or a wait with a deadline.
    fn glance(&self, place: Place) -> Result<Entered, Place> {
        let Place { key, id, enter } = place;
        let poll = below(2) == 0;
        let name = if poll { "poll" } else { "wait_timeout" };
        let end = self.one(
            format!("{name}({key}#{})", tail(id)),
            || match poll {
                true => polled(enter),
                false => enter.wait_timeout(Duration::from_millis(1)),
            },
            |end| match end {
                Ok(entry) => {
                    let (_, given, answer) = given(entry);
                    let got = Some(Ok(given));
                    (answer, Step::Look { key, id, got })
                }
                Err(WaitError::Refused(error)) => {
                    let got = Some(Err(refusal(*error)));
                    (shown(error), Step::Look { key, id, got })
                }
                Err(_) => ("waits".to_owned(), Step::Look { key, id, got: None }),
            },
        );
        match end {
            Ok(entry) => Ok(Some((id, entry))),
            Err(WaitError::Refused(_)) => Ok(None),
            Err(WaitError::TimedOut(enter)) => Err(Place { key, id, enter }),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn ahead(&self, place: &Place) {
        let Place { key, id, enter } = place;
        let (key, id) = (*key, *id);
        self.one(
            format!("ahead({key}#{})", tail(id)),
            || enter.ahead(),
            |&ahead| (ahead.to_string(), Step::Ahead { key, id, ahead }),
        );
    }

    /// The drop of an `Enter`.
    pub(crate) fn leave(&self, place: Place) {
        let Place { key, id, enter } = place;
        self.chain(
            format!("drop({key}#{})", tail(id)),
            || drop(enter),
            |()| {
                let steps = vec![Step::Leave { key, id }, Step::End { key, id }];
                ("left".to_owned(), steps)
            },
        );
    }

    pub(crate) fn dismiss(&self, key: Key) {
        self.one(
            format!("dismiss({key})"),
            || self.world.sessions.dismiss(&key),
            |&count| (count.to_string(), Step::Dismiss { key, count }),
        );
    }
}

fn answered(
    key: Key,
    id: Id,
    entry: &Result<Entry<Key, Session, u32>, EnterError>,
) -> (String, Step) {
    let (got, answer) = match entry {
        Ok(entry) => {
            let (ticket, given, answer) = given(entry);
            assert_eq!(ticket, id, "C14: the ticket of a turn is that of its entry");
            (Ok(given), answer)
        }
        Err(error) => (Err(refusal(*error)), shown(error)),
    };
    let got = Some(got);
    (answer, Step::Look { key, id, got })
}

type Looked = Result<Entry<Key, Session, u32>, WaitError<Enter<Key, Session, u32>>>;

fn polled(mut enter: Enter<Key, Session, u32>) -> Looked {
    let polled = block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut enter).poll(cx))));
    match polled {
        Poll::Pending => Err(WaitError::TimedOut(enter)),
        Poll::Ready(entry) => entry.map_err(WaitError::Refused),
    }
}

/// A refused place has no ticket.
fn place_id(key: Key, enter: &Enter<Key, Session, u32>, unseen: Id) -> Id {
    enter
        .ticket()
        .map_or(unseen, |ticket| id(key, ticket.get()))
}

fn ticket(enter: &Enter<Key, Session, u32>) -> String {
    let ticket = enter.ticket();
    ticket.map_or("refused".to_owned(), |ticket| format!("#{ticket}"))
}

/// The ticket, as people know it.
pub(super) fn tail(id: Id) -> String {
    if id >= crate::steps::UNSEEN {
        return "?".to_owned();
    }
    (id % 100_000).to_string()
}

fn at_once(error: TryEnterError) -> Refusal {
    match error {
        TryEnterError::Closed => Refusal::Closed,
        TryEnterError::Busy => Refusal::Busy,
        TryEnterError::RegistryFull => Refusal::RegistryFull,
        other => panic!("a refusal that the model does not know: {other:?}"),
    }
}
