//! With a guard in hand: starts, turns, closes, and each way out of them.

use super::{Caller, below, lines::tail, shown};
use crate::ledger::{Held, Session, step};
use crate::steps::{Id, Key, Step};
use std::sync::Arc;
use turnwise::{Closing, Turn, Vacancy};

impl Caller {
    /// A vacancy, from its begin to its end.
    pub(crate) fn start(&self, id: Id, vacancy: Vacancy<Key, Session, u32>) {
        let key = *vacancy.key();
        let ledger = &self.world.ledger;
        let held = ledger.hold(key, vacancy.incarnation(), vacancy.ticket());
        if below(4) == 0 {
            self.set_handle(key, id, |handle| vacancy.set_handle(handle));
        }
        if below(4) == 0 {
            self.is_current(id, || vacancy.is_current());
        }
        self.aside();
        match below(8) {
            0 => {
                drop(held);
                self.drop_vacancy(id, vacancy);
            }
            1 => self.ends("panic in a start", key, id, || {
                panics(|| {
                    let _vacancy = vacancy;
                    let _held = held;
                    step();
                    engine::panic_now()
                });
            }),
            _ => {
                let session = ledger.start(key);
                // The turn goes on in the same incarnation.
                drop(held);
                let name = session.id();
                let turn = self.one(
                    format!("fill({key}#{}, s{name})", tail(id)),
                    || vacancy.fill(session),
                    |turn| {
                        let number = Turn::incarnation(turn).get();
                        let step = Step::Fill {
                            key,
                            id,
                            session: name,
                            number,
                        };
                        ("turn".to_owned(), step)
                    },
                );
                self.work(id, turn);
            }
        }
    }

    /// A turn, from its begin to its end.
    pub(crate) fn work(&self, id: Id, mut turn: Turn<Key, Session, u32>) {
        let key = *Turn::key(&turn);
        let ledger = &self.world.ledger;
        let held = ledger.hold(key, Turn::incarnation(&turn), Turn::ticket(&turn));
        turn.work();
        match below(8) {
            0 => self.set_handle(key, id, |handle| Turn::set_handle(&turn, handle)),
            1 => self.is_current(id, || Turn::is_current(&turn)),
            2 => {
                self.one(
                    format!("waiting({key}#{})", tail(id)),
                    || Turn::waiting(&turn),
                    |&waiting| {
                        let step = Step::Waiting { key, id, waiting };
                        (waiting.to_string(), step)
                    },
                );
            }
            _ => self.aside(),
        }
        self.end_turn(key, id, turn, held);
    }

    fn end_turn(&self, key: Key, id: Id, turn: Turn<Key, Session, u32>, held: Held) {
        match below(8) {
            0 => {
                let steps = vec![Step::Vacate { key, id }, Step::End { key, id }];
                self.chain(
                    format!("panic in a turn({key}#{})", tail(id)),
                    || {
                        panics(|| {
                            let mut turn = turn;
                            let _held = held;
                            turn.spoil();
                            engine::panic_now()
                        });
                    },
                    |()| ("ended".to_owned(), steps),
                );
            }
            1 | 2 => {
                drop(held);
                let closing = self.one(
                    format!("vacate({key}#{})", tail(id)),
                    || Turn::vacate(turn),
                    |_| ("closing".to_owned(), Step::Vacate { key, id }),
                );
                self.close_session(id, closing);
            }
            3 => {
                drop(held);
                let back = self.one(
                    format!("release({key}#{})", tail(id)),
                    || Turn::release(turn),
                    |back| {
                        let session = back.as_ref().map(Session::id);
                        let back = Some(session);
                        (shown(&session), Step::Release { key, id, back })
                    },
                );
                drop(back);
            }
            _ => {
                drop(held);
                self.one(
                    format!("drop turn({key}#{})", tail(id)),
                    || drop(turn),
                    |()| {
                        let back = None;
                        ("ended".to_owned(), Step::Release { key, id, back })
                    },
                );
            }
        }
    }

    fn close_session(&self, id: Id, closing: Closing<Key, Session, u32>) {
        let key = *closing.key();
        let ledger = &self.world.ledger;
        let held = ledger.hold(key, closing.incarnation(), closing.ticket());
        self.aside();
        drop(held);
        match below(3) {
            0 => self.ends("drop closing", key, id, || drop(closing)),
            1 => {
                let (vacancy, session) = self.one(
                    format!("split({key}#{})", tail(id)),
                    || closing.split(),
                    |(vacancy, session)| {
                        let number = vacancy.incarnation();
                        let session = Some(session.id());
                        let step = Step::Closed {
                            key,
                            id,
                            number: number.get(),
                            session,
                        };
                        (format!("vacancy (i{number})"), step)
                    },
                );
                drop(session);
                self.drop_vacancy(id, vacancy);
            }
            _ => {
                let vacancy = self.one(
                    format!("closed({key}#{})", tail(id)),
                    || closing.closed(),
                    |vacancy| {
                        let number = vacancy.incarnation();
                        let step = Step::Closed {
                            key,
                            id,
                            number: number.get(),
                            session: None,
                        };
                        (format!("vacancy (i{number})"), step)
                    },
                );
                self.start(id, vacancy);
            }
        }
    }

    pub(crate) fn drop_vacancy(&self, id: Id, vacancy: Vacancy<Key, Session, u32>) {
        self.ends("drop vacancy", *vacancy.key(), id, || drop(vacancy));
    }

    /// A vacancy or a closing is let go.
    fn ends(&self, text: &str, key: Key, id: Id, run: impl FnOnce()) {
        self.one(format!("{text}({key}#{})", tail(id)), run, |()| {
            ("ended".to_owned(), Step::End { key, id })
        });
    }

    fn set_handle(&self, key: Key, id: Id, set: impl FnOnce(Arc<u32>)) {
        let handle = self.world.recorder.name();
        self.one(
            format!("set_handle({key}#{}, h{handle})", tail(id)),
            || set(Arc::new(handle)),
            |()| ("set".to_owned(), Step::SetHandle { key, id, handle }),
        );
    }

    fn is_current(&self, id: Id, ask: impl FnOnce() -> bool) {
        self.one(format!("is_current(#{})", tail(id)), ask, |&current| {
            (shown(&current), Step::IsCurrent { id, current })
        });
    }
}

/// Runs what panics, and catches it.
fn panics(body: impl FnOnce()) {
    assert!(engine::unwind(body).is_err(), "it panicked");
}
