//! Several daemons on a real etcd, as their users see them: any of them is asked, and some are killed, stopped and ended.
//! `just cluster-tests` gets etcd and pi first.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

#[path = "../chatd/client.rs"]
#[allow(dead_code)] // the other tests use more of it
mod client;
#[path = "../chatd/daemon.rs"]
#[allow(dead_code)]
mod daemon;

mod conversations;
mod ends;
mod nodes;
#[path = "../pi/real.rs"]
mod real;
mod routes;
mod strangers;
mod watch;
