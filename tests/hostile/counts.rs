//! How many calls a dismissal has ended, while thousands of them end on other threads.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::thread;

use tokio::sync::Semaphore;
use turnwise::manager::TurnError;

use crate::plain;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_dismissal_counts_all_that_it_ends() {
    const CALLS: u32 = 5000;
    let m = plain::<String>();
    let turn = m.turn("a").await.expect("free");
    let polled = Arc::new(Semaphore::new(0));
    let mut tasks = Vec::new();
    for _ in 0..CALLS {
        let (entering, polled) = (m.turn("a"), Arc::clone(&polled));
        tasks.push(tokio::spawn(async move {
            let mut entering = pin!(entering);
            let mut first = Some(polled);
            poll_fn(|cx| {
                let ended = entering.as_mut().poll(cx);
                if let Some(polled) = first.take() {
                    polled.add_permits(1);
                }
                ended
            })
            .await
        }));
    }
    // Each call waits in the queue, with the waker of its task.
    let all = polled.acquire_many(CALLS).await;
    drop(all.expect("the semaphore stays open"));
    // From a thread outside of the runtime, so that all its workers end calls meanwhile.
    let counted = thread::spawn(move || m.dismiss("a")).join();
    let counted = counted.expect("it does not panic");
    for task in tasks {
        let ended = task.await.expect("it does not panic");
        let error = ended.expect_err("C11: the turn is taken");
        assert!(matches!(error, TurnError::Dismissed), "{error:?}");
    }
    assert_eq!(counted, CALLS as usize, "all of them were dismissed");
    drop(turn);
}
