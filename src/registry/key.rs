//! What a session may be looked up by.

use std::{
    ffi::{OsStr, OsString},
    hash::Hash,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

/// What a key of type `K` may be looked up by, and made from when its session is new.
///
/// Every `Clone` key stands for itself; `str` stands for `String`, `Box<str>`, `Rc<str>` and `Arc<str>`; likewise `Path`,
/// `OsStr` and `[T]`. For a key of several parts, implement it for a struct that borrows them:
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
/// `is_key` runs while a map lock is held: it must not call the registry. If it panics, or the hash or `to_key` does, the
/// registry is as it was before the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not stand for a key of type `{K}`",
    note = "pass `&K`, or `&str` for a string-like key; for a key of parts, implement `ToKey<{K}>` for a struct that borrows them"
)]
pub trait ToKey<K>: Hash {
    /// Is this the key? Must agree with the hash: what is this key hashes as this does.
    fn is_key(&self, key: &K) -> bool;
    /// Makes the key for a new slot: when no slot of that key exists, and at a replacement.
    fn to_key(&self) -> K;
}

// One blanket over `ToOwned` would leave no room for `Arc<str>` (E0119): hence every key for itself, and the usual
// borrowed forms.
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
