//! A clock that is read before another's, and comes after it.

use std::{
    cell::RefCell,
    hash::{Hash, Hasher},
    time::Duration,
};
use turnwise::{Clock, Registry, ToKey};

thread_local!(static BETWEEN: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) });

/// Its hash runs after the clock is read.
struct Slow(u8);

impl Hash for Slow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(act) = BETWEEN.with(|between| between.borrow_mut().take()) {
            act();
        }
        self.0.hash(state);
    }
}

impl ToKey<u8> for Slow {
    fn is_key(&self, key: &u8) -> bool {
        self.0 == *key
    }
    fn to_key(&self) -> u8 {
        self.0
    }
}

#[test]
fn a_touch_that_was_overtaken_does_not_turn_time_back() {
    let (clock, hand) = Clock::manual();
    let registry: Registry<u8, u8> = Registry::builder().clock(clock).build();
    drop(registry.enter_blocking(&1).expect("open").or_insert(1));
    let overtakes = registry.clone();
    BETWEEN.with(|between| {
        *between.borrow_mut() = Some(Box::new(move || {
            hand.advance(Duration::from_secs(60));
            overtakes.touch(&1);
        }));
    });
    registry.touch(&Slow(1)); // read the clock at 0
    let claimed = registry.claim_idle(Duration::from_secs(30)).count();
    assert_eq!(claimed, 0, "touched at this very moment");
}
