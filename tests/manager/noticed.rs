//! Faults that a machine put into the manager, and that no other test noticed.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use turnwise::{Agent, Backend, SessionManager, TurnContext, manager::*};

/// Emits as many events as it is sent, and then waits for its cancellation if that is an odd number.
struct Parts;

impl Backend for Parts {
    type Key = String;
    type Session = ();
    type Handle = ();
    type Event = [u8; 40];
    type Error = Infallible;

    async fn start(
        &self,
        _: &String,
        _: &TurnContext<Self::Event>,
    ) -> Result<((), ()), Infallible> {
        Ok(((), ()))
    }
}

/// An agent without a `weight` of its own.
impl Agent for Parts {
    type Message = u8;
    type Reply = String;

    async fn send(
        &self,
        _: &mut (),
        count: u8,
        cx: &TurnContext<[u8; 40]>,
    ) -> Result<String, Infallible> {
        for part in 0..count {
            cx.emit([part; 40]);
        }
        while count % 2 == 1 && !cx.is_cancelled() {
            tokio::task::yield_now().await;
        }
        Ok(format!("{cx:?}"))
    }
}

type Done = Result<(), Box<dyn std::error::Error>>;

#[tokio::test(start_paused = true)]
async fn an_event_weighs_its_size_unless_the_agent_differs() -> Done {
    let manager = SessionManager::builder(Parts).unread_bytes(100).build()?;
    let mut reader = manager.listen("a");
    manager.send_message("a", 4).await?;
    assert_eq!(reader.next().await, Some(Update::Lagged(2)));
    assert_eq!(reader.next().await, Some(Update::Event([2; 40])));
    assert_eq!(reader.next().await, Some(Update::Event([3; 40])));
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_polls_its_cancellation_ends() -> Done {
    let manager = SessionManager::builder(Parts).build()?;
    let mut sending = manager.send_message("a", 1);
    sending.started().await?;
    assert!(manager.abort("a", None), "there is a turn");
    // It ended within its time: its reply counts, and the session stays.
    let context = sending.await?;
    assert!(context.contains("cancelled: true"), "{context}");
    assert_eq!(manager.snapshot().len(), 1);
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn debug_prints_names_and_counts() -> Done {
    let manager = SessionManager::builder(Parts).unread_bytes(80).build()?;
    assert!(format!("{manager:?}").starts_with("SessionManager"));
    let reader = manager.listen("a");
    let context = manager.send_message("a", 2).await?;
    assert!(context.starts_with("TurnContext"), "{context}");
    // Four more, of which two are kept: the first two are missed, and those of the message before.
    manager.send_message("a", 4).await?;
    let printed = format!("{reader:?}");
    assert!(printed.contains("unread: 2, missed: 4"), "{printed}");
    let stream = manager.send_message("a", 0).into_stream();
    assert!(format!("{stream:?}").starts_with("SendingStream"));
    assert!(format!("{:?}", SessionManager::builder(Parts)).starts_with("ManagerBuilder"));
    Ok(())
}

struct Counted;

impl Wake for Counted {
    fn wake(self: Arc<Self>) {}
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_dropped_drops_its_waker() -> Done {
    let manager = SessionManager::builder(Parts).build()?;
    let turn = manager.turn("a").await?;
    let counted = Arc::new(Counted);
    let waker = Waker::from(Arc::clone(&counted));
    let before = Arc::strong_count(&counted);
    {
        let mut waits = pin!(SessionTurn::cancelled(&turn));
        let polled = waits.as_mut().poll(&mut Context::from_waker(&waker));
        assert_eq!(polled, Poll::Pending);
        assert_eq!(Arc::strong_count(&counted), before + 1, "it waits");
    }
    assert_eq!(Arc::strong_count(&counted), before, "its waker is gone");
    drop(turn);
    Ok(())
}
