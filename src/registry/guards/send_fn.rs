//! Async closures whose futures are `Send`.
//!
//! **Why a trait.** A caller of [`or_start`](crate::Entry::or_start) spawns its future, so the compiler must show that the
//! future is `Send`. To do so it examines what the future keeps across an `await`, with all lifetimes erased, even
//! `'static`. For a `<F as AsyncFnOnce<(&Vacancy<&'static str, V>,)>>::CallOnceFuture` it would have to show that `F` is a
//! closure for keys of every lifetime, which it is not: "implementation of `AsyncFnOnce` is not general enough".
//!
//! So the future is kept as a `Box<dyn Future + Send>`, which does not name `F`, and is shown to be `Send` where the
//! closure is written and the lifetimes are known. `AsyncFnOnce` has no stable bound for that, so this trait is that bound.
//! The bound on `AsyncFnOnce` stays beside it, because the compiler infers the closure's arguments from it.

use std::{future::Future, pin::Pin};

/// An async closure whose future is [`Send`], so that it may run in a spawned task.
///
/// Every `async |argument| ..` closure and every `async fn` implements it, if what it keeps across an `await` is `Send`. A
/// function that passes a closure on repeats both bounds:
///
/// ```
/// use turnwise::{EnterError, Registry, SendFnOnce, Vacancy};
///
/// async fn count<F>(sessions: &Registry<&'static str, u64>, start: F) -> Result<u64, EnterError>
/// where
///     F: AsyncFnOnce(&Vacancy<&'static str, u64>) -> Result<u64, EnterError>
///         + for<'a> SendFnOnce<&'a Vacancy<&'static str, u64>, Result<u64, EnterError>>,
/// {
///     let mut turn = sessions.enter(&"a").await?.or_start(start).await?;
///     *turn += 1;
///     Ok(*turn)
/// }
/// ```
pub trait SendFnOnce<Argument, T>: FnOnce(Argument) -> Self::Future {
    /// The future of a call.
    type Future: Future<Output = T> + Send;
}

impl<Argument, T, F, Fut> SendFnOnce<Argument, T> for F
where
    F: FnOnce(Argument) -> Fut,
    Fut: Future<Output = T> + Send,
{
    type Future = Fut;
}

/// Calls `f`. The result does not name its type.
pub(crate) fn call<'a, Argument: 'a, T: 'a>(
    f: impl SendFnOnce<Argument, T> + 'a,
    argument: Argument,
) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(f(argument))
}
