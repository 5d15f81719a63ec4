//! What the calls return. The type of a guard is the phase of its slot.
//!
//! | module | its one idea |
//! |---|---|
//! | `observed` | a slot as it was observed, to act on it if nothing has changed; the result of a replacement |
//! | `enter` | a position in the queue, and the future that waits in it |
//! | `entry` | the result of `enter`, like an entry of std's maps |
//! | `send_fn` | async closures whose futures are `Send` |
//! | `guard` | `Turn`, `Vacancy`, `Closing` |
//! | `keep` | `KeepAlive`, which keeps a session without its turn |
//! | `hold` | the base of each guard |

pub(crate) mod enter;
pub(crate) mod entry;
pub(crate) mod guard;
pub(crate) mod hold;
pub(crate) mod keep;
pub(crate) mod observed;
pub(crate) mod send_fn;
