//! The processes, and which sessions use them.

use crate::{
    AcpBuilder, AcpError,
    drive::{self, Gone, Order, Phase},
};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

/// A process.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) orders: mpsc::UnboundedSender<Order>,
    phase: watch::Receiver<Phase>,
    class: Option<String>,
    /// How many sessions use it. Changes under the lock of the pool.
    users: AtomicUsize,
}

impl Link {
    fn start(settings: &Arc<AcpBuilder>, class: Option<String>) -> Arc<Self> {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (sets, phase) = watch::channel(Phase::Serves(None));
        tokio::spawn(drive::run(Arc::clone(settings), ordered, sets));
        let users = AtomicUsize::new(0);
        Arc::new(Self {
            orders,
            phase,
            class,
            users,
        })
    }

    pub(crate) fn serves(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Serves(_))
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        match *self.phase.borrow() {
            Phase::Serves(pid) => pid,
            _ => None,
        }
    }

    /// The end of the process, if no session uses it any more.
    pub(crate) async fn gone_if_unused(&self) -> Option<Gone> {
        match self.users.load(Ordering::Relaxed) {
            0 => Some(self.gone().await),
            _ => None,
        }
    }

    /// Waits for the end of the process. Cancel-safe.
    pub(crate) async fn gone(&self) -> Gone {
        let mut phase = self.phase.clone();
        let seen = phase
            .wait_for(|phase| matches!(phase, Phase::Gone(_)))
            .await;
        match seen.as_deref() {
            Ok(Phase::Gone(gone)) => gone.clone(),
            // Its task is gone, and has killed it.
            _ => Gone {
                killed: true,
                error: AcpError::Exited {
                    status: None,
                    stderr: String::new(),
                },
            },
        }
    }
}

/// The shared processes that take new sessions, by their class.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<HashMap<String, Arc<Link>>>);

impl Pool {
    /// A process for the session of a key: a shared one, or a new one.
    pub(crate) fn lease(self: &Arc<Self>, settings: &Arc<AcpBuilder>, key: &str) -> Lease {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let class = settings.share.as_ref().map(|share| share(key));
        let mut links = self.0.lock();
        let shared = class.as_ref().and_then(|class| links.get(class));
        let link = match shared.filter(|link| link.serves()) {
            Some(link) => Arc::clone(link),
            None => {
                let link = Link::start(settings, class.clone());
                class.map(|class| links.insert(class, Arc::clone(&link)));
                link
            }
        };
        link.users.fetch_add(1, Ordering::Relaxed);
        drop(links);
        Lease {
            link,
            token: COUNT.fetch_add(1, Ordering::Relaxed),
            pool: Arc::clone(self),
            left: false,
            last: false,
        }
    }
}

/// The use of a process by one session. A drop closes the session, and kills the process if no other session uses it.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) link: Arc<Link>,
    pub(crate) token: u64,
    pool: Arc<Pool>,
    left: bool,
    /// No other session used the process when this one left.
    last: bool,
}

impl Lease {
    pub(crate) fn order(&self, order: Order) {
        // If the process is gone, the missing answer shows it.
        drop(self.link.orders.send(order));
    }

    /// The process takes no new sessions from now on.
    pub(crate) fn retire(&self) {
        self.retire_in(&mut self.pool.0.lock());
    }

    fn retire_in(&self, links: &mut HashMap<String, Arc<Link>>) {
        let takes = |class: &&String| {
            links
                .get(*class)
                .is_some_and(|it| Arc::ptr_eq(it, &self.link))
        };
        if let Some(class) = self.link.class.as_ref().filter(takes) {
            links.remove(class);
        }
    }

    fn leave(&mut self) {
        if !self.left {
            self.left = true;
            let pool = Arc::clone(&self.pool);
            let mut links = pool.0.lock();
            self.last = self.link.users.fetch_sub(1, Ordering::Relaxed) == 1;
            if self.last {
                self.retire_in(&mut links);
            }
        }
    }

    /// Closes the session, and stops the process if no other session uses it: then its end.
    ///
    /// If the future is dropped, such a process is killed.
    pub(crate) async fn stop(mut self, grace: Duration) -> Option<Gone> {
        let (reply, closed) = oneshot::channel();
        self.order(Order::Close(self.token, Some(reply)));
        drop(timeout(grace, closed).await);
        self.leave();
        if !self.last {
            return None;
        }
        self.order(Order::Stop);
        Some(self.link.gone().await)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leave();
        self.order(if self.last {
            Order::Kill
        } else {
            Order::Close(self.token, None)
        });
    }
}
