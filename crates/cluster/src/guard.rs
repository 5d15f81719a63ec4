//! The deadline for sessions outside of this process: the hook that moves it.

use std::{fmt, time::Duration};

type Told = Box<dyn FnOnce(Duration) + Send>;

/// The user's hook, or none.
pub(crate) struct Guard(Option<Box<dyn Fn() -> Told + Send + Sync>>);

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn new<B, T>(begin: B) -> Self
    where
        B: Fn() -> T + Send + Sync + 'static,
        T: FnOnce(Duration) + Send + 'static,
    {
        Self(Some(Box::new(move || Box::new(begin()))))
    }

    /// Before a question is sent. What is returned takes the time that its answer has given, from now.
    pub(crate) fn begin(&self) -> Told {
        match &self.0 {
            Some(begin) => begin(),
            None => Box::new(|_| ()),
        }
    }

    /// Now.
    pub(crate) fn end(&self) {
        self.begin()(Duration::ZERO);
    }
}
