//! The numbers of sessions and of calls. They can be written down, sent and read back.

use std::{error::Error, fmt, num::NonZeroU64, str::FromStr};

/// A generation number, usable as a fencing token: one life of a session, from the start of its start to the end of its close.
///
/// The incarnations of a key strictly increase, though not one by one, and no two sessions of a registry have the same. A
/// superseded holder that starts another session outside the map keeps its number, which is lower than its replacement's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u64"))]
pub struct Incarnation(pub(crate) u64);

impl Incarnation {
    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// The number of a call of one key, in its queue and then in its turn. The tickets of a key strictly increase, even if it
/// is absent in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u64"))]
pub struct Ticket(pub(crate) NonZeroU64);

impl Ticket {
    pub(crate) const FIRST: Self = Self(NonZeroU64::MIN);
    /// The two highest bits are those of the priority, in a place of the queue.
    const LAST: Self = Self(NonZeroU64::new((1 << 62) - 1).expect("it is not 0"));

    /// `None` for 0, which is no ticket.
    #[inline]
    pub(crate) fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Lasts for 146 years at a billion a second.
    #[inline]
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that no session, call or event can have: 0, a ticket of 2^62 or more, or a text that is not a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidNumber;

impl fmt::Display for InvalidNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the number of a session, a call or an event")
    }
}

impl Error for InvalidNumber {}

impl TryFrom<u64> for Incarnation {
    type Error = InvalidNumber;

    fn try_from(number: u64) -> Result<Self, InvalidNumber> {
        (number > 0).then_some(Self(number)).ok_or(InvalidNumber)
    }
}

impl TryFrom<u64> for Ticket {
    type Error = InvalidNumber;

    fn try_from(number: u64) -> Result<Self, InvalidNumber> {
        let ticket = Self::new(number).filter(|ticket| *ticket <= Self::LAST);
        ticket.ok_or(InvalidNumber)
    }
}

impl FromStr for Incarnation {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        Self::try_from(text.parse::<u64>().map_err(|_| InvalidNumber)?)
    }
}

impl FromStr for Ticket {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        Self::try_from(text.parse::<u64>().map_err(|_| InvalidNumber)?)
    }
}
