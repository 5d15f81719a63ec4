//! One turn at a time for every session, and nobody waits for a turn who does not want one.
#![forbid(unsafe_code)]

mod builder;
mod clock;
mod drain;
mod enter;
mod entry;
mod error;
mod guard;
mod idle;
mod invariants;
mod key;
mod line;
mod observed;
mod registry;
mod shard;
mod slot;
mod status;
mod sync;
mod wake;

pub use builder::Builder;
pub use clock::{Clock, ClockHand, Tick};
pub use drain::Drain;
pub use enter::Enter;
pub use entry::Entry;
pub use error::{EnterError, Moved, ReplaceError, TryEnterError, WaitError};
pub use guard::{Closing, Turn, Vacancy};
pub use idle::{ClaimIdle, Sweep};
pub use key::ToKey;
pub use observed::{Departure, Observed, Old, Replaced};
pub use registry::{DefaultHasher, Registry};
pub use status::{Incarnation, Phase, Status, Ticket};
