//! A future is dropped at each of its points.

use std::{cell::RefCell, time::Duration};
use tokio::{sync::oneshot, time::sleep};
use turnwise::testing::every_cancel_point;

/// What an attempt has reached when it is dropped.
struct Reached<'a>(&'a RefCell<Vec<u32>>, u32);

impl Drop for Reached<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}

#[tokio::test(start_paused = true)]
async fn two_points_for_each_wait_and_one_before_the_first_poll() {
    let ends = RefCell::new(Vec::new());
    let dropped = every_cancel_point(|| {
        let reached = Reached(&ends, 0);
        async move {
            let mut reached = reached;
            reached.1 = 1;
            sleep(Duration::from_secs(3600)).await;
            reached.1 = 2;
            sleep(Duration::from_secs(3600)).await;
            reached.1 = 3;
        }
    });
    assert_eq!(dropped.await, 5);
    assert_eq!(*ends.borrow(), [0, 1, 1, 2, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn it_is_dropped_with_what_woke_it() {
    let mut untaken = 0;
    let senders = RefCell::new(Vec::new());
    let dropped = every_cancel_point(|| {
        let (sender, receiver) = oneshot::channel();
        senders.borrow_mut().push(tokio::spawn(async move {
            sleep(Duration::from_secs(1)).await;
            sender.send(7).is_err()
        }));
        receiver
    });
    // Before its poll, after it, and with the value that nobody takes; then it completes.
    assert_eq!(dropped.await, 3);
    for sender in senders.take() {
        untaken += u32::from(sender.await.expect("it does not panic"));
    }
    assert_eq!(untaken, 2, "the third value had been sent");
}

#[tokio::test]
#[should_panic(expected = "the future does not end: it is pending after 500 polls")]
async fn one_without_an_end() {
    every_cancel_point(|| async {
        loop {
            let mut woken = false;
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                match std::mem::replace(&mut woken, true) {
                    true => std::task::Poll::Ready(()),
                    false => std::task::Poll::Pending,
                }
            })
            .await;
        }
    })
    .await;
}
