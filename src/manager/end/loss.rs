//! The end of what this process owns: sessions whose terms have ended.

use crate::manager::{
    backend::{Backend, StopReason},
    end::stop::Stopping,
    ownership::LossNotice,
    run::quietly,
    shared::Shared,
};
use crate::sync::Arc;

/// Gives the ownership the notice that it calls when a term has ended.
pub(crate) fn watch<B: Backend>(shared: &Arc<Shared<B>>) {
    let Some(ownership) = &shared.ownership else {
        return;
    };
    let (manager, runtime) = (Arc::downgrade(shared), shared.runtime.clone());
    ownership.watch(LossNotice(Arc::new(move || {
        if let Some(shared) = manager.upgrade() {
            runtime.spawn(async move { sweep(&shared) });
        }
    })));
}

/// Stops every session whose term has ended.
///
/// A turn watches its term itself, and so does a start, a wait for room, a health check or a stop: each is cut short where it waits. So
/// nothing here has to name the incarnation that it ends. A plain turn ends when its holder drops it; then its session goes to this stop,
/// which is before all other calls. A session that is started or given back after this look is looked at before its next turn.
/// Schedules: `a17_owned`.
fn sweep<B: Backend>(shared: &Arc<Shared<B>>) {
    shared.losses.ring();
    for seen in shared.registry.snapshot() {
        // The hash of a key may panic.
        quietly(move || {
            let own = seen.handle();
            if own.is_none_or(|own| own.life().holds()) {
                return;
            }
            let (key, only) = (seen.key(), Some(seen.status().incarnation));
            // Wakes its turn, if it has one, which then looks at its term. The slot may have the next incarnation by now, to whose turn
            // this does nothing.
            if let Some((_, call)) = shared.registry.reach(key, None, only) {
                call.switch.changed.ring();
            }
            drop(Stopping::begin(shared, key, only, StopReason::Lost, ()));
        });
    }
}
