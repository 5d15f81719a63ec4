//! How the registry of a run hashes: without a seed, so that a sequence replays.

use std::hash::{BuildHasher, DefaultHasher, Hasher};

/// With `alike`, all keys have one hash: only their comparison and the numbers of their lines tell their slots apart.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hashing {
    pub alike: bool,
}

#[derive(Debug)]
pub struct Hash {
    alike: bool,
    inner: DefaultHasher,
}

impl BuildHasher for Hashing {
    type Hasher = Hash;

    fn build_hasher(&self) -> Hash {
        Hash {
            alike: self.alike,
            inner: DefaultHasher::new(),
        }
    }
}

impl Hasher for Hash {
    fn write(&mut self, bytes: &[u8]) {
        if !self.alike {
            self.inner.write(bytes);
        }
    }

    fn finish(&self) -> u64 {
        self.inner.finish()
    }
}
