//! Closures in turns of spawned tasks: the future must be `Send` whatever the types are. Most of this is done when it compiles.

use std::convert::Infallible;

use turnwise::{Backend, SessionManager, TurnContext};

use crate::HOUR;

type Callback = Box<dyn Fn(&str) -> usize + Send>;

/// Sessions with a higher-ranked trait object in them, which is not `Sync`.
struct Callbacks;

impl Backend for Callbacks {
    type Key = String;
    type Session = Callback;
    type Handle = ();
    type Event = ();
    type Error = Infallible;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<(Callback, ()), Infallible> {
        Ok((Box::new(str::len), ()))
    }
}

/// Keys and sessions that borrow for `'static`.
struct Borrowed;

impl Backend for Borrowed {
    type Key = &'static str;
    type Session = &'static [u8];
    type Handle = ();
    type Event = ();
    type Error = Infallible;

    async fn start(
        &self,
        key: &&'static str,
        _: &TurnContext<Self::Event>,
    ) -> Result<(&'static [u8], ()), Infallible> {
        Ok((key.as_bytes(), ()))
    }
}

async fn spawned<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> T {
    let task = tokio::time::timeout(HOUR, tokio::spawn(task));
    task.await.expect("it ends").expect("it does not panic")
}

async fn last(bytes: &mut &'static [u8]) -> Option<u8> {
    tokio::task::yield_now().await;
    bytes.last().copied()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawned_closures_compile_for_every_type() {
    let manager = SessionManager::builder(Callbacks).build();
    let manager = manager.expect("the settings make sense");
    let m = manager.clone();
    let called = spawned(async move {
        // Of the task: one is read, one is written.
        let text = String::from("captured");
        let (text, mut calls) = (&text, 0);
        let count = &mut calls;
        let inferred = m.with_turn("a", async |callback| {
            tokio::task::yield_now().await;
            *count += 1;
            callback(text)
        });
        let inferred = inferred.await.expect("free");
        let written = m.with_turn("a", async |callback: &mut Callback| {
            tokio::task::yield_now().await;
            callback("four")
        });
        (inferred, written.await.expect("free"), calls)
    });
    assert_eq!(called.await, (8, 4, 1));
    manager.shutdown(HOUR).await;

    let manager = SessionManager::builder(Borrowed).build();
    let manager = manager.expect("the settings make sense");
    let m = manager.clone();
    let read = spawned(async move {
        let whole: &'static [u8] = m
            .with_turn(&"key", async |bytes| {
                tokio::task::yield_now().await;
                *bytes
            })
            .await
            .expect("free");
        // An `async fn` is a closure too.
        (whole, m.with_turn(&"key", last).await.expect("free"))
    });
    assert_eq!(read.await, (&b"key"[..], Some(b'y')));
    manager.shutdown(HOUR).await;
}
