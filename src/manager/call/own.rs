//! The acquisition of a key that several processes share, before a start.

use crate::manager::{
    backend::Backend,
    error::{StartFailure, TurnError},
    ownership::{NotOwned, Ownership},
    reach::{Call, Refusal},
    run::{Ended, bounded, discard, either, end_here, here, quietly},
    shared::{Shared, Tenure, Vacant},
};
use crate::sync::Arc;
use std::{future::pending, pin::pin};

/// Acquires the key of a vacancy, and numbers the vacancy.
///
/// The call waits as it does for room: if it is cancelled, its wait ends, and the next call acquires the key for itself. If the key is not
/// acquired, all calls in the queue get the reason. Schedules: `a17_owned`.
pub(crate) async fn acquire<B: Backend>(
    shared: &Arc<Shared<B>>,
    ownership: &Arc<dyn Ownership<B::Key>>,
    vacancy: &mut Vacant<B>,
    call: &Call<B>,
) -> Result<Tenure<B>, TurnError<B::Error>> {
    let limit = shared.timeouts().start;
    let ended = {
        let ask = || async {
            let key = vacancy.key().clone(); // before the request, because it may panic
            let mut answer = ownership.acquire(vacancy.key());
            let owned = answer.as_mut().await?;
            // Before the drop of that future, which may panic too.
            Ok(Tenure::<B>::new(owned, ownership, key))
        };
        let begun = pin!(shared.ending.begun());
        let ends = pin!(either(begun, call.gone(vacancy.ticket())));
        let mut ask = pin!(Some(bounded(limit, pending::<()>, ask)));
        let ended = either(ends, here(ask.as_mut())).await;
        // If it has not ended, it is cut short here: its drop releases what it may still acquire.
        if let Err(payload) = end_here(ask) {
            discard(payload);
        }
        ended
    };
    let unavailable = |why: &str| Err(NotOwned::Unavailable(why.into()));
    let asked = match ended {
        Ok(Ok(())) => return Err(shared.refused(TurnError::Closed)),
        Ok(Err(cause)) => return Err(TurnError::of(cause)),
        Err(Ended::Done(asked)) => asked,
        Err(Ended::Overran) => unavailable("no answer within the timeout of a start"),
        Err(Ended::Panicked) => unavailable("the request for its owner panicked"),
    };
    let asked = asked.and_then(|tenure| match vacancy.renumber(tenure.number()) {
        true => Ok(tenure),
        false => unavailable("its number is not higher than that of an earlier session"),
    });
    asked.map_err(|why| {
        let failure = StartFailure::NotOwned(why);
        quietly(|| {
            shared.send_away(vacancy.key(), || Refusal::NotStarted(failure.clone()));
        });
        shared.refused(failure.into())
    })
}
