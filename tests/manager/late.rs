//! A health check that is ready late: neither at its first poll, nor in the manager's runtime.

use std::convert::Infallible;
use std::future::poll_fn;
use std::mem;
use std::task::Poll;
use std::time::Duration;

use turnwise::manager::SessionTurn;
use turnwise::{Backend, SessionManager, TurnContext};

use crate::HOUR;
use crate::runtimes::{block_on, runtime};

/// A health check that goes on at its second poll, and makes a timer then: the runtime is there at every poll.
#[test]
fn a_check_on_a_thread_without_a_runtime_makes_its_timers_late() {
    struct Late;
    impl Backend for Late {
        type Key = &'static str;
        type Session = u64;
        type Handle = ();
        type Event = ();
        type Error = Infallible;
        async fn start(
            &self,
            _: &&'static str,
            cx: &TurnContext<Self::Event>,
        ) -> Result<(u64, ()), Infallible> {
            Ok((cx.incarnation().get(), ()))
        }
        async fn is_healthy(&self, _: &mut u64) -> bool {
            let mut polled = false;
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                if mem::replace(&mut polled, true) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            true
        }
    }
    let runtime = runtime();
    let m = {
        let _within = runtime.enter();
        SessionManager::builder(Late).build().expect("in a runtime")
    };
    let number = |turn| SessionTurn::incarnation(&turn);
    let first = number(block_on(m.turn(&"a")).expect("it starts"));
    let next = number(block_on(m.turn(&"a")).expect("it is healthy"));
    assert_eq!(next, first);
    assert_eq!(m.status(&"a").expect("it is idle").incarnation, first);
    assert!(block_on(m.shutdown(HOUR)).failed.is_empty());
}
