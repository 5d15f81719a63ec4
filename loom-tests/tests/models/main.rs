//! The models of turnwise's claims, explored by loom over the source that ships.
//!
//! `harness` runs one model, `bounds` holds the bound of each, `kit`, `tracked` and `bell` what they share. `canaries` check
//! the checking; `source`, `layers` and `files` keep the house in order, `documents` what the documents quote and link, `published` what is
//! published. `idioms` shows how the usual designs fail. Each other module is a claim of PROOFS.md.

// A test executable exports nothing.
#![allow(missing_docs)]
// A model keeps the registry to its end, so that no thread's drop races to be the last.
#![allow(clippy::redundant_clone)]

mod bell;
mod bounds;
mod harness;
mod kit;
mod tracked;

mod canaries;
mod canaries_layers;
mod canaries_runs;
mod canaries_trace;
mod documents;
mod files;
mod layers;
mod paths;
mod published;
mod source;

mod c01_exclusion;
mod c02_one_incarnation;
mod c02_unwinding;
mod c03_order;
mod c03_tickets;
mod c04_progress;
mod c05_cancel;
mod c05_granted;
mod c05_held;
mod c06_identity;
mod c06_two_at_once;
mod c07_claim;
mod c07_kept;
mod c08_status;
mod c09_locks;
mod c11_no_stuck_key;
mod c12_end;
mod c12_nothing_lost;
mod c12_shards;
mod c13_closing;
mod c13_queue;
mod c15_board;
mod c15_scan;
mod c15_snapshot;
mod c16_reach;

mod idioms;
