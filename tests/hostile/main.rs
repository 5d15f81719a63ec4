//! User code that panics or calls back at the worst moments of a manager: wakers while a call ends, keys and errors in their
//! drop, keys in their hash. Each of these moments once cost a caller its answer, a session its stop or a shutdown its report.
//!
//! The panics call no hook, so that the output of the tests stays readable.
//!
//! Claims: A2, A4, A6, C9, C11, C16.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;
#[macro_use]
extern crate deadline_attribute;

mod counts;
mod drops;
mod ends;
mod wakers;

use std::convert::Infallible;
use std::future::Future;
use std::hash::Hash;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use turnwise::{Agent, Backend, SessionManager, TurnContext};

fn explode() -> ! {
    resume_unwind(Box::new("user code panics"))
}

fn panics(act: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(act)).is_err()
}

fn poll<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Returns when no other task can run: only then does a paused clock move.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A waker that runs this closure when it is woken.
fn waker(act: impl Fn() + Send + Sync + 'static) -> Waker {
    struct Runs<F>(F);
    impl<F: Fn() + Send + Sync> Wake for Runs<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }
    Waker::from(Arc::new(Runs(act)))
}

/// Sessions without content. Each start and stop succeeds at once, and each message is answered at once.
struct Plain<K>(PhantomData<fn() -> K>);

impl<K: Eq + Hash + Clone + std::fmt::Debug + Send + Sync + 'static> Backend for Plain<K> {
    type Key = K;
    type Session = ();
    type Handle = ();
    type Event = ();
    type Error = Infallible;

    async fn start(&self, _: &K, _: &TurnContext<Self::Event>) -> Result<((), ()), Infallible> {
        Ok(((), ()))
    }
}

impl Agent for Plain<String> {
    type Message = ();
    type Reply = ();

    async fn send(&self, (): &mut (), (): (), _: &TurnContext<()>) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A manager of [`Plain`] sessions.
fn plain<K>() -> SessionManager<Plain<K>>
where
    K: Eq + Hash + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    manager(Plain(PhantomData))
}

/// A manager with the default settings.
fn manager<B: Backend>(backend: B) -> SessionManager<B> {
    let built = SessionManager::builder(backend).build();
    built.expect("the default settings are valid")
}
