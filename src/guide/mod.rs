//! How to use the crate, by what one wants to do. These pages are documentation only.

#[cfg(feature = "tokio")]
#[doc = include_str!("embedding.md")]
///
/// ```no_run
#[doc = include_str!("../../examples/embedding.rs")]
/// ```
pub mod embedding {}

#[cfg(feature = "tokio")]
#[doc = include_str!("backend.md")]
pub mod backend {}

#[doc = include_str!("core.md")]
pub mod core {}

#[doc = include_str!("cancel_safety.md")]
pub mod cancel_safety {}

#[cfg(feature = "tokio")]
#[doc = include_str!("ending.md")]
pub mod ending {}

#[cfg(feature = "tokio")]
#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("migrating.md")]
pub mod migrating {}
