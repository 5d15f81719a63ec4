//! The user's values: keys, sessions, handles, captures and wakers, each counted, each with its hooks.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::mem::ManuallyDrop;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

use turnwise::ToKey;

use super::script::{Hook, at, with};

/// What was made and not dropped.
#[derive(Debug, Default)]
pub(super) struct Alive {
    pub(super) keys: usize,
    pub(super) handles: usize,
    pub(super) captures: usize,
    pub(super) sessions: BTreeMap<u32, Life>,
    next_session: u32,
    /// Clones that are not the harness's, by waker.
    pub(super) wakers: BTreeMap<usize, usize>,
    /// How often each was woken.
    pub(super) woken: BTreeMap<usize, usize>,
}

/// Of a session: of which key, and whether the registry answers for it. Not before it fills a current slot; not any more
/// when it was split off, released, or its slot replaced.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) key: u8,
    pub(super) inside: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) u8);

/// What a key is looked up by.
pub(super) struct Lookup(pub(super) u8);

impl Key {
    fn new(id: u8) -> Self {
        at(Hook::ToKey);
        with(|stage| stage.alive.keys += 1);
        Self(id)
    }
}

impl Clone for Key {
    fn clone(&self) -> Self {
        Self::new(self.0)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        with(|stage| stage.alive.keys -= 1);
        at(Hook::KeyDrop);
    }
}

impl Hash for Lookup {
    fn hash<S: Hasher>(&self, state: &mut S) {
        at(Hook::Hash);
        let collide = with(|stage| stage.collide);
        state.write_u8(if collide { 0 } else { self.0 });
    }
}

impl ToKey<Key> for Lookup {
    fn is_key(&self, key: &Key) -> bool {
        at(Hook::IsKey);
        self.0 == key.0
    }

    fn to_key(&self) -> Key {
        Key::new(self.0)
    }
}

#[derive(Debug)]
pub(super) struct Session(u32);

impl Session {
    pub(super) fn new(key: u8) -> Self {
        let inside = false;
        with(|stage| {
            stage.alive.next_session += 1;
            let id = stage.alive.next_session;
            stage.alive.sessions.insert(id, Life { key, inside });
            Self(id)
        })
    }

    /// The registry answers for it from now on, or not any more.
    pub(super) fn is_inside(&self, inside: bool) {
        with(|stage| {
            let life = stage.alive.sessions.get_mut(&self.0);
            life.expect("it lives").inside = inside;
        });
    }
}

impl Drop for Session {
    /// It lives until its drop has ended, also by a panic.
    fn drop(&mut self) {
        struct Ends(u32);
        impl Drop for Ends {
            fn drop(&mut self) {
                with(|stage| {
                    if stage.alive.sessions.remove(&self.0).is_none() {
                        let twice = format!("C12: session {} is dropped twice", self.0);
                        stage.complaints.push(twice);
                    }
                });
            }
        }
        let _ends = Ends(self.0);
        at(Hook::SessionDrop);
    }
}

#[derive(Debug)]
pub(super) struct Handle(());

impl Handle {
    pub(super) fn new() -> Self {
        with(|stage| stage.alive.handles += 1);
        Self(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        with(|stage| stage.alive.handles -= 1);
        at(Hook::HandleDrop);
    }
}

/// What a closure has captured.
pub(super) struct Capture(());

impl Capture {
    pub(super) fn new() -> Self {
        with(|stage| stage.alive.captures += 1);
        Self(())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        with(|stage| stage.alive.captures -= 1);
        at(Hook::CaptureDrop);
    }
}

/// The harness's own: it is not counted, and its drop is no hook.
pub(super) fn waker(id: usize) -> ManuallyDrop<Waker> {
    let raw = RawWaker::new(ptr::without_provenance(id), &TABLE);
    // SAFETY: the functions of the table take the number out of the pointer, and never follow it. They may be called from any
    // thread; from another than the input's they panic.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
}

static TABLE: RawWakerVTable = RawWakerVTable::new(
    |data| {
        at(Hook::WakerClone);
        with(|stage| *stage.alive.wakers.entry(data.addr()).or_default() += 1);
        RawWaker::new(data, &TABLE)
    },
    |data| {
        gone(data.addr());
        with(|stage| *stage.alive.woken.entry(data.addr()).or_default() += 1);
        at(Hook::Wake);
    },
    |data| {
        with(|stage| *stage.alive.woken.entry(data.addr()).or_default() += 1);
        at(Hook::Wake);
    },
    |data| {
        gone(data.addr());
        at(Hook::WakerDrop);
    },
);

/// One clone less.
fn gone(id: usize) {
    with(|stage| {
        let clones = stage.alive.wakers.entry(id).or_default();
        match clones.checked_sub(1) {
            Some(0) => drop(stage.alive.wakers.remove(&id)),
            Some(left) => *clones = left,
            None => stage
                .complaints
                .push(format!("C12: waker {id} is dropped twice")),
        }
    });
}
