//! What a node knows of its keys, and what it asks the engine next.

use crate::{
    engine::{Action, Answer, Fault, Request},
    settings::Settings,
    sync::Arc,
    term::Lease,
};
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::oneshot;
use turnwise::manager::NotOwned;

pub(crate) type Key = Arc<[u8]>;
/// Whoever waits for an acquisition.
pub(crate) type Waiter = oneshot::Sender<Result<Won, NotOwned>>;

/// What was acquired.
#[derive(Debug)]
pub(crate) struct Won {
    pub(crate) fence: u64,
    pub(crate) lease: Arc<Lease>,
}

/// The keys that are owned, waited for, or have a record to be released.
///
/// What is asked for a key is decided when its batch is made, and at most one request of a key is awaited. So an acquisition takes the
/// place of a release that waits, and a caller that has gone asks for nothing.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    entries: BTreeMap<Key, Entry>,
    queue: VecDeque<Key>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Waits for a question of its own.
    waiter: Option<Waiter>,
    /// Its question is under way.
    asking: Option<Waiter>,
    /// The fences of acquisitions whose sessions have not been stopped yet, of any term.
    live: Vec<u64>,
    record: Record,
    place: Place,
}

/// This node's record of a key at the engine, under the present lease.
#[derive(Clone, Copy, Debug, Default)]
enum Record {
    #[default]
    None,
    /// Its revision.
    Ours(u64),
    /// An acquisition was not answered.
    Unknown,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Idle,
    Queued,
    UnderWay,
}

impl Entry {
    fn is_awaited(&self) -> bool {
        let waiter = self.waiter.as_ref();
        waiter.is_some_and(|waiter| !waiter.is_closed())
    }

    /// Whoever asked waits for the next question.
    fn again(&mut self) -> Option<Result<Won, NotOwned>> {
        if self.waiter.is_some() {
            return Some(Err(NotOwned::Unavailable("another call came".into())));
        }
        self.waiter = self.asking.take();
        None
    }

    fn next(&self) -> Option<Action> {
        match self.record {
            Record::Ours(revision) if self.is_awaited() => Some(Action::Acquire {
                seen: Some(revision),
            }),
            _ if self.is_awaited() => Some(Action::Acquire { seen: None }),
            // Their sessions rest on the record, whichever of them it was written for.
            _ if !self.live.is_empty() => None,
            Record::Ours(revision) => Some(Action::Release { revision }),
            Record::Unknown => Some(Action::Look),
            Record::None => None,
        }
    }
}

impl Keys {
    /// Returns the waiter that this one replaces.
    pub(crate) fn want(&mut self, key: &Key, waiter: Waiter) -> Option<Waiter> {
        let entry = self.entries.entry(Arc::clone(key)).or_default();
        let before = entry.waiter.replace(waiter);
        self.settle(key);
        before
    }

    /// A session has been stopped.
    pub(crate) fn release(&mut self, key: &[u8], fence: u64) {
        let Some((key, entry)) = self.entries.get_key_value(key) else {
            return;
        };
        let live = entry.live.iter().position(|live| *live == fence);
        let key = Arc::clone(key);
        if let (Some(at), Some(entry)) = (live, self.entries.get_mut(&key)) {
            entry.live.swap_remove(at);
            self.settle(&key);
        }
    }

    /// Queues the key, or forgets it if nothing is left to be known of it.
    fn settle(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if entry.place != Place::Idle {
            return;
        }
        if entry.next().is_some() {
            entry.place = Place::Queued;
            self.queue.push_back(Arc::clone(key));
        } else if entry.live.is_empty() {
            self.entries.remove(key);
        }
    }

    pub(crate) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(crate) fn has_live(&self) -> bool {
        self.entries.values().any(|entry| !entry.live.is_empty())
    }

    /// The next batch.
    pub(crate) fn take(&mut self, most: usize) -> Vec<Request> {
        let mut requests = Vec::new();
        while requests.len() < most {
            let Some(key) = self.queue.pop_front() else {
                break;
            };
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            entry.place = Place::Idle;
            match entry.next() {
                Some(action) => {
                    entry.place = Place::UnderWay;
                    if matches!(action, Action::Acquire { .. }) {
                        entry.asking = entry.waiter.take();
                    }
                    requests.push(Request { key, action });
                }
                None => self.settle(&key),
            }
        }
        requests
    }

    /// What came of a request, and its term, if that holds now. Returns what a waiter gets, once no lock is held.
    pub(crate) fn answered(
        &mut self,
        request: Request,
        answer: Result<Answer, Fault>,
        lease: Option<&Arc<Lease>>,
    ) -> Option<(Key, Waiter, Result<Won, NotOwned>)> {
        let Request { key, action } = request;
        let entry = self.entries.get_mut(&key)?;
        entry.place = Place::Idle;
        let told = match (answer, lease) {
            // What was written under that lease goes with it. A waiter gets an answer under the next.
            (_, None) => {
                entry.record = Record::None;
                entry.again()
            }
            (Ok(Answer::Acquired { fence }), Some(lease)) => {
                entry.record = Record::Ours(fence);
                let lease = Arc::clone(lease);
                Some(Ok(Won { fence, lease }))
            }
            (Ok(Answer::Ours { revision }), _) => {
                entry.record = Record::Ours(revision);
                entry.again()
            }
            (Ok(Answer::Other { owner }), _) => {
                entry.record = Record::None;
                let name = Settings::name_of(&owner);
                Some(Err(NotOwned::Elsewhere(name.into())))
            }
            (Ok(Answer::Free), _) => {
                entry.record = Record::None;
                None
            }
            (Ok(Answer::Refused(why)), _) => {
                entry.record = Record::None;
                Some(Err(NotOwned::Unavailable(why)))
            }
            (Err(fault), _) => {
                if matches!(action, Action::Acquire { .. }) {
                    entry.record = Record::Unknown;
                }
                Some(Err(NotOwned::Unavailable(fault.to_string().into())))
            }
        };
        // Only the one whose question it was. If it has gone, nobody owns what was acquired.
        let asking = entry.asking.take().filter(|asking| !asking.is_closed());
        let told = asking.zip(told);
        if let Some((_, Ok(won))) = &told {
            entry.live.push(won.fence);
        }
        let told = told.map(|(asking, told)| (Arc::clone(&key), asking, told));
        self.settle(&key);
        told
    }

    /// The term has ended: all records of this node go with it.
    pub(crate) fn lost(&mut self) {
        for entry in self.entries.values_mut() {
            entry.record = Record::None;
        }
        self.tidy();
    }

    /// Forgets keys that were only waited for, by callers that have gone.
    pub(crate) fn tidy(&mut self) {
        self.entries.retain(|_, entry| {
            entry.place == Place::UnderWay || entry.next().is_some() || !entry.live.is_empty()
        });
        let entries = &mut self.entries;
        self.queue.retain(|key| {
            let entry = entries.get_mut(key);
            entry.is_some_and(|entry| {
                let stays = entry.next().is_some();
                if !stays {
                    entry.place = Place::Idle;
                }
                stays
            })
        });
    }

    /// All that wait.
    pub(crate) fn waiters(&mut self) -> Vec<Waiter> {
        let entries = self.entries.values_mut();
        let of = |entry: &mut Entry| [entry.waiter.take(), entry.asking.take()];
        entries.flat_map(of).flatten().collect()
    }
}
