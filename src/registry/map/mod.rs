//! The map of slots, in shards.
//!
//! | module | its one idea |
//! |---|---|
//! | `shards` | all shards; the registry closed to new calls |
//! | `scan` | every slot of a shard, in steps |
//! | `leave` | how a slot is passed on or leaves the map |
//! | `shard` | the map lock; how slots enter the map and are replaced |
//! | `common` | what all shards share |
//! | `lru` | which idle session was used least recently |

pub(crate) mod common;
pub(crate) mod leave;
#[cfg_attr(not(feature = "tokio"), allow(dead_code))] // only the manager asks for it
pub(crate) mod lru;
pub(crate) mod scan;
pub(crate) mod shard;
pub(crate) mod shards;
