//! C13, continued: a queue that begins while the registry is closed.

use crate::kit::*;

/// Two enter an absent key, in a shard that is empty when the close begins. The first may have the key. The second is refused,
/// whether it was queued before or came later.
#[test]
fn a_queue_against_close() {
    let outcomes = ["queued before", "came between", "came after"];
    check(&bounds::C13_QUEUE, &outcomes, || {
        let registry = share(builder().shards(2).build());
        let comer = spawn_with(registry.clone(), |registry| {
            (registry.enter(&Key(1)), registry.enter(&Key(1)))
        });
        registry.close();
        let (first, mut second) = comer.join().expect("comer");
        let outcome = match (first.ticket(), second.ticket()) {
            (Some(_), Some(_)) => "queued before",
            (Some(_), None) => "came between",
            (None, None) => "came after",
            other => panic!("C13: {other:?}"),
        };
        let end = poll_once(&mut second).map(Result::err);
        assert_eq!(
            end,
            Poll::Ready(Some(EnterError::Closed)),
            "C13: a queued call is left"
        );
        drop(first);
        registry.check_invariants();
        assert!(registry.is_empty(), "C13: a slot stays behind");
        outcome
    });
}
