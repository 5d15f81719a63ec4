//! The tasks of a node: one keeps the lease, one looks at the deadline, and two ask for keys.

use crate::{
    engine::{Engine, Fault},
    guard::Guard,
    host::Task,
    shared::Shared,
    sync::Arc,
    term::Lease,
};
use std::time::Duration;
use turnwise::manager::Term;

/// The longest time between two looks at the clock. Timers stand still while the machine is suspended, and the deadline does not.
const NAP: Duration = Duration::from_millis(100);

/// All tasks of a node. The first ends when the node has left.
pub(crate) fn tasks<E: Engine>(shared: &Arc<Shared<E>>, guard: Guard) -> Vec<Task> {
    let of = || Arc::clone(shared);
    vec![
        Box::pin(keep(of(), guard)),
        Box::pin(watch(of())),
        Box::pin(ask(of())),
        Box::pin(ask(of())),
    ]
}

/// Takes a lease and renews it. After a loss it takes a new one. Requests are asked one by one, so an answer is to the last question.
async fn keep<E: Engine>(shared: Arc<Shared<E>>, guard: Guard) {
    let Shared {
        host,
        settings,
        engine,
        ..
    } = &*shared;
    while !shared.is_leaving() {
        let told = guard.begin();
        let sent = host.now();
        let grant = host
            .within(settings.request(), engine.grant(settings.time))
            .await;
        let lease = match grant {
            Some(Ok(grant)) => shared.begin(sent, grant).map(|lease| (lease, grant.time)),
            _ => None,
        };
        let Some((lease, time)) = lease else {
            shared.tidy();
            host.within(settings.pause(), shared.hurry.notified()).await;
            continue;
        };
        told(time.saturating_sub(settings.margin));
        let gone = renew(&shared, &guard, &lease, sent).await;
        lease.end(gone);
        guard.end();
        shared.lost(&lease);
        // What still runs keeps its key until the lease expires.
        if shared.is_leaving() && !gone && !shared.has_live() {
            let revoked = engine.revoke(lease.number);
            host.within(settings.request(), revoked).await;
        }
    }
    shared.over();
}

/// Renews the lease until it ends. True if the engine says so.
async fn renew<E: Engine>(
    shared: &Shared<E>,
    guard: &Guard,
    lease: &Lease,
    mut renewed: u64,
) -> bool {
    let Shared { host, settings, .. } = shared;
    loop {
        while lease.holds() && !shared.is_leaving() {
            let since = Duration::from_nanos(host.now().saturating_sub(renewed));
            let left = settings.period().saturating_sub(since);
            if left.is_zero() {
                break;
            }
            host.within(left.min(NAP), shared.hurry.notified()).await;
        }
        if !lease.holds() || shared.is_leaving() {
            return false;
        }
        let told = guard.begin();
        let sent = host.now();
        let answer = shared.engine.renew(lease.number);
        match host.within(settings.renewal(), answer).await {
            Some(Ok(time)) => {
                if !lease.renew(sent, time) {
                    return false;
                }
                renewed = sent;
                told(time.saturating_sub(settings.margin));
            }
            Some(Err(Fault::Gone)) => return true,
            Some(Err(Fault::Failed(_))) | None => host.sleep(settings.pause()).await,
        }
    }
}

/// Notices within 100 ms that the term has ended, whatever the engine does.
async fn watch<E: Engine>(shared: Arc<Shared<E>>) {
    while !shared.is_over() {
        let lease = shared.lease();
        let nap = lease.as_ref().map_or(NAP, |lease| lease.left().min(NAP));
        if let Some(lease) = lease.filter(|lease| !lease.holds()) {
            shared.lost(&lease);
        }
        shared.host.sleep(nap.max(Duration::from_micros(100))).await;
    }
}

/// Asks batch after batch. There are two of this task, so two batches are under way at most.
async fn ask<E: Engine>(shared: Arc<Shared<E>>) {
    let Shared { host, settings, .. } = &*shared;
    while !shared.is_over() {
        let Some((lease, requests)) = shared.next_batch() else {
            shared.work.notified().await;
            continue;
        };
        let batch = shared.batch(&lease, &requests);
        let answers = shared.engine.ask(batch);
        let answers = host.within(settings.request(), answers).await;
        let too_late = || Err(Fault::Failed("the engine did not answer in time".into()));
        let answers = answers.unwrap_or_else(too_late);
        let failed = answers.is_err();
        shared.answered(&lease, requests, answers);
        if failed {
            host.sleep(settings.pause()).await;
        }
    }
}
