//! A node's settings.

use std::{io, time::Duration};

/// From one renewal to the next at most. An engine may notice by the renewals of others that a node is dead, and then so much later.
const LONGEST: Duration = Duration::from_millis(800);

/// The settings of a [`Node`](crate::Node).
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) name: String,
    pub(crate) time: Duration,
    pub(crate) margin: Duration,
    pub(crate) wait: Duration,
}

impl Settings {
    /// Returns the default settings for a node with this name. Other nodes get the name in
    /// [`NotOwned::Elsewhere`](turnwise::manager::NotOwned::Elsewhere), so use an address at which they can reach the node.
    ///
    /// Each process adds a number of its own to the name. A process that is restarted is another node: it waits until the leases of
    /// its predecessor have expired.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            time: Duration::from_secs(10),
            margin: Duration::from_secs(2),
            wait: Duration::from_secs(5),
        }
    }

    /// Returns the name of a node's settings, from the name in its records ([`Node::owner`](crate::Node::owner)).
    pub fn name_of(owner: &str) -> &str {
        owner.rsplit_once('#').map_or(owner, |(name, _)| name)
    }

    /// Sets how long a lease lives without a renewal. The node renews it five times in this time, and at least every 0.8 s. Default: 10 s.
    ///
    /// When a node dies, other nodes wait this long for its keys. If the engine cannot be reached for longer than this time minus the margin,
    /// all sessions of all nodes are stopped.
    pub fn time_to_live(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// Sets how long before the end of its lease the node stops using it. Default: 2 s.
    ///
    /// It must cover the sum of: the difference of the rates of two machines' clocks during twice the time to live; the 100 ms between two
    /// checks of the clock; and the time that a session takes to end when it is dropped or its processes are killed.
    pub fn margin(self, margin: Duration) -> Self {
        Self { margin, ..self }
    }

    /// Sets how long a call waits for its key, for instance while the node has no lease. Then the call fails as
    /// [`Unavailable`](turnwise::manager::NotOwned::Unavailable). Default: 5 s.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    pub(crate) fn check(&self) -> io::Result<()> {
        let words = match self {
            _ if self.margin >= self.time => "the margin must be shorter than the time to live",
            _ if self.name.is_empty() => "a node needs a name",
            _ => return Ok(()),
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, words))
    }

    /// From one renewal to the next. Unless the margin is long, two tries may fail after any renewal, and a third is in time: one of three
    /// members is stopped, and another does not know it yet.
    pub(crate) fn period(&self) -> Duration {
        (self.time / 5).min(LONGEST)
    }

    /// How long one renewal may take. Then it is tried again, at another member of the engine.
    pub(crate) fn renewal(&self) -> Duration {
        self.time / 6
    }

    /// How long another request may take.
    pub(crate) fn request(&self) -> Duration {
        self.time / 5
    }

    /// From a failure to the next try.
    pub(crate) fn pause(&self) -> Duration {
        self.time / 100
    }
}
