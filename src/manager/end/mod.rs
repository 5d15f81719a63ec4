//! How sessions end.
//!
//! | module | its one idea |
//! |---|---|
//! | `shutdown`, `sweep` | all sessions; the idle ones |
//! | `port` | a session that ends itself, and what it emits while it is idle |
//! | `stop` | one session |

pub(crate) mod port;
pub(crate) mod shutdown;
pub(crate) mod stop;
pub(crate) mod sweep;
