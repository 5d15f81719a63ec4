//! Which conversation of a session is the present one: kept by one daemon, or by the nodes of a cluster.

#[cfg(feature = "cluster")]
use super::shared::Shared;
use super::{ChatError, conversations::Conversations};
use crate::{agent::Unkept, args::Args};
use std::{io, path::Path, pin::Pin};
use turnwise::Incarnation;

#[derive(Debug)]
pub(super) enum Present {
    Alone(Conversations),
    #[cfg(feature = "cluster")]
    Shared(Shared),
}

type Keeping = Pin<Box<dyn Future<Output = Result<(), Unkept>> + Send>>;

impl Present {
    pub(super) fn open(args: &Args, folder: &Path) -> io::Result<Self> {
        #[cfg(feature = "cluster")]
        if args.cluster.is_set() {
            return Shared::open(folder).map(Self::Shared);
        }
        let _ = args;
        Conversations::open(folder).map(Self::Alone)
    }

    /// A session is to be started: the name of its present conversation.
    pub(super) async fn begin_start(
        &self,
        key: &str,
        incarnation: Incarnation,
    ) -> Result<String, ChatError> {
        match self {
            Self::Alone(conversations) => {
                let _ = incarnation;
                Ok(conversations.begin_start(key))
            }
            #[cfg(feature = "cluster")]
            Self::Shared(shared) => shared.begin_start(key, incarnation.get()).await,
        }
    }

    /// Its start is over.
    pub(super) fn end_start(&self, key: &str, started: bool) {
        match self {
            Self::Alone(conversations) => conversations.end_start(key, started),
            #[cfg(feature = "cluster")]
            Self::Shared(_) => {}
        }
    }

    /// A start that begins after this call begins a new conversation. Resolves when that is kept.
    pub(super) fn begin_new(&self, key: &str) -> Keeping {
        match self {
            Self::Alone(conversations) => match conversations.begin_new(key) {
                Some(change) => Box::pin(conversations.kept(change)),
                None => Box::pin(std::future::ready(Ok(()))),
            },
            #[cfg(feature = "cluster")]
            Self::Shared(shared) => Box::pin(shared.forget(key)),
        }
    }

    pub(super) fn trouble(&self, key: Option<&str>) -> Option<String> {
        match self {
            Self::Alone(conversations) => conversations.trouble(key),
            // A change is kept before its call returns, or it is not made.
            #[cfg(feature = "cluster")]
            Self::Shared(_) => None,
        }
    }
}
