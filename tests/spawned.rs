//! `or_start` in spawned tasks: the future must be `Send` whatever the types are. Most of these tests are done when they compile.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

use std::sync::Arc;
use std::time::Duration;

use turnwise::{Registry, Turn, Vacancy};

type Callback = Box<dyn Fn(&str) -> usize + Send>;

const DEADLINE: Duration = Duration::from_secs(60);

/// Runs it in a task of a runtime with several threads, as most daemons do.
async fn spawned<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> T {
    let task = tokio::time::timeout(DEADLINE, tokio::spawn(task));
    task.await.expect("it ends").expect("it does not panic")
}

async fn length(vacancy: &Vacancy<&'static str, usize>) -> Result<usize, ()> {
    tokio::task::yield_now().await;
    Ok(vacancy.key().len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spawned_starts_compile_for_every_type() {
    // Keys that are borrowed for `'static`, with a closure whose argument is inferred, and one whose argument is written.
    let sessions: Registry<&'static str, usize> = Registry::new();
    let started = spawned(async move {
        let entry = sessions.enter(&"inferred").await.expect("it is open");
        let inferred = entry.or_start(async |vacancy| length(vacancy).await).await;
        let entry = sessions.enter(&"written").await.expect("it is open");
        let written = entry
            .or_start(async |vacancy: &Vacancy<&'static str, usize>| {
                tokio::task::yield_now().await;
                Ok::<_, ()>(vacancy.key().len())
            })
            .await;
        // An `async fn` is a start too.
        let entry = sessions.enter(&"function").await.expect("it is open");
        let function = entry.or_start(length).await;
        [inferred, written, function].map(|turn| turn.map(|turn| *turn))
    });
    assert_eq!(started.await, [Ok(8), Ok(7), Ok(8)]);

    // A session with a higher-ranked trait object in it, which is not `Sync`.
    let sessions: Registry<String, Callback> = Registry::new();
    let called = spawned(async move {
        let entry = sessions.enter("callback").await.expect("it is open");
        let turn = entry
            .or_start(async |_| {
                tokio::task::yield_now().await;
                Ok::<_, ()>(Box::new(|text: &str| text.len()) as Callback)
            })
            .await
            .expect("it starts");
        turn("four")
    });
    assert_eq!(called.await, 4);

    // A session that borrows for `'static`.
    let sessions: Registry<String, &'static [u8]> = Registry::new();
    let borrowed = spawned(async move {
        let entry = sessions.enter("bytes").await.expect("it is open");
        let turn = entry
            .or_start(async |_| {
                tokio::task::yield_now().await;
                Ok::<_, ()>(&b"bytes"[..])
            })
            .await
            .expect("it starts");
        *turn
    });
    assert_eq!(borrowed.await, b"bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spawned_start_may_use_what_its_task_has() {
    let sessions: Arc<Registry<String, usize>> = Arc::new(Registry::new());
    let (turn, counted) = spawned(async move {
        let text = String::from("captured");
        let (text, mut counted) = (&text, 0);
        let counter = &mut counted;
        let entry = sessions.enter("captures").await.expect("it is open");
        let turn: Result<Turn<String, usize>, ()> = entry
            .or_start(async |vacancy| {
                tokio::task::yield_now().await;
                *counter += 1;
                Ok(text.len() + vacancy.key().len())
            })
            .await;
        (turn.map(|turn| *turn), counted)
    })
    .await;
    assert_eq!((turn, counted), (Ok(16), 1));
}
