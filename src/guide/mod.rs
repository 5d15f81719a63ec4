//! How to use the crate. Each page answers one question. These modules contain documentation only.
//!
//! | question | page |
//! |---|---|
//! | How do I embed the session manager in a daemon? | [`embedding`] |
//! | How do I write a backend? | [`backend`] |
//! | Which events arrive, and which may be lost? | [`events`] |
//! | How do I reach a session without its turn, and keep it alive? | [`handles`] |
//! | How are calls listed, cancelled and put first? | [`queues`] |
//! | When is a session thrown away? | [`dirty`] |
//! | How do I watch, count and log? | [`watching`] |
//! | How do I serve sessions over HTTP, with server-sent events? | [`web`] |
//! | What do I do with an error? How does it fit `anyhow`? | [`errors`] |
//! | What if many callers use a session at once, or many sessions share a process? | [`shared`] |
//! | What if there are too many sessions? | [`room`] |
//! | How do sessions and programs end? | [`ending`] |
//! | What happens when a future is dropped? What blocks? | [`cancel_safety`] |
//! | Which clocks are there, and what if the machine sleeps? | [`clocks`] |
//! | How do I test a program that embeds this? | [`testing`] |
//! | How do I use the core alone, and close sessions asynchronously? | [`core`] |
//! | How do I replace my own map of sessions, deadpool or bb8? | [`migrating`] |
//! | What does it cost? | [`speed`] |

#[cfg(feature = "tokio")]
#[doc = include_str!("embedding.md")]
///
#[cfg_attr(unix, doc = "```no_run")]
#[cfg_attr(not(unix), doc = "```ignore")] // turnwise-process is for Unix
#[doc = include_str!("../../examples/embedding.rs")]
/// ```
pub mod embedding {}

#[cfg(feature = "tokio")]
#[doc = include_str!("backend.md")]
pub mod backend {}

#[cfg(feature = "tokio")]
#[doc = include_str!("events.md")]
pub mod events {}

#[cfg(feature = "tokio")]
#[doc = include_str!("handles.md")]
pub mod handles {}

#[cfg(feature = "tokio")]
#[doc = include_str!("queues.md")]
pub mod queues {}

#[cfg(feature = "tokio")]
#[doc = include_str!("dirty.md")]
pub mod dirty {}

#[cfg(feature = "tokio")]
#[doc = include_str!("watching.md")]
pub mod watching {}

#[cfg(feature = "tokio")]
#[doc = include_str!("web.md")]
pub mod web {}

#[cfg(feature = "tokio")]
#[doc = include_str!("errors.md")]
pub mod errors {}

#[cfg(feature = "tokio")]
#[doc = include_str!("shared.md")]
pub mod shared {}

#[cfg(feature = "tokio")]
#[doc = include_str!("room.md")]
pub mod room {}

#[cfg(feature = "tokio")]
#[doc = include_str!("ending.md")]
pub mod ending {}

#[doc = include_str!("cancel_safety.md")]
pub mod cancel_safety {}

#[doc = include_str!("clocks.md")]
pub mod clocks {}

#[cfg(feature = "tokio")]
#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("core.md")]
pub mod core {}

/// [cluster]: https://docs.rs/crate/turnwise/latest/source/docs/cluster.md
#[doc = include_str!("migrating.md")]
#[doc = include_str!("../../docs/why.md")]
pub mod migrating {}

/// [scaling]: https://docs.rs/crate/turnwise/latest/source/docs/scaling.md
#[doc = include_str!("../../docs/speed.md")]
pub mod speed {}
