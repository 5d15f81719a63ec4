//! C12 at the end of a registry with two shards.

use crate::kit::*;

/// The drop of a session of the first shard panics while a turn of the second one ends: the second one is emptied too.
#[test]
fn a_session_that_panics_when_its_registry_goes() {
    let outcomes = ["gone before", "gone after"];
    check_unwinding(&bounds::C12_END_SHARDS, &outcomes, || {
        let registry = share(builder().shards(2).build());
        let tally = Tally::default();
        // By `Plain`, even keys are in the first shard.
        let entry = registry.try_enter(&Key(2)).expect("free");
        drop(entry.or_insert(tally.session_whose_drop_panics()));
        rest(&registry, &Key(3), &tally);
        rest(&registry, &Key(1), &tally);
        let turn = turn_of(&registry, &Key(1));
        let ender = spawn(move || {
            let current = Turn::is_current(&turn);
            drop(turn);
            current
        });
        let dropper = spawn(move || engine::unwind(|| drop(registry)).is_err());
        let current = ender.join().expect("ender");
        assert!(dropper.join().expect("dropper"), "the drop panics");
        assert_eq!(tally.alive(), 0, "C12: a session outlives the registry");
        if current { "gone after" } else { "gone before" }
    });
}
