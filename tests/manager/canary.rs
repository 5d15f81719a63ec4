//! What these tests check beside the ledger: each breach is noticed. The ledger's own are in `tests/scripted`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use turnwise::SessionManager;

use crate::Manager;
use crate::script::{actor, say};

async fn noticed(what: &str, wrong: impl AsyncFnOnce(&Manager)) {
    let (actor, script, gone) = actor();
    let m = SessionManager::builder(actor)
        .build()
        .expect("in a runtime");
    wrong(&m).await;
    drop(m);
    gone.await.expect_err("nothing is sent");
    let checked = catch_unwind(AssertUnwindSafe(|| script.check()));
    let said = checked.expect_err(what).downcast::<String>();
    let said = said.expect("a text");
    assert!(said.contains(what), "{what:?} is not in {said}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_turn_is_noticed() {
    noticed("the answer of another turn was read", async |m| {
        let reads = async |live: &mut crate::script::Session| {
            live.told(1);
            live.read(2);
        };
        m.with_turn("a", reads).await.expect("free");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_twice_is_noticed() {
    noticed("a message came twice", async |m| {
        let (first, mut second) = (say("once"), say("again"));
        second.number = first.number;
        m.send_message("a", first).await.expect("free");
        m.send_message("a", second).await.expect("free");
    })
    .await;
}
