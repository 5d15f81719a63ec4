//! The desk under the manager: what a script makes of its calls must leave no document lent and no line lost.

// Of this repository's tests, not of yours: one that hangs fails within a minute, and is named.
extern crate deadline as tokio;

use checked::{Desk, Lent, Store};
use std::sync::Arc;
use std::time::Duration;
use turnwise::testing::{Act, Gate, Method, Script, Scripted};
use turnwise::{Clock, ClockHand, SessionManager, manager::TurnError};

type Done = Result<(), Box<dyn std::error::Error>>;

const MINUTE: Duration = Duration::from_secs(60);

struct World {
    documents: SessionManager<Scripted<Desk>>,
    script: Script<Desk>,
    store: Arc<Store>,
    hand: ClockHand,
}

fn world() -> Result<World, turnwise::manager::BuildError> {
    let store = Arc::<Store>::default();
    let (scripted, script) = Scripted::around(Desk(Arc::clone(&store)));
    let (clock, hand) = Clock::manual();
    let documents = SessionManager::builder(scripted).clock(clock).build()?;
    Ok(World {
        documents,
        script,
        store,
        hand,
    })
}

impl World {
    /// The end of each test.
    async fn ends(self) {
        self.documents.shutdown(MINUTE).await;
        assert_eq!(self.store.lent(), 0, "lent for ever");
        self.script.assert_played();
        self.script.ledger().assert_balanced();
    }
}

#[tokio::test(start_paused = true)]
async fn idle_documents_are_written_back() -> Done {
    let world = world()?;
    assert_eq!(
        world.documents.send_message("a", "one".to_owned()).await?,
        Some(1)
    );
    assert!(world.store.read("a").is_empty());

    world.hand.advance(MINUTE);
    let report = world.documents.cleanup_idle(MINUTE).await;
    assert_eq!(report.stopped, ["a"]);
    assert_eq!(world.store.read("a"), ["one"]);
    assert_eq!(
        world.documents.send_message("a", "two".to_owned()).await?,
        Some(2)
    );
    world.ends().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_hangs_or_panics_lends_nothing() -> Done {
    let world = world()?;
    world
        .script
        .on(Method::Start, Act::fail(Lent("a".to_owned())));
    world.script.on(Method::Start, Act::hang());
    world.script.on(Method::Start, Act::panic());
    for _ in 0..3 {
        let refused = world.documents.send_message("a", "one".to_owned()).await;
        let refused = refused.expect_err("the start is scripted");
        assert_eq!(refused.message.as_deref(), Some("one"), "it comes back");
        assert_eq!(world.store.lent(), 0);
    }
    assert_eq!(
        world.documents.send_message("a", "one".to_owned()).await?,
        Some(1)
    );
    world.ends().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_panics_keeps_what_was_written_before() -> Done {
    let world = world()?;
    world.documents.send_message("a", "one".to_owned()).await?;
    world.script.on(Method::Send, Act::panic());
    let panicked = world.documents.send_message("a", "two".to_owned()).await;
    assert!(panicked.is_err_and(|error| matches!(error.error, TurnError::Panicked)));
    assert_eq!(
        world
            .documents
            .send_message("a", "three".to_owned())
            .await?,
        Some(2)
    );
    world.ends().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_line_is_not_written() -> Done {
    let world = world()?;
    let gate = Gate::new();
    world.script.on(Method::Send, Act::pass().after(&gate));
    let sending = world.documents.send_message("a", "one".to_owned());
    gate.reached().await;
    sending.abort();
    gate.open();
    world
        .script
        .ledger()
        .until(|calls| {
            let mut sends = calls.iter().filter(|call| call.method == Method::Send);
            sends.all(|call| call.end.is_some())
        })
        .await;
    drop(sending);
    world.documents.stop("a").await?;
    assert!(world.store.read("a").is_empty());
    world.ends().await;
    Ok(())
}
