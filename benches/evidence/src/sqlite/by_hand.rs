//! A map, a Mutex and a Condvar: written with care, and not short.

use super::{
    Contender, Failed, LIMIT,
    databases::{Connection, Databases},
};
use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

/// Connections that are free, and places of those that are in use, being opened or being closed.
pub struct ByHand {
    databases: Arc<Databases>,
    places: Mutex<Places>,
    freed: Condvar,
}

#[derive(Default)]
struct Places {
    each: HashMap<usize, Place>,
    uses: u64,
}

enum Place {
    Taken,
    /// With the number of its last use.
    Free(Connection, u64),
}

/// What a caller does that has a place.
enum Found {
    Connection(Connection),
    Room,
    /// The least recently used connection is closed first: that of this tenant.
    Evict(usize, Connection),
}

impl ByHand {
    /// Without a connection.
    pub fn new(databases: Arc<Databases>) -> Self {
        Self {
            databases,
            places: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().expect("no panic while it is locked")
    }

    /// Frees a place, or gives it a connection.
    fn leave(&self, tenant: usize, connection: Option<Connection>) {
        let mut places = self.places();
        places.uses += 1;
        let uses = places.uses;
        match connection {
            Some(connection) => places.each.insert(tenant, Place::Free(connection, uses)),
            None => places.each.remove(&tenant),
        };
        drop(places);
        self.freed.notify_all();
    }

    fn enter(&self, tenant: usize) -> Found {
        let mut places = self.places();
        loop {
            if let Some(found) = places.find(tenant) {
                return found;
            }
            places = self
                .freed
                .wait(places)
                .expect("no panic while it is locked");
        }
    }
}

impl Places {
    fn find(&mut self, tenant: usize) -> Option<Found> {
        match self.each.get_mut(&tenant) {
            Some(Place::Taken) => return None,
            Some(place) => {
                let Place::Free(connection, _) = std::mem::replace(place, Place::Taken) else {
                    unreachable!("it is free")
                };
                return Some(Found::Connection(connection));
            }
            None => {}
        }
        if self.each.len() < LIMIT {
            self.each.insert(tenant, Place::Taken);
            return Some(Found::Room);
        }
        let free = self.each.iter().filter_map(|(tenant, place)| match place {
            Place::Taken => None,
            Place::Free(_, used) => Some((*used, *tenant)),
        });
        let (_, oldest) = free.min()?;
        // Its place stays taken until it is closed: another caller of that tenant must not open it again before.
        match self.each.insert(oldest, Place::Taken) {
            Some(Place::Free(connection, _)) => Some(Found::Evict(oldest, connection)),
            _ => unreachable!("it is free"),
        }
    }
}

/// Frees the place, also when an insert panics.
struct Taken<'a> {
    of: &'a ByHand,
    tenant: usize,
    connection: Option<Connection>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.of.leave(self.tenant, self.connection.take());
    }
}

impl Contender for ByHand {
    fn insert(&self, tenant: usize, number: u32) -> Result<(), Failed> {
        let connection = loop {
            match self.enter(tenant) {
                Found::Connection(connection) => break Some(connection),
                Found::Room => break None,
                Found::Evict(oldest, connection) => {
                    drop(connection);
                    self.leave(oldest, None);
                }
            }
        };
        let mut taken = Taken {
            of: self,
            tenant,
            connection,
        };
        if taken.connection.is_none() {
            taken.connection = Some(self.databases.open(tenant)?);
        }
        let connection = taken.connection.as_mut().expect("it is open");
        Ok(connection.insert(number)?)
    }
}
