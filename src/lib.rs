// The links of README.md, as pages of this documentation. Of two definitions of a link the first counts, and README.md has its own.
// The picture is a part of the page, because the documentation has no other place for it.
//! [chatd]: crate::guide::web
//! [guide]: crate::guide
//! [why]: crate::guide::migrating#why-not-by-hand
//! [speed]: crate::guide::speed
//! [cluster]: https://docs.rs/crate/turnwise/latest/source/docs/cluster.md
//! [PROOFS.md]: https://docs.rs/crate/turnwise/latest/source/PROOFS.md
#![cfg_attr(doc, doc = concat!("[page]: data:image/png;base64,", include_str!("../docs/page.base64")))]
//!
#![doc = include_str!("../README.md")]
//!
//! # Layout of the source
//!
//! Each module uses only the modules below it in this table. The modules of each folder follow the same rule.
//!
//! | module | its one idea |
//! |---|---|
//! | `guide` | how to use the crate, at length |
//! | `testing` (feature `testing`) | a scripted backend and its ledger, for the tests of programs that embed the manager |
//! | [`manager`] (feature `tokio`) | the session manager: starts, checks and stops sessions |
//! | `record` | records the transitions of slots, in builds that check the specification (`machine`); otherwise nothing |
//! | `registry` | the verified core: a concurrent map of exclusive sessions |
//! | `sync` | the one file that differs between the shipped crate and its model-checked copy |
#![forbid(unsafe_code)]
// On docs.rs, each item shows the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(doc, doctest))]
pub mod guide;
#[cfg(feature = "tokio")]
pub mod manager;
#[macro_use]
mod record;
mod registry;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(feature = "tokio")]
#[doc(inline)]
pub use manager::{Agent, Backend, SessionManager, TurnContext};
pub use registry::{
    Builder, ClaimIdle, Clock, ClockHand, Closing, DefaultHasher, Drain, Enter, EnterError, Entry,
    Incarnation, InvalidNumber, KeepAlive, KeyHasher, Moved, Observed, Old, Phase, Registry,
    Released, ReplaceError, Replaced, SendFnOnce, Status, Sweep, Tick, Ticket, ToKey,
    TryEnterError, Turn, Vacancy, WaitError,
};
