//! The types that a session can be looked up by.

use std::{
    ffi::{OsStr, OsString},
    hash::Hash,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

/// A type that sessions with keys `K` can be looked up by, and that makes the key of a new session.
///
/// Every `Clone` key implements it for itself. `str` implements it for `String`, `Box<str>`, `Rc<str>` and `Arc<str>`, and
/// so on for `Path`, `OsStr` and `[T]`. For a key with several parts, implement it for a struct that borrows them:
///
/// ```
/// use std::hash::{Hash, Hasher};
/// use turnwise::{Registry, ToKey};
///
/// #[derive(PartialEq, Eq, Hash)]
/// struct Room { tenant: String, number: u32 }
///
/// #[derive(Hash)] // in the order of the owned key: both must hash alike
/// struct RoomRef<'a> { tenant: &'a str, number: u32 }
///
/// impl ToKey<Room> for RoomRef<'_> {
///     fn is_key(&self, key: &Room) -> bool {
///         self.tenant == key.tenant && self.number == key.number
///     }
///     fn to_key(&self) -> Room {
///         Room { tenant: self.tenant.to_owned(), number: self.number }
///     }
/// }
///
/// let sessions: Registry<Room, u32> = Registry::new();
/// let room = RoomRef { tenant: "acme", number: 7 };
/// drop(sessions.enter_blocking(&room)?.or_insert(1));
/// assert!(sessions.status(&room).is_some());
/// # Ok::<(), turnwise::EnterError>(())
/// ```
///
/// `is_key` runs under a map lock and must not call the registry.
///
/// # Panics
///
/// If `is_key`, `to_key` or the hash panics, the registry is as it was before the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not stand for a key of type `{K}`",
    note = "pass `&K`, or `&str` for a string-like key; for a key of parts, implement `ToKey<{K}>` for a struct that borrows them"
)]
pub trait ToKey<K>: Hash {
    /// Returns whether this is the key. Equal keys must have equal hashes.
    fn is_key(&self, key: &K) -> bool;
    /// Makes the key of a new slot: for an absent key, and for a replacement.
    fn to_key(&self) -> K;
}

// One blanket implementation over `ToOwned` would exclude `Arc<str>` (E0119). Hence one for keys themselves, and one for
// each of the usual borrowed forms.
impl<K: Hash + Eq + Clone> ToKey<K> for K {
    fn is_key(&self, key: &K) -> bool {
        self == key
    }
    fn to_key(&self) -> K {
        self.clone()
    }
}

macro_rules! borrowed {
    ($($borrowed:ty => $key:ty $(, $t:ident)?;)*) => { $(
        impl$(<$t: Hash + Eq + Clone>)? ToKey<$key> for $borrowed {
            fn is_key(&self, key: &$key) -> bool {
                *self == **key
            }
            fn to_key(&self) -> $key {
                self.into()
            }
        }
    )* };
}

borrowed! {
    str => String;
    str => Box<str>;
    str => Rc<str>;
    str => Arc<str>;
    Path => PathBuf;
    Path => Arc<Path>;
    OsStr => OsString;
    OsStr => Arc<OsStr>;
    [T] => Vec<T>, T;
    [T] => Arc<[T]>, T;
}
