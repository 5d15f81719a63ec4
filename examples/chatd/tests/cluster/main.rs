//! Several daemons on a real etcd, as their users see them: any of them is asked, and some are killed, stopped and ended.
//! `just cluster-tests` gets etcd first.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

#[path = "../chatd/client.rs"]
#[allow(dead_code)] // the other tests use more of it
mod client;
#[path = "../chatd/daemon.rs"]
#[allow(dead_code)]
mod daemon;

mod ends;
mod nodes;
mod routes;
mod strangers;
