//! What the calls return: a place in the queue, and the guards. The type of a guard is the phase of its slot.
//!
//! | module | its one idea |
//! |---|---|
//! | `observed` | what was seen, to act on it only if it still holds; what a replacement gives back |
//! | `enter` | a place in the queue, and the future that waits in it |
//! | `entry` | what `enter` gives, in the shape of std's map entries |
//! | `send_fn` | async closures whose futures are `Send` |
//! | `guard` | `Turn`, `Vacancy`, `Closing` |
//! | `hold` | what each guard is built on |

pub(crate) mod enter;
pub(crate) mod entry;
pub(crate) mod guard;
pub(crate) mod hold;
pub(crate) mod observed;
pub(crate) mod send_fn;
