//! From outside: looks, claims of what rests, replacements, the close.

use super::{Caller, below, lines::tail, shown};
use crate::ledger::{Session, step};
use crate::model::phase;
use crate::steps::{Given, Id, Key, Left, Refusal, Seen, Step, Told, id};
use std::time::Duration;
use turnwise::{Moved, Observed, Old, ReplaceError, Replaced, Status, Turn};

type Looked = Observed<Key, Session, u32>;

/// Looks.
impl Caller {
    /// One of the calls that change nothing, or almost nothing.
    pub(crate) fn look(&self, key: Key) {
        match below(8) {
            0..=2 => drop(self.status(key)),
            3 => {
                self.one(
                    format!("touch({key})"),
                    || self.world.sessions.touch(&key),
                    |&touched| (shown(&touched), Step::Touch { key, touched }),
                );
            }
            4 => {
                self.one(
                    format!("handle({key})"),
                    || self.world.sessions.handle(&key).map(|handle| *handle),
                    |&handle| (shown(&handle), Step::Handle { key, handle }),
                );
            }
            5 => drop(self.snapshot()),
            6 => {
                self.one(
                    "is_closed".to_owned(),
                    || self.world.sessions.is_closed(),
                    |&closed| (shown(&closed), Step::IsClosed(closed)),
                );
            }
            _ if self.world.shape.shards == 1 => {
                self.one(
                    "len".to_owned(),
                    || self.world.sessions.len(),
                    |&len| (len.to_string(), Step::Len(len)),
                );
            }
            // Counted shard by shard: of several it is no step, and any number between may come out.
            _ => {}
        }
    }

    pub(crate) fn status(&self, key: Key) -> Option<Status> {
        self.one(
            format!("status({key})"),
            || self.world.sessions.status(&key),
            |status| self.status_of(key, None, *status),
        )
    }

    /// A planted bug: a status, and then the same one again, whatever happened in between.
    pub(crate) fn cached_status(&self, key: Key) {
        let status = self.status(key);
        step();
        self.one(
            format!("cached status({key})"),
            || status,
            |status| self.status_of(key, None, *status),
        );
    }

    fn status_of(&self, key: Key, seen: Option<Seen>, status: Option<Status>) -> (String, Step) {
        let told = |status: Status| Told {
            phase: phase(status.phase),
            since: self.world.millis(status.since),
            waiting: usize::try_from(status.waiting).expect("lines are short"),
            number: status.incarnation.get(),
            holder: status.turn.map(|ticket| id(key, ticket.get())),
        };
        let got = status.map(told);
        let answer = got.as_ref().map_or("absent".to_owned(), |got| {
            let Told {
                phase,
                since,
                waiting,
                number,
                holder,
            } = got;
            let holder = holder.map_or(String::new(), |id| format!(" by #{}", tail(id)));
            format!("{phase:?}{holder} since {since}, i{number}, {waiting} wait")
        });
        (answer, Step::Status { key, seen, got })
    }

    /// Whether a key is there is one step for each, under the map lock; the status of each is a step of its own.
    pub(crate) fn snapshot(&self) -> Vec<Looked> {
        let call = self.called("snapshot");
        let all = self.world.sessions.snapshot();
        let mut chains = Vec::new();
        let mut answers = Vec::new();
        for key in self.world.keys() {
            let here = all.iter().any(|seen| *seen.key() == key);
            chains.push(vec![Step::Here { key, here }]);
        }
        for seen in &all {
            let (answer, step) = self.status_of(*seen.key(), None, Some(seen.status()));
            answers.push(format!("{}: {answer}", seen.key()));
            chains.push(vec![step]);
        }
        self.returned(call, format!("[{}]", answers.join("; ")), chains);
        all
    }

    fn observe(&self, key: Key) -> Option<(Seen, Looked)> {
        let name = self.world.recorder.name();
        let seen = self.one(
            format!("observe({key}) as o{name}"),
            || self.world.sessions.observe(&key),
            |seen| self.status_of(key, Some(name), seen.as_ref().map(Observed::status)),
        )?;
        if below(4) == 0 {
            self.one(
                format!("o{name}.handle"),
                || seen.handle().map(|handle| *handle),
                |&handle| (shown(&handle), Step::SeenHandle { seen: name, handle }),
            );
        }
        Some((name, seen))
    }
}

/// Claims.
impl Caller {
    pub(crate) fn claim(&self, key: Key) {
        let Some((name, seen)) = self.observe(key) else {
            return;
        };
        step();
        let unseen = self.world.recorder.unseen();
        let turn = self.one(
            format!("o{name}.claim"),
            || seen.claim(),
            |turn| {
                let (id, got, answer) = match turn {
                    Ok(turn) => {
                        let (id, given, answer) = claimed(turn);
                        (id, Ok(given), answer)
                    }
                    Err(Moved) => (unseen, Err(Refusal::Moved), "moved".to_owned()),
                };
                let step = Step::Claim {
                    key,
                    id,
                    seen: name,
                    got,
                };
                (answer, step)
            },
        );
        if let Ok(turn) = turn {
            self.work(id(key, Turn::ticket(&turn).get()), turn);
        }
    }

    /// Zero, or the time of one round.
    fn idle_for() -> u64 {
        [0, 2][below(2)]
    }

    pub(crate) fn claim_idle(&self) {
        let idle_for = Self::idle_for();
        let mut claims = self
            .world
            .sessions
            .claim_idle(Duration::from_millis(idle_for));
        let call = self.called(format!("claim_idle({idle_for})"));
        let turn = claims.next();
        let Some(turn) = turn else {
            let over = self
                .world
                .keys()
                .map(|key| vec![Step::PassOver { key, idle_for }]);
            return self.returned(call, "none", over.collect());
        };
        let key = *Turn::key(&turn);
        let (id, got, answer) = claimed(&turn);
        let claim = Step::ClaimIdle {
            key,
            id,
            idle_for,
            got,
        };
        self.returned(call, format!("{key}: {answer}"), vec![vec![claim]]);
        self.work(id, turn);
    }

    /// Each session that is ended is three steps, and its closer runs between the second and the third.
    pub(crate) fn cleanup(&self) {
        let idle_for = Self::idle_for();
        let sweep = self.called(format!("cleanup_idle({idle_for})"));
        let mut begun = self.called("claim");
        let mut closed: Vec<(Key, Id)> = Vec::new();
        let limit = Duration::from_millis(idle_for);
        let done = self
            .world
            .sessions
            .cleanup_idle(limit, |&key, session, number| {
                let id = self.world.recorder.unseen();
                let mut steps = Vec::new();
                if let Some(&(key, id)) = closed.last() {
                    steps.push(Step::End { key, id });
                }
                let got = Given {
                    number: number.get(),
                    session: Some(session.id()),
                };
                steps.push(Step::ClaimIdle {
                    key,
                    id,
                    idle_for,
                    got,
                });
                steps.push(Step::Vacate { key, id });
                self.returned(
                    begun,
                    format!("{key}: s{} (i{number})", session.id()),
                    vec![steps],
                );
                closed.push((key, id));
                step();
                drop(session);
                begun = self.called("let go");
            });
        let last = closed.last().map(|&(key, id)| vec![Step::End { key, id }]);
        self.returned(begun, "none left", last.into_iter().collect());
        let others = self
            .world
            .keys()
            .filter(|key| closed.iter().all(|of| of.0 != *key));
        let over = others.map(|key| vec![Step::PassOver { key, idle_for }]);
        assert_eq!(done.closed, closed.len(), "C14: it counts what it closed");
        self.returned(sweep, format!("{} closed", done.closed), over.collect());
    }
}

/// Replacements, and the close.
impl Caller {
    pub(crate) fn supersede(&self, key: Key) {
        match below(4) {
            0 => self.replace(key, None),
            1 => self.remove(key, None),
            kind => {
                let Some(seen) = self.observe(key) else {
                    return;
                };
                step();
                match kind {
                    2 => self.replace(key, Some(&seen)),
                    _ => self.remove(key, Some(&seen)),
                }
            }
        }
    }

    fn replace(&self, key: Key, seen: Option<&(Seen, Looked)>) {
        if let Ok(Replaced { old, vacancy }) = self.replaced(key, seen) {
            let id = id(key, vacancy.ticket().get());
            self.part(id, old);
            self.start(id, vacancy);
        }
    }

    pub(crate) fn replaced(
        &self,
        key: Key,
        seen: Option<&(Seen, Looked)>,
    ) -> Result<Replaced<Key, Session, u32>, Refusal> {
        let unseen = self.world.recorder.unseen();
        let name = seen.map(|(name, _)| *name);
        self.one(
            named("replace", key, name),
            || match seen {
                None => self.world.sessions.replace(&key).map_err(super::refusal),
                Some((_, seen)) => seen.replace().map_err(|error| match error {
                    ReplaceError::Closed => Refusal::Closed,
                    ReplaceError::Moved => Refusal::Moved,
                    other => panic!("a refusal that the model does not know: {other:?}"),
                }),
            },
            |replaced| {
                let (id, got) = match replaced {
                    Ok(Replaced { old, vacancy }) => {
                        let number = vacancy.incarnation().get();
                        (
                            id(key, vacancy.ticket().get()),
                            Ok((left(old.as_ref()), number)),
                        )
                    }
                    Err(refusal) => (unseen, Err(*refusal)),
                };
                let answer = match &got {
                    Ok((left, number)) => format!("{left:?}, vacancy (i{number}, #{})", tail(id)),
                    Err(refusal) => shown(refusal),
                };
                let seen = name;
                (answer, Step::Replace { key, id, seen, got })
            },
        )
    }

    fn remove(&self, key: Key, seen: Option<&(Seen, Looked)>) {
        let id = self.world.recorder.unseen();
        let name = seen.map(|(name, _)| *name);
        let removed = self.chain(
            named("remove", key, name),
            || match seen {
                None => Ok(self.world.sessions.remove(&key)),
                Some((_, seen)) => seen.remove(),
            },
            |removed| {
                let got = match removed {
                    Ok(old) => Ok(left(old.as_ref())),
                    Err(Moved) => Err(Refusal::Moved),
                };
                let answer = shown(&got);
                let seen = name;
                let replaces = Step::Remove { key, id, seen, got };
                (answer, vec![replaces, Step::End { key, id }])
            },
        );
        self.part(id, removed.unwrap_or(None));
    }

    /// What is left of the old one.
    fn part(&self, id: Id, old: Option<Old<Key, Session, u32>>) {
        match old {
            Some(Old::Idle(session)) => drop(session),
            Some(Old::Held(departure)) if below(2) == 0 => self.one(
                format!("departure of what #{} replaced", tail(id)),
                || departure.wait(),
                |()| ("ended".to_owned(), Step::Departed { id }),
            ),
            Some(Old::Held(_)) | None => {}
        }
    }

    pub(crate) fn close(&self) {
        let call = self.called("close");
        let close = self.world.recorder.name();
        self.world.sessions.close();
        let each = |key| {
            vec![
                Step::Refuse { key },
                Step::Sweep { key, close },
                Step::LetGo { key, close },
            ]
        };
        let keys = self.world.keys().map(each);
        let chains = [vec![Step::Flag]].into_iter().chain(keys).collect();
        self.returned(call, "closed", chains);
    }
}

fn claimed(turn: &Turn<Key, Session, u32>) -> (Id, Given, String) {
    let (ticket, number) = (Turn::ticket(turn), Turn::incarnation(turn));
    let session = turn.id();
    let given = Given {
        number: number.get(),
        session: Some(session),
    };
    let answer = format!("turn of s{session} (i{number}, #{ticket})");
    (id(*Turn::key(turn), ticket.get()), given, answer)
}

fn left(old: Option<&Old<Key, Session, u32>>) -> Left {
    match old {
        None => Left::Nothing,
        Some(Old::Idle(session)) => Left::Rested(session.id()),
        Some(Old::Held(_)) => Left::Held,
    }
}

fn named(call: &str, key: Key, seen: Option<Seen>) -> String {
    seen.map_or(format!("{call}({key})"), |seen| format!("o{seen}.{call}"))
}
