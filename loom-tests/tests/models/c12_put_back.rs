//! C12: one who was put back into the line, and does not keep the registry, is not forgotten when it goes.

use crate::kit::*;

/// A grant that nobody looked at is put back by a replacement. Its `Enter` looks while the registry goes: it is refused at
/// once, or waits, and is woken to be refused.
#[test]
fn registry_drop_against_a_look() {
    let outcomes = ["refused at once", "woken"];
    check(&bounds::C12_PUT_BACK_LOOK, &outcomes, || {
        let (registry, tally) = idle(Tally::default());
        let mut put_back = registry.enter(&Key(1));
        let replaced = registry.replace(&Key(1)).expect("open");
        let dropper = spawn(move || drop(registry));
        let bell = Bell::new();
        let first = bell.poll(&mut put_back);
        dropper.join().expect("dropper");
        let outcome = match first {
            Poll::Ready(Err(EnterError::Closed)) => "refused at once",
            Poll::Ready(other) => panic!("C12: {other:?} of a registry that is gone"),
            Poll::Pending => {
                assert!(
                    bell.wakes() > 0,
                    "C12: who was put back is not woken when the registry goes"
                );
                let second = bell.poll(&mut put_back).map(Result::err);
                assert_eq!(second, Poll::Ready(Some(EnterError::Closed)), "C12");
                "woken"
            }
        };
        drop(replaced);
        assert_eq!(tally.dropped(), 1, "C12: once");
        outcome
    });
}
