//! How sessions end.
//!
//! | module | its one idea |
//! |---|---|
//! | `shutdown`, `sweep`, `stop` | all sessions; the idle ones; one |

pub(crate) mod shutdown;
pub(crate) mod stop;
pub(crate) mod sweep;
