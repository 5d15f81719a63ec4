//! The partial output of sessions, whoever sent the message.

use super::{
    backend::Agent,
    events::{Hub, Queue, Subscription},
    shared::{Erased, Shared},
};
use crate::sync::{
    Arc, RandomState,
    atomic::{AtomicUsize, Ordering},
};
use parking_lot::Mutex;
use std::{collections::HashMap, hash::Hash};

/// Those who listen, by key.
pub(super) struct Outputs<K, E> {
    /// How many keys are listened to: without any, an event costs one load.
    count: AtomicUsize,
    hubs: Mutex<HashMap<K, Arc<Hub<E>>, RandomState>>,
}

impl<K: Eq + Hash + Clone + Send + Sync + 'static, E: Clone + Send + Sync + 'static> Outputs<K, E> {
    /// The one of a manager, made when it is first asked for.
    fn of<A: Agent<Key = K, Event = E>>(shared: &Shared<A>) -> Arc<Self> {
        let mut erased = shared.outputs.lock();
        let erased = erased.get_or_insert_with(|| {
            let outputs = Arc::new(Self {
                count: AtomicUsize::new(0),
                hubs: Mutex::new(HashMap::with_hasher(RandomState::new())),
            });
            let ended = Arc::clone(&outputs);
            Erased {
                outputs,
                end: Arc::new(move || ended.end()),
            }
        });
        let outputs = Arc::clone(&erased.outputs);
        outputs
            .downcast()
            .expect("a manager has one agent, with one type of events")
    }

    pub(super) fn listen<A: Agent<Key = K, Event = E>>(
        shared: &Shared<A>,
        key: &K,
    ) -> Subscription<E> {
        let outputs = Self::of(shared);
        let mut hubs = outputs.hubs.lock();
        // Those whose listeners have gone go with the next that comes.
        hubs.retain(|_, hub| hub.heard());
        let hub = hubs
            .entry(key.clone())
            .or_insert_with(|| Arc::new(Hub::new(shared.settings.unread_bytes)));
        let subscription = hub.subscribe();
        outputs.count.store(hubs.len(), Ordering::Relaxed);
        drop(hubs);
        // The end of all comes after this, and finds the subscription; or before, and is found here.
        if shared.ending.over() {
            outputs.end();
        }
        subscription
    }

    /// What a turn of this key emits goes to its sender and to all who listen; what it emits when it has ended, to nobody.
    pub(super) fn emitter<A: Agent<Key = K, Event = E>>(
        shared: &Shared<A>,
        key: Arc<K>,
        sender: Arc<Queue<E>>,
    ) -> Arc<dyn Fn(E) + Send + Sync> {
        let outputs = Self::of(shared);
        Arc::new(move |event| {
            if sender.has_ended() {
                return;
            }
            let bytes = A::weight(&event);
            if outputs.count.load(Ordering::Relaxed) > 0 {
                let hub = outputs.hubs.lock().get(&*key).map(Arc::clone);
                if let Some(hub) = hub {
                    hub.publish(|| (event.clone(), bytes));
                }
            }
            sender.push(event, bytes);
        })
    }

    fn end(&self) {
        // Wakers run after the lock.
        let hubs: Vec<_> = self.hubs.lock().values().map(Arc::clone).collect();
        for hub in hubs {
            hub.end();
        }
    }
}
