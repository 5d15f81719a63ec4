//! Async closures whose futures are `Send`.
//!
//! **Why a trait.** A caller of [`or_start`](crate::Entry::or_start) spawns the future, so the compiler must see that it is `Send`.
//! It looks at what the future keeps across an `await`, with all lifetimes forgotten, `'static` too. If that is
//! `<F as AsyncFnOnce<(&Vacancy<&'static str, V>,)>>::CallOnceFuture`, it has to show that `F` is a closure for keys of every
//! lifetime, which it is not: "implementation of `AsyncFnOnce` is not general enough". So the future is kept as a
//! `Box<dyn Future + Send>`, which names no `F`. That it is `Send` is shown where the closure is written, where the lifetimes are
//! known. `AsyncFnOnce` has no stable way to ask for that, so this trait does. The bound on `AsyncFnOnce` stays beside it,
//! because the compiler infers the arguments of a closure from that one.

use std::{future::Future, pin::Pin};

/// An async closure whose future is [`Send`], so that it may run in a spawned task.
///
/// Every `async |argument| ..` closure and every `async fn` implements it, if what it keeps across an `await` is `Send`. There is
/// nothing to write. A function that passes a closure on repeats both bounds:
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

/// Calls it. The result names no closure.
pub(crate) fn call<'a, Argument: 'a, T: 'a>(
    f: impl SendFnOnce<Argument, T> + 'a,
    argument: Argument,
) -> Pin<Box<dyn Future<Output = T> + Send + 'a>> {
    Box::pin(f(argument))
}
