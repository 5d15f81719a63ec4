//! The numbers of sessions and of calls. They can be written down, sent and read back.

use std::{error::Error, fmt, num::NonZeroU64, str::FromStr};

/// A generation number, usable as a fencing token. It numbers one life of a session, from its start to the end of its close.
///
/// The incarnations of a key strictly increase, though not one by one, and no two sessions of a registry have the same. A
/// superseded holder that starts another session outside the map keeps its number, which is lower than its replacement's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "u64"))]
pub struct Incarnation(pub(crate) u64);

impl Incarnation {
    /// Returns the number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// What a registry draws whose vacancies are numbered by their holders. With the other bits, it is the last number of the slot.
    pub(crate) const UNKNOWN: Self = Self(1 << 63);

    fn is_unknown(self) -> bool {
        self >= Self::UNKNOWN
    }

    /// The number; 0, which nothing has, if the holder of the vacancy has not given it yet.
    #[cfg(feature = "tokio")]
    pub(crate) fn or_zero(self) -> Self {
        match self.is_unknown() {
            true => Self(0),
            false => self,
        }
    }

    /// This number for a slot that had another one before.
    pub(crate) fn after(self, before: Self) -> Self {
        match self.is_unknown() {
            true => Self(self.0 | before.0),
            false => self,
        }
    }

    /// Whether this number is higher than every one that the slot has had.
    pub(crate) fn renews(self, before: Self) -> bool {
        !self.is_unknown() && self.0 > before.0 & !Self::UNKNOWN.0
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

    /// Returns the number.
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

/// A number that no session, call or event can have: 0, an incarnation of 2^63 or more, a ticket of 2^62 or more, or a text that is not a
/// number.
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
        let valid = number > 0 && !Self(number).is_unknown();
        valid.then_some(Self(number)).ok_or(InvalidNumber)
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
