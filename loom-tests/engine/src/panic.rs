//! Unwinding, per model thread.
//!
//! To std all model threads are one: while one of them unwinds, `std::thread::panicking()` is true for the others. So the
//! question is answered from a flag of the model thread, and everything that begins or ends an unwinding moves it:
//! [`panic_now`], [`resume_unwind`], [`catch_unwind`], [`unwind`].
//!
//! What this cannot see: a panic that begins elsewhere (a failed assertion, an index out of bounds in the source) does not
//! set the flag. It fails the model anyway, since only the payload of `panic_now` is ever caught for good.

use std::{
    any::Any,
    cell::Cell,
    panic::{self, AssertUnwindSafe, UnwindSafe},
    thread::Result,
};

loom::thread_local! {
    static PANICKING: Cell<bool> = Cell::new(false);
}

/// The payload of [`panic_now`].
struct Scripted;

/// `std::thread::panicking`, of this model thread.
#[must_use]
pub fn panicking() -> bool {
    parking_lot::in_model() && PANICKING.with(Cell::get)
}

/// `std::panic::catch_unwind`: afterwards this model thread unwinds no more than it did before.
///
/// # Errors
///
/// The payload of the panic.
pub fn catch_unwind<R>(run: impl FnOnce() -> R + UnwindSafe) -> Result<R> {
    let before = panicking();
    panic::catch_unwind(run).inspect_err(|_| set(before))
}

/// `std::panic::resume_unwind`: this model thread unwinds again.
pub fn resume_unwind(payload: Box<dyn Any + Send>) -> ! {
    set(true);
    panic::resume_unwind(payload)
}

/// For models: user code panics here, as scripted. Nothing is printed, and [`unwind`] catches it.
pub fn panic_now() -> ! {
    resume_unwind(Box::new(Scripted))
}

/// For models: runs `run`, in which a [`panic_now`] is expected, and gives its end.
///
/// Any other panic goes on, so that no model can swallow its own failure.
///
/// # Errors
///
/// The payload of [`panic_now`].
///
/// # Panics
///
/// In a model that `check_unwinding` does not run: see the locks of the `parking_lot` shim for the reason.
pub fn unwind<R>(run: impl FnOnce() -> R) -> Result<R> {
    assert!(
        std::thread::panicking(),
        "a model that unwinds is run by `harness::check_unwinding`"
    );
    match catch_unwind(AssertUnwindSafe(run)) {
        Err(payload) if !payload.is::<Scripted>() => resume_unwind(payload),
        end => end,
    }
}

fn set(panicking: bool) {
    if parking_lot::in_model() {
        PANICKING.with(|cell| cell.set(panicking));
    }
}
