//! Steps that end sessions from outside, what was observed, and the clock.

use super::*;

impl World {
    pub fn touch(&mut self, key: Key) -> Checked {
        let real = self.registry.touch(&key);
        if self.lies(Lie::TouchDoesNothing) {
            return Ok(());
        }
        same("touched", real, self.model.touch(key))
    }

    pub fn advance(&mut self, by: Duration) -> Checked {
        self.hand.advance(by);
        if !self.lies(Lie::TimeStandsStill) {
            self.model.elapsed += by;
        }
        Ok(())
    }

    pub fn observe(&mut self, key: Key) -> Checked {
        let real = self.registry.observe(&key);
        let model = self.model.slots.get(&key).cloned();
        match (real, model) {
            (Some(real), Some(model)) => {
                same("key observed", *real.key(), key)?;
                self.names.status(key, &real.status(), &model)?;
                self.seen.push((real, key, model));
                Ok(())
            }
            (real, model) => same("observed", real.is_some(), model.is_some()),
        }
    }

    pub fn keep(&mut self, key: Key) -> Checked {
        match (self.registry.keep_alive(&key), self.model.keep(key)) {
            (Some(kept), Some(number)) => {
                self.names.number(key, number, kept.incarnation())?;
                self.kept.push((kept, key, number));
                Ok(())
            }
            (real, model) => same("kept", real.is_some(), model.is_some()),
        }
    }

    pub fn unkeep(&mut self, operand: u8) -> Checked {
        if let Some((kept, key, number)) = pick(&mut self.kept, operand) {
            drop(kept);
            self.model.unkeep(key, number);
        }
        Ok(())
    }

    pub fn forget(&mut self, operand: u8) -> Checked {
        drop(pick(&mut self.seen, operand));
        Ok(())
    }

    pub fn claim(&mut self, operand: u8) -> Checked {
        let Some((observed, key, seen)) = pick(&mut self.seen, operand) else {
            return Ok(());
        };
        let id = self.draw();
        let (real, model) = (observed.claim(), self.model.claim(key, &seen, id));
        self.seen.push((observed, key, seen));
        match (real, model) {
            (Ok(turn), Ok(guard)) => self.hold_turn(id, &guard, turn),
            (real, model) => same("claimed", real.is_ok(), model.is_ok()),
        }
    }

    pub fn replace_seen(&mut self, operand: u8) -> Checked {
        let Some((observed, key, seen)) = pick(&mut self.seen, operand) else {
            return Ok(());
        };
        let id = self.draw();
        let real = observed.replace();
        let holds = self.model.holds(key, &seen);
        self.seen.push((observed, key, seen));
        match real {
            // Moved, and the registry is closed: both are true.
            Err(ReplaceError::Moved) => same("Observed::replace found it moved", true, !holds),
            Err(ReplaceError::Closed) => {
                same("Observed::replace found it closed", true, self.model.closed)
            }
            real if !holds => Err(format!("Observed::replace gave {real:?}, not Moved")),
            real => match (real, self.model.replace(key, id)) {
                (Ok(real), Ok(model)) => self.replaced(id, real, model),
                (real, model) => Err(format!("Observed::replace gave {real:?}, not {model:?}")),
            },
        }
    }

    pub fn remove_seen(&mut self, operand: u8) -> Checked {
        let Some((observed, key, seen)) = pick(&mut self.seen, operand) else {
            return Ok(());
        };
        let real = observed.remove();
        let holds = self.model.holds(key, &seen);
        self.seen.push((observed, key, seen));
        match real {
            Ok(old) if holds => self.removed(key, old),
            real => same("Observed::remove acts", real.is_ok(), holds),
        }
    }

    pub fn replace(&mut self, key: Key) -> Checked {
        let id = self.draw();
        let real = self.registry.replace(&key);
        match (real, self.model.replace(key, id)) {
            (Ok(real), Ok(model)) => self.replaced(id, real, model),
            (Err(real), Err(model)) => same("replace is refused", refusal(real), model),
            (real, model) => Err(format!("replace gave {real:?}, not {model:?}")),
        }
    }

    fn replaced(
        &mut self,
        id: Id,
        real: Replaced<Key, Session, u32>,
        model: (Option<oracle::Old>, oracle::Guard),
    ) -> Checked {
        self.old(real.old, model.0)?;
        self.hold_vacancy(id, &model.1, real.vacancy)
    }

    pub fn remove(&mut self, key: Key) -> Checked {
        let old = self.registry.remove(&key);
        if self.lies(Lie::RemoveKeepsTheSlot) {
            return Ok(());
        }
        self.removed(key, old)
    }

    fn removed(&mut self, key: Key, real: Option<Old<Key, Session, u32>>) -> Checked {
        let id = self.draw();
        let model = self.model.remove(key, id);
        self.old(real, model)
    }

    fn old(&mut self, real: Option<Old<Key, Session, u32>>, model: Option<oracle::Old>) -> Checked {
        match (real, model) {
            (None, None) => Ok(()),
            (Some(Old::Idle(real)), Some(oracle::Old::Idle(model))) => {
                same("rested", real.id(), model)
            }
            (Some(Old::Held(departure)), Some(oracle::Old::Held(holder))) => {
                let (wakes, asleep) = (Arc::default(), None);
                self.leaving.push(Leaving {
                    holder,
                    departure,
                    wakes,
                    asleep,
                });
                Ok(())
            }
            (real, model) => Err(format!("the old one is {real:?}, not {model:?}")),
        }
    }

    /// Done exactly when the superseded holder has let go.
    pub fn departed(&mut self, operand: u8) -> Checked {
        let Some(mut leaving) = pick(&mut self.leaving, operand) else {
            return Ok(());
        };
        let waker = Waker::from(Arc::clone(&leaving.wakes));
        let real = Pin::new(&mut leaving.departure).poll(&mut Context::from_waker(&waker));
        let gone = !self.model.guards.contains_key(&leaving.holder);
        same("departed", real.is_ready(), gone)?;
        if !gone {
            leaving.asleep = Some(leaving.wakes.count());
            self.leaving.push(leaving);
        }
        Ok(())
    }

    /// At most `limit` claims; with no limit, until none is left.
    pub fn claim_idle(&mut self, idle_for: Duration, limit: usize) -> Checked {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let mut claims = self.registry.claim_idle(idle_for);
        for _ in 0..limit {
            let Some(turn) = claims.next() else {
                return same("left unclaimed", Vec::new(), self.claimable(idle_for));
            };
            let (id, key) = (self.draw(), *Turn::key(&turn));
            same("claimable", self.claimable(idle_for).contains(&key), true)?;
            let guard = self.model.take(key, id);
            self.hold_turn(id, &guard, turn)?;
        }
        Ok(())
    }

    fn claimable(&self, idle_for: Duration) -> Vec<Key> {
        self.model.claimable(idle_for).into_iter().collect()
    }

    pub fn cleanup_idle(&mut self, idle_for: Duration) -> Checked {
        let model = self.model.sweep(idle_for);
        let mut calls = Vec::new();
        let registry = self.registry.clone();
        let real = registry.cleanup_idle(idle_for, |&key, session, incarnation| {
            calls.push((key, session.id(), incarnation, registry.status(&key)));
        });
        let counts = (real.closed, real.young, real.busy, real.waiting, real.kept);
        same(
            "sweep",
            counts,
            (
                model.closed,
                model.young,
                model.busy,
                model.waiting,
                model.kept,
            ),
        )?;
        same("moved", real.moved, 0)?;
        if self.lies(Lie::CleanupForgetsToLook) {
            return Ok(());
        }
        for (key, session, incarnation, status) in calls {
            same("claimable", self.claimable(idle_for).contains(&key), true)?;
            let id = self.draw();
            let guard = self.model.take(key, id);
            self.model.vacate(id);
            same("session closed", Some(session), guard.session)?;
            self.names.number(key, guard.number, incarnation)?;
            let status = status.ok_or("a key is held until its close has ended")?;
            self.names.status(key, &status, &self.model.slots[&key])?;
            self.model.end(id);
        }
        same("left unclaimed", Vec::new(), self.claimable(idle_for))
    }

    pub fn close(&mut self) -> Checked {
        self.registry.close();
        self.model.close(); // Once more, it sends away a drain, which looks again.
        Ok(())
    }
}
