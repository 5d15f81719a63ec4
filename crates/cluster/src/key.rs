//! Keys as the engine knows them.

use std::{borrow::Cow, sync::Arc};

/// A key that can be written as bytes. The bytes are the same in each process.
pub trait ClusterKey: Send + Sync {
    /// Returns the key as bytes. Different keys must have different bytes. Engines may limit their length.
    fn to_bytes(&self) -> Cow<'_, [u8]>;
}

macro_rules! text {
    ($($key:ty),*) => { $(
        impl ClusterKey for $key {
            fn to_bytes(&self) -> Cow<'_, [u8]> {
                Cow::Borrowed(self.as_bytes())
            }
        }
    )* };
}

macro_rules! number {
    ($($key:ty),*) => { $(
        /// In decimal digits.
        impl ClusterKey for $key {
            fn to_bytes(&self) -> Cow<'_, [u8]> {
                Cow::Owned(self.to_string().into_bytes())
            }
        }
    )* };
}

text!(String, Box<str>, Arc<str>, &'static str);
number!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);

impl ClusterKey for Vec<u8> {
    fn to_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self)
    }
}
