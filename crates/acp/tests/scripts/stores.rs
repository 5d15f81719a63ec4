//! The store: one call at a time for each key.

use super::*;
use std::{
    io,
    sync::{Arc, Condvar, Mutex},
};
use turnwise::Phase;
use turnwise_acp::{MemoryStore, SessionStore};

/// The first `set` of the key "a" hangs until it may go on.
#[derive(Clone, Default)]
struct Hangs(Arc<(Mutex<(Vec<String>, bool)>, Condvar, MemoryStore)>);

impl Hangs {
    fn log(&self, call: &str) {
        let mut state = self.0.0.lock().expect("nothing panics");
        state.0.push(call.to_owned());
    }

    fn calls(&self) -> Vec<String> {
        self.0.0.lock().expect("nothing panics").0.clone()
    }

    fn go_on(&self) {
        self.0.0.lock().expect("nothing panics").1 = true;
        self.0.1.notify_all();
    }
}

impl SessionStore for Hangs {
    fn get(&self, key: &str) -> io::Result<Option<String>> {
        self.log(&format!("get {key}"));
        self.0.2.get(key)
    }

    fn set(&self, key: &str, id: &str) -> io::Result<()> {
        self.log(&format!("set {key}"));
        let state = self.0.0.lock().expect("nothing panics");
        let hangs = |state: &mut (_, bool)| key == "a" && !state.1;
        drop(self.0.1.wait_while(state, hangs).expect("nothing panics"));
        self.0.2.set(key, id)?;
        self.log(&format!("done {key}"));
        Ok(())
    }
}

#[tokio::test]
async fn a_call_of_a_start_that_was_cut_short_comes_before_the_next_start() {
    let store = Hangs::default();
    let sessions = manager(on_prompt("answer \"$sid\"").store(store.clone()));
    let sending = sessions.send_message("a", "hello".into());
    within(async {
        while store.calls().len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    sending.abort();
    let end = within(sending).await.map_err(|error| error.error);
    assert!(matches!(end, Err(TurnError::Aborted)), "{end:?}");

    let next = sessions.send_message("a", "hello".into());
    let ticket = next.ticket();
    let starts = |it: SessionStatus| it.turn == ticket && it.phase == Phase::Starting;
    let other = async {
        while !sessions.status("a").is_some_and(starts) {
            tokio::task::yield_now().await;
        }
        // Another key does not wait, and takes longer than a call that should not begin.
        said(&sessions, "b").await;
        let calls = store.calls();
        store.go_on();
        calls
    };
    let (next, calls) = within(async { tokio::join!(next, other) }).await;
    next.expect("it is answered");
    assert_eq!(calls, ["get a", "set a", "get b", "set b", "done b"]);
    assert_eq!(store.calls()[5..], ["done a", "get a", "set a", "done a"]);
    within(sessions.shutdown(Duration::from_secs(9))).await;
}
