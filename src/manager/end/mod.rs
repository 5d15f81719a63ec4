//! How sessions end.
//!
//! | module | its one idea |
//! |---|---|
//! | `shutdown`, `sweep`, `loss` | all sessions; the idle ones; those that this process no longer owns |
//! | `port` | a session that ends itself, and what it emits while it is idle |
//! | `stop` | one session |

pub(crate) mod loss;
pub(crate) mod port;
pub(crate) mod shutdown;
pub(crate) mod stop;
pub(crate) mod sweep;
