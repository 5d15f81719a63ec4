//! From the start to the report of the end.

#[cfg(unix)]
use crate::listen;
use crate::{
    agent::Chat, args::Args, asked::Asked, cluster::Cluster, desk::Desk, escape, http, input,
    limits, output::Output, terminal::Terminal, words::begin_of,
};
use axum::serve::Listener;
use std::{
    error::Error,
    io, iter,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
#[cfg(unix)]
use std::{net::Ipv4Addr, path::Path};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};
use turnwise::{
    SessionManager,
    manager::{DrainReport, Timeouts, WhenFull},
};

pub(crate) type Failed = Box<dyn Error + Send + Sync>;

/// Serves until it is asked to end, by a signal or at the terminal; then ends every session. What became of them is for the
/// report.
///
/// While the last turns go on, both interfaces still answer: messages are refused, a status is told.
pub(crate) async fn run<A: Chat>(
    agent: A,
    args: Args,
    token: Option<String>,
    out: &Output,
) -> Result<Ended, Failed> {
    let (mut asked, quit) = Asked::new()?;
    let (cluster, peers) = match Cluster::join(&args).await? {
        Some((cluster, listener, address)) => (Some(cluster), Some((listener, address))),
        None => (None, None),
    };
    let sessions = sessions(agent.clone(), &args, cluster.as_ref())?;
    let node = cluster.as_ref().map(|cluster| Arc::clone(cluster.name()));
    let desk = Desk::new(sessions, agent, node);
    let mut doors = Doors::open(&desk, cluster.as_ref(), &args, token).await?;
    if let (Some(cluster), Some((listener, address))) = (&cluster, peers) {
        let guard = http::Guard::new(address, Some(cluster.token().to_owned()));
        doors.serve(
            format!("for other nodes: http://{address}"),
            listener,
            &desk,
            None,
            guard,
        );
    }
    let lines = input::lines();
    let lines = lines.map_err(|error| format!("no thread for the input: {error}"))?;
    for name in &doors.names {
        out.put(&format!("chatd: {}\n", escape::line(name)));
    }
    let (end_terminal, terminal_ends) = oneshot::channel();
    let terminal = Terminal::new(desk.clone(), args.session, out.clone());
    let terminal = tokio::spawn(terminal.run(lines, quit, terminal_ends));

    let who = asked.again().await;
    tracing::info!(who, "asked to end");
    let began = Instant::now();
    let shutdown = shut_down(&desk, cluster.as_ref(), &mut asked, args.drain);
    let report = match &cluster {
        Some(cluster) => cluster.leave(shutdown).await,
        None => shutdown.await,
    };
    let took = began.elapsed();
    // What was said last is heard, by those who still listen.
    drop(end_terminal);
    drop(timeout(limits::FAREWELL, terminal).await);
    doors.close().await;
    Ok(Ended { report, took })
}

/// Where HTTP is served.
struct Doors {
    /// As they are printed.
    names: Vec<String>,
    served: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
    /// Of each.
    most: u32,
    #[cfg(unix)]
    _socket: Option<listen::Bound>,
}

impl Doors {
    async fn open<A: Chat>(
        desk: &Desk<A>,
        cluster: Option<&Cluster>,
        args: &Args,
        token: Option<String>,
    ) -> Result<Self, Failed> {
        let tcp = match args.address() {
            Some(address) => Some(tcp(address).await?),
            None => None,
        };
        #[cfg(unix)]
        let unix = match &args.listen_unix {
            Some(path) => Some((path, unix(path).await?)),
            None => None,
        };
        let mut doors = Self {
            names: Vec::new(),
            served: Vec::new(),
            most: http::most(args.max_connections, cluster.is_some()),
            #[cfg(unix)]
            _socket: None,
        };
        if let Some((listener, address)) = tcp {
            let guard = http::Guard::new(address, token.clone());
            doors.serve(format!("http://{address}"), listener, desk, cluster, guard);
        }
        #[cfg(unix)]
        if let Some((path, (listener, bound))) = unix {
            // As near as loopback: there, too, a page of another host has no business.
            let guard = http::Guard::new((Ipv4Addr::LOCALHOST, 0).into(), token);
            let name = format!("unix:{}", path.display());
            doors.serve(name, listener, desk, cluster, guard);
            doors._socket = Some(bound);
        }
        Ok(doors)
    }

    fn serve<A: Chat>(
        &mut self,
        name: String,
        listener: impl Listener,
        desk: &Desk<A>,
        cluster: Option<&Cluster>,
        guard: http::Guard,
    ) {
        let (end, ends) = oneshot::channel();
        let (desk, cluster) = (desk.clone(), cluster.cloned());
        let served = http::serve(listener, desk, cluster, guard, self.most, ends);
        let served = tokio::spawn(served);
        self.names.push(name);
        self.served.push((end, served));
    }

    /// Lets nobody in any more, and waits a while for those who are.
    async fn close(self) {
        let (ends, served): (Vec<_>, Vec<_>) = self.served.into_iter().unzip();
        drop(ends);
        let all = async {
            for served in served {
                drop(served.await);
            }
        };
        drop(timeout(limits::FAREWELL, all).await);
    }
}

pub(crate) async fn tcp(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Failed> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    let bound: io::Result<_> = bound.await;
    Ok(bound.map_err(|error| format!("cannot listen on {address}: {error}"))?)
}

#[cfg(unix)]
async fn unix(path: &Path) -> Result<(tokio::net::UnixListener, listen::Bound), Failed> {
    let bound = listen::bind(path).await;
    Ok(bound.map_err(|error| format!("cannot listen on {}: {error}", path.display()))?)
}

fn sessions<A: Chat>(
    agent: A,
    args: &Args,
    cluster: Option<&Cluster>,
) -> Result<SessionManager<A>, turnwise::manager::BuildError> {
    let timeouts = Timeouts::default()
        .wait(args.wait_timeout)
        .start(args.start_timeout)
        .turn(args.turn_timeout)
        .quiet(args.quiet)
        .abort(args.abort_timeout)
        .stop(args.stop_timeout);
    // So that the ids of an earlier run are not those of this one.
    let started = SystemTime::now().duration_since(UNIX_EPOCH);
    let started = started.map_or(1, |started| started.as_millis() as u64);
    let sessions = SessionManager::builder(agent);
    let sessions = match cluster {
        // The numbers of acquisitions are.
        Some(cluster) => sessions.ownership(cluster.ownership()),
        None => sessions.first_incarnation(started),
    };
    let sessions = match args.max_age {
        Some(age) => sessions.max_age(age),
        None => sessions,
    };
    sessions
        .timeouts(timeouts)
        .max_sessions(usize::from(args.max_sessions), WhenFull::EvictIdle)
        .max_waiting(usize::from(args.max_waiting))
        .stop_idle_after(args.idle)
        .keep_events(limits::KEPT)
        .build()
}

/// Turns may go on until the deadline, or until somebody asks a second time: those that other nodes have for clients of this
/// one, too.
async fn shut_down<A: Chat>(
    desk: &Desk<A>,
    cluster: Option<&Cluster>,
    asked: &mut Asked,
    deadline: Duration,
) -> DrainReport<String> {
    let elsewhere = async {
        if let Some(cluster) = cluster {
            drop(timeout(deadline, cluster.answered()).await);
        }
    };
    let report = async { tokio::join!(desk.shut_down(deadline), elsewhere).0 };
    let mut report = Box::pin(report);
    tokio::select! {
        report = &mut report => return report,
        who = asked.again() => tracing::info!(who, "asked to end at once"),
    }
    desk.shut_down(Duration::ZERO).await
}

/// What has become of the sessions.
pub(crate) struct Ended {
    report: DrainReport<String>,
    took: Duration,
}

impl Ended {
    pub(crate) fn is_clean(&self) -> bool {
        self.report.failed.is_empty() && self.report.abandoned.is_empty()
    }

    /// Line by line.
    pub(crate) fn report(&self) -> impl Iterator<Item = String> {
        let Self { report, took } = self;
        let first = format!(
            "chatd: ended in {:.1} s: {} stopped, {} failed, {} abandoned",
            took.as_secs_f64(),
            report.stopped.len(),
            report.failed.len(),
            report.abandoned.len(),
        );
        iter::once(first).chain(bad_ends(&report.failed, &report.abandoned))
    }
}

fn bad_ends(failed: &[(String, Arc<str>)], abandoned: &[String]) -> impl Iterator<Item = String> {
    let failed = failed.iter().map(|(key, error)| {
        let error = begin_of(error, limits::REPORTED);
        format!("  failed: {key}: {error}")
    });
    let abandoned = abandoned.iter().map(|key| format!("  abandoned: {key}"));
    failed.chain(abandoned).map(|line| escape::line(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_line_for_each_that_failed() {
        let failed = ["b\nchatd: \u{1b}]0;owned\u{7}", &"x".repeat(1 << 20)];
        let failed = failed.map(|error| ("a".to_owned(), error.into()));
        let report: Vec<String> = bad_ends(&failed, &["c\u{202e}".to_owned()]).collect();
        assert_eq!(report[0], r"  failed: a: b\nchatd: \u{1b}]0;owned\u{7}");
        assert!(report[1].len() < 3000 && report[1].starts_with("  failed: a: x"));
        assert_eq!(report[2..], [r"  abandoned: c\u{202e}"]);
    }
}
