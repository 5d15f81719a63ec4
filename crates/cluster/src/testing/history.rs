//! What happened on all nodes, in one order, and whether it may.

use crate::sync::{Arc, PoisonError, Unseen};
use std::{collections::BTreeMap, fmt};

/// One order of events, of all nodes. Clones are the same history.
#[derive(Clone, Default)]
pub struct History(Arc<Unseen<Vec<Event>>>);

#[derive(Clone, Debug)]
struct Event {
    node: String,
    key: String,
    did: Did,
}

/// What a node did with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// It asks for the key. Each such call has a number of its own.
    Asks(usize),
    /// That call has acquired the key with this fence, and a session begins.
    Owns(usize, u64),
    /// That call got another node's name.
    Elsewhere(usize, String),
    /// That call ended otherwise. It may still acquire the key, for nobody.
    Fails(usize),
    /// The session acts outside.
    Acts(u64),
    /// The session has been stopped, and its key may be released.
    Releases(u64),
    /// The node has noticed that the term of the session has ended.
    Loses(u64),
    /// The engine has deleted the record with its lease.
    Expired(u64),
}

/// One acquisition: the moments are places in the history.
struct Owned<'a> {
    node: &'a str,
    fence: u64,
    asked: usize,
    told: usize,
    freed: usize,
    expired: usize,
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events = self.events();
        let lines = events.iter().enumerate();
        lines.into_iter().try_for_each(|(index, event)| {
            let Event { node, key, did } = event;
            writeln!(f, "{index:>6} {node} {key} {did:?}")
        })
    }
}

impl History {
    /// Appends an event.
    pub fn push(&self, node: &str, key: &str, did: Did) {
        let event = Event {
            node: node.to_owned(),
            key: key.to_owned(),
            did,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(event);
    }

    fn events(&self) -> Vec<Event> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the number of acquisitions, and the number of acts.
    pub fn counts(&self) -> (usize, usize) {
        let events = self.events();
        let count = |is: fn(&Did) -> bool| events.iter().filter(|event| is(&event.did)).count();
        let owns = count(|did| matches!(did, Did::Owns(..)));
        (owns, count(|did| matches!(did, Did::Acts(_))))
    }

    /// Checks [B1](Self::exclusive), [B2](Self::fences) and [B12](Self::linearizable), the claims of PROOFS.md.
    ///
    /// # Errors
    ///
    /// A violation, as text.
    pub fn check(&self) -> Result<(), String> {
        self.exclusive()?;
        self.fences()?;
        self.linearizable()
    }

    /// Checks B1: no session acts after another session of its key has begun.
    ///
    /// # Errors
    ///
    /// A violation, as text.
    pub fn exclusive(&self) -> Result<(), String> {
        let mut begun: BTreeMap<String, u64> = BTreeMap::new();
        for (index, Event { node, key, did }) in self.events().into_iter().enumerate() {
            let last = begun.get(&key).copied().unwrap_or_default();
            match did {
                Did::Owns(_, fence) => drop(begun.insert(key, fence)),
                Did::Acts(fence) if fence != last => {
                    return Err(format!(
                        "B1: {index}: {node} acts on {key} with {fence} after {last}"
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks B2: the fences of each key rise.
    ///
    /// # Errors
    ///
    /// A violation, as text.
    pub fn fences(&self) -> Result<(), String> {
        let mut begun: BTreeMap<String, u64> = BTreeMap::new();
        for (index, Event { node, key, did }) in self.events().into_iter().enumerate() {
            if let Did::Owns(_, fence) = did {
                let words =
                    format!("B2: {index}: {node} owns {key} with {fence}, and no higher one");
                let last = begun.insert(key, fence);
                if last.is_some_and(|last| last >= fence) {
                    return Err(words);
                }
            }
        }
        Ok(())
    }

    /// Checks B2 where an engine revokes leases early: the answer to an acquisition may come after that to a later one. So a fence must be
    /// higher than those that were known when it was asked for.
    ///
    /// # Errors
    ///
    /// A violation, as text.
    pub fn fences_since_asked(&self) -> Result<(), String> {
        let mut begun: BTreeMap<String, u64> = BTreeMap::new();
        let mut asked = BTreeMap::new();
        for (index, Event { node, key, did }) in self.events().into_iter().enumerate() {
            let last = begun.entry(key.clone()).or_default();
            match did {
                Did::Asks(call) => drop(asked.insert(call, *last)),
                Did::Owns(call, fence) if asked.get(&call).is_none_or(|last| fence <= *last) => {
                    return Err(format!(
                        "B2: {index}: {node} owns {key} with {fence}, and no higher one"
                    ));
                }
                Did::Owns(_, fence) => *last = fence.max(*last),
                _ => {}
            }
        }
        Ok(())
    }

    /// Checks B12: each answer has a moment between its request and itself at which the register allows it. Fences order the acquisitions, so
    /// only one order has to be checked, and each moment may be the earliest that is left.
    ///
    /// # Errors
    ///
    /// A violation, as text.
    pub fn linearizable(&self) -> Result<(), String> {
        let events = self.events();
        let mut keys: BTreeMap<&str, Vec<(usize, &Event)>> = BTreeMap::new();
        for (index, event) in events.iter().enumerate() {
            keys.entry(&event.key).or_default().push((index, event));
        }
        let told = |(key, events)| of_key(events).map_err(|words| format!("B12: {key}: {words}"));
        keys.into_iter().try_for_each(told)
    }
}

fn of_key(events: Vec<(usize, &Event)>) -> Result<(), String> {
    const NEVER: usize = usize::MAX;
    let mut asks: BTreeMap<usize, (usize, &str)> = BTreeMap::new();
    let mut owned: BTreeMap<u64, Owned<'_>> = BTreeMap::new();
    // Another node's name: asked, told, whose.
    let mut others: Vec<(usize, usize, &str)> = Vec::new();
    for (index, Event { node, did, .. }) in events {
        match did {
            Did::Asks(call) => drop(asks.insert(*call, (index, node))),
            // What a call that failed did, it may still do: it stays.
            Did::Fails(_) | Did::Acts(_) => {}
            Did::Elsewhere(call, other) => {
                let (asked, _) = asks.remove(call).ok_or("an answer without a question")?;
                others.push((asked, index, other));
            }
            Did::Owns(call, fence) => {
                let (asked, node) = asks.remove(call).ok_or("an answer without a question")?;
                let of = Owned {
                    node,
                    fence: *fence,
                    asked,
                    told: index,
                    freed: NEVER,
                    expired: NEVER,
                };
                if owned.insert(*fence, of).is_some() {
                    return Err(format!("two acquisitions with {fence}"));
                }
            }
            Did::Releases(fence) | Did::Loses(fence) | Did::Expired(fence) => {
                // An acquisition for nobody expires, too.
                if let Some(owned) = owned.get_mut(fence) {
                    owned.freed = owned.freed.min(index);
                    if matches!(did, Did::Expired(_)) {
                        owned.expired = index;
                    }
                }
            }
        }
    }
    // The earliest moment of each.
    let (mut at, mut free, mut before) = (0, 0, "");
    let mut moments = Vec::new();
    for owned in owned.values() {
        let Owned { node, fence, .. } = owned;
        let from = if before == *node { at } else { free };
        at = at.max(from).max(owned.asked);
        if at > owned.told || from == NEVER {
            return Err(format!("{node} owns with {fence} what is still another's"));
        }
        moments.push((at, owned));
        (free, before) = (owned.freed, node);
    }
    for (asked, told, other) in others {
        let owns = moments.iter().enumerate().any(|(place, (from, owned))| {
            let next = moments.get(place + 1).map_or(NEVER, |(_, next)| next.told);
            owned.node == other && *from <= told && asked <= next.min(owned.expired)
        });
        let may = asks.values().any(|(at, node)| *node == other && *at < told);
        if !owns && !may {
            return Err(format!("{told}: {other} is named, and owns nothing"));
        }
    }
    Ok(())
}
