//! The drain: it takes what rests, and stands in the line of what is held. In which order it does so is not fixed, so the
//! model is told, and says whether it may be.

use super::*;

type Next = (Option<Closing<Key, Session, u32>>, Drain<Key, Session, u32>);

/// A drain, in the middle of its `next`.
pub struct Draining {
    next: Pin<Box<dyn Future<Output = Next>>>,
    pub wakes: Arc<Wakes>,
    pub asleep: Option<usize>,
    /// Its places in the lines.
    places: Vec<(Id, Key)>,
}

impl World {
    /// Begins a drain, or goes on with it.
    pub fn drain_next(&mut self) -> Checked {
        let mut draining = match self.drain.take() {
            Some(draining) => draining,
            None => self.begin_drain()?,
        };
        let resting = self.model.idle();
        let waker = Waker::from(Arc::clone(&draining.wakes));
        let next = draining
            .next
            .as_mut()
            .poll(&mut Context::from_waker(&waker));
        self.let_go_for(&mut draining.places);
        match next {
            Poll::Ready((None, _)) => return same("drained", true, self.model.drained()),
            Poll::Ready((Some(closing), drain)) => {
                (draining.next, draining.asleep) = (next_of(drain), None);
                self.drained_one(&mut draining.places, &resting, closing)?;
                self.join_for(&mut draining.places);
            }
            Poll::Pending => {
                draining.asleep = Some(draining.wakes.count());
                self.join_for(&mut draining.places);
                same("drain found one at rest", false, !resting.is_empty())?;
                same("drained", false, self.model.drained())?;
            }
        }
        self.drain = Some(draining);
        Ok(())
    }

    fn begin_drain(&mut self) -> Result<Draining, String> {
        let drain = self.registry.drain();
        self.model.close();
        let superseded = self
            .model
            .guards
            .keys()
            .filter(|&&id| !self.model.is_current(id));
        let left = self.model.slots.len() + superseded.count();
        same("left for the drain", drain.left().len(), left)?;
        Ok(Draining {
            next: next_of(drain),
            wakes: Arc::default(),
            asleep: None,
            places: Vec::new(),
        })
    }

    pub fn leave_drain(&mut self) -> Checked {
        if let Some(Draining { next, places, .. }) = self.drain.take() {
            drop(next);
            for (id, _) in places {
                self.model.end(id);
            }
        }
        Ok(())
    }

    /// There is something for it.
    pub fn drain_is_ready(&self) -> bool {
        let places = self.drain.iter().flat_map(|draining| &draining.places);
        let granted = places.clone().any(|&(id, _)| self.model.settled(id));
        granted || !self.model.idle().is_empty() || self.model.drained()
    }

    /// It was given a session that rested, or whose turn came to it.
    fn drained_one(
        &mut self,
        places: &mut Vec<(Id, Key)>,
        resting: &BTreeSet<Key>,
        closing: Closing<Key, Session, u32>,
    ) -> Checked {
        let key = *closing.key();
        let place = places.iter().position(|place| place.1 == key);
        let (id, guard) = match place.map(|place| places.remove(place)) {
            Some((id, _)) => match self.model.poll(id) {
                Poll::Ready(Ok(guard)) => (id, guard),
                other => {
                    return Err(format!(
                        "the drain was given {key}, but the model says {other:?}"
                    ));
                }
            },
            None => {
                same("drained at rest", true, resting.contains(&key))?;
                let id = self.draw();
                (id, self.model.take(key, id))
            }
        };
        self.model.vacate(id);
        self.hold_closing(id, &guard, closing)
    }

    /// It drops vacancies that come to it, and looks elsewhere when it was sent away.
    fn let_go_for(&mut self, places: &mut Vec<(Id, Key)>) {
        places.retain(|&(id, key)| {
            let granted = self
                .model
                .slots
                .get(&key)
                .filter(|slot| slot.holder == Some(id));
            let vacancy = granted.is_some_and(|slot| slot.session.is_none());
            let gone = self.registry.status(&key).is_none();
            if vacancy && gone || self.model.refused.contains_key(&id) {
                self.model.end(id);
            }
            granted_or_waits(&self.model, id)
        });
    }

    /// Where one more waits than the model knows, it is the drain.
    fn join_for(&mut self, places: &mut Vec<(Id, Key)>) {
        for key in 0..KEYS {
            let Some(slot) = self.model.slots.get(&key) else {
                continue;
            };
            let waiting = self
                .registry
                .status(&key)
                .map_or(0, |status| status.waiting as usize);
            if slot.holder.is_some() && waiting == slot.waiting() + 1 {
                let id = self.draw();
                self.model.join(key, id, LINE);
                places.push((id, key));
            }
        }
    }
}

fn granted_or_waits(model: &Oracle, id: Id) -> bool {
    let mut slots = model.slots.values();
    slots.any(|slot| slot.holder == Some(id) || slot.ahead(id).is_some())
}

fn next_of(mut drain: Drain<Key, Session, u32>) -> Pin<Box<dyn Future<Output = Next>>> {
    Box::pin(async move { (drain.next().await, drain) })
}
