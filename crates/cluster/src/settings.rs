//! A node's settings.

use std::{io, time::Duration};

/// The settings of a [`Node`](crate::Node).
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) name: String,
    pub(crate) time: Duration,
    pub(crate) margin: Duration,
    pub(crate) wait: Duration,
}

impl Settings {
    /// A node with this name: what other nodes get in [`NotOwned::Elsewhere`](turnwise::manager::NotOwned::Elsewhere), so best its address.
    ///
    /// Each process adds a number of its own to the name. A process that is started again is another node, and waits until the leases of
    /// the one before have expired.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            time: Duration::from_secs(10),
            margin: Duration::from_secs(2),
            wait: Duration::from_secs(5),
        }
    }

    /// The name of a node's settings, from the name in its records ([`Node::owner`](crate::Node::owner)).
    pub fn name_of(owner: &str) -> &str {
        owner.rsplit_once('#').map_or(owner, |(name, _)| name)
    }

    /// How long a lease lives without a renewal. The node renews it five times in this time. Unless set, 10 s.
    ///
    /// When a node dies, others wait so long for its keys. An outage of the engine that is longer than this time minus the margin stops all
    /// sessions of all nodes.
    pub fn time_to_live(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// How long before the lease may expire the node stops using it. Unless set, 2 s.
    ///
    /// It must cover: the difference of the rates of two machines' clocks during twice the time to live, the 100 ms between two looks at the
    /// clock, and the time in which a session ends when it is dropped or its processes are killed.
    pub fn margin(self, margin: Duration) -> Self {
        Self { margin, ..self }
    }

    /// How long a call waits for its key, for instance while the node has no lease. Then it fails as
    /// [`Unavailable`](turnwise::manager::NotOwned::Unavailable). Unless set, 5 s.
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
        self.time / 5
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
