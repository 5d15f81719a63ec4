//! Real etcd processes for tests: one or three members, which are killed, stopped and cut, behind proxies that lose answers.

mod away;
mod family;
mod proxy;
mod server;
mod store;
mod work;

pub use away::Away;
pub use family::Family;
pub use proxy::{Fate, Proxy};
pub use server::{Servers, VERSIONS, Version, post, post_as};
pub use store::{Acts, Session, Witness};
pub use work::Work;

use std::{
    future::Future,
    net::TcpListener,
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};
use tokio::time::Instant;
use turnwise_cluster::Settings;

/// The machine may be busy with other builds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Terms of 4 s, of which a node uses 3 s.
pub fn terms(name: &str) -> Settings {
    let settings = Settings::new(name).time_to_live(Duration::from_secs(4));
    let wait = Duration::from_secs(1);
    settings.margin(wait).wait(wait)
}

/// Looks every few milliseconds until it is so.
///
/// # Panics
///
/// If it is not so in time.
pub async fn until<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A port of the loopback that nobody listens on. Not one that the system gives to outgoing connections: it may do so before an etcd listens there.
///
/// # Panics
///
/// If there is none.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let begin = process::id().wrapping_mul(101);
    let next = || NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(begin);
    let mut ports = (0..20_000).map(|_| 12_000 + (next() % 20_000) as u16);
    let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    port.expect("a port")
}
