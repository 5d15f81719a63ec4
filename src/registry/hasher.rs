//! The default hasher of keys.

use crate::sync::RandomState;
use siphasher::sip::SipHasher13;
use std::{
    fmt,
    hash::{BuildHasher, Hasher},
};

/// The default hasher of keys: SipHash 1-3, as std's, with a secret seed from std. An attacker cannot choose keys that collide.
///
/// It costs two thirds as much as std's, because it is inlined. If no stranger chooses your keys, a faster hasher such as
/// [foldhash](https://docs.rs/foldhash) saves about 80 instructions a call, of 489 in a turn and 175 in a status:
///
/// ```
/// use turnwise::{Builder, Registry};
///
/// let sessions: Registry<u64, u32, (), foldhash::quality::RandomState> =
///     Registry::builder().hasher(foldhash::quality::RandomState::default()).build();
/// # drop(sessions);
/// ```
#[derive(Clone)]
pub struct DefaultHasher {
    seed: [u64; 2],
}

impl DefaultHasher {
    /// Returns a hasher with a seed of its own.
    pub fn new() -> Self {
        // std does not tell its seed, so this one is what std's SipHash makes of it. It is as hard to guess.
        let secret = RandomState::new();
        Self {
            seed: [secret.hash_one(0), secret.hash_one(1)],
        }
    }
}

impl Default for DefaultHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl BuildHasher for DefaultHasher {
    type Hasher = KeyHasher;

    #[inline]
    fn build_hasher(&self) -> KeyHasher {
        let [first, second] = self.seed;
        KeyHasher(SipHasher13::new_with_keys(first, second))
    }
}

/// Hashes one key; made by a [`DefaultHasher`].
#[derive(Clone)]
pub struct KeyHasher(SipHasher13);

macro_rules! forwarded {
    ($($write:ident($type:ty))*) => {
        impl Hasher for KeyHasher {
            #[inline]
            fn finish(&self) -> u64 {
                self.0.finish()
            }
            $(
                #[inline]
                fn $write(&mut self, value: $type) {
                    self.0.$write(value);
                }
            )*
        }
    };
}

forwarded! { write(&[u8]) write_u8(u8) write_u16(u16) write_u32(u32) write_u64(u64) write_usize(usize) }

/// The seed stays secret.
impl fmt::Debug for DefaultHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DefaultHasher").finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyHasher").finish_non_exhaustive()
    }
}
