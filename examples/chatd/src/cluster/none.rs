//! One daemon alone: this chatd was built without the feature `cluster`.

use crate::{
    agent::Chat,
    args::{AgentKind, Args},
    daemon::Failed,
    desk::Desk,
    http::{Call, Others},
};
use axum::routing::MethodRouter;
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::watch};
use turnwise::manager::Ownership;

#[derive(clap::Args, Debug)]
pub(crate) struct ClusterArgs {}

impl ClusterArgs {
    pub(crate) fn is_set(&self) -> bool {
        false
    }

    pub(crate) fn check(&self, _: AgentKind) -> Result<(), &'static str> {
        Ok(())
    }

    #[cfg(unix)]
    pub(crate) fn guard(&self) -> Option<turnwise_process::Guard> {
        None
    }
}

/// There is none.
#[derive(Clone)]
pub(crate) enum Cluster {}

impl Cluster {
    pub(crate) async fn join(_: &Args) -> Result<Option<(Self, TcpListener, SocketAddr)>, Failed> {
        Ok(None)
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        match *self {}
    }

    pub(crate) fn token(&self) -> &str {
        match *self {}
    }

    pub(crate) fn ownership(&self) -> Arc<dyn Ownership<String>> {
        match *self {}
    }

    pub(crate) async fn leave<T>(&self, _: impl Future<Output = T>) -> T {
        match *self {}
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        match *self {}
    }

    pub(crate) fn has_lease(&self) -> bool {
        match *self {}
    }

    pub(crate) fn metrics(&self) -> String {
        match *self {}
    }

    pub(crate) async fn answered(&self) {
        match *self {}
    }

    pub(crate) fn routed<A: Chat>(
        &self,
        _: Call,
        _: &Desk<A>,
        _: MethodRouter<Desk<A>>,
    ) -> MethodRouter<Desk<A>> {
        match *self {}
    }

    pub(crate) async fn others(&self) -> Others {
        match *self {}
    }

    pub(crate) fn follow(&self, _: impl Fn() -> bool + Send + 'static) -> watch::Receiver<Others> {
        match *self {}
    }
}
