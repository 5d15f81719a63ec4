//! Which of the many waits of one task were woken, so that its poll polls only those.

use crate::sync::WakerArc;
use parking_lot::Mutex;
use std::{
    mem,
    task::{Wake, Waker},
};

/// The waits of one task. Each has a number and its own waker.
pub(crate) struct Woken {
    state: WakerArc<Mutex<State>>,
    wakers: Vec<Waker>,
}

#[derive(Default)]
struct State {
    /// The numbers that were woken since the last [`take`](Woken::take).
    numbers: Vec<usize>,
    /// The waker of the task, once it has found nothing to do.
    task: Option<Waker>,
}

impl Woken {
    pub(crate) fn new() -> Self {
        Self {
            state: WakerArc::default(),
            wakers: Vec::new(),
        }
    }

    /// The waker of this number. After a number is reused, a late wake-up for its former wait causes one poll too many.
    pub(crate) fn waker(&mut self, number: usize) -> &Waker {
        while self.wakers.len() <= number {
            let number = self.wakers.len();
            let state = WakerArc::clone(&self.state);
            let waker = Waker::from(WakerArc::new(Ring { state, number }));
            self.wakers.push(waker);
        }
        &self.wakers[number]
    }

    /// Moves the numbers that were woken into the empty `numbers`. If there are none, the next wake-up wakes `task`.
    ///
    /// One critical section decides: a wake-up comes before it and is taken, or after it and finds `task`. Models:
    /// `c13_closing`.
    pub(crate) fn take(&self, numbers: &mut Vec<usize>, task: &Waker) {
        let task = task.clone();
        let mut state = self.state.lock();
        mem::swap(&mut state.numbers, numbers);
        let before = if numbers.is_empty() {
            state.task.replace(task)
        } else {
            Some(task)
        };
        drop(state);
        drop(before); // a waker, after the lock
    }
}

struct Ring {
    state: WakerArc<Mutex<State>>,
    number: usize,
}

impl Wake for Ring {
    fn wake(self: WakerArc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &WakerArc<Self>) {
        let mut state = self.state.lock();
        state.numbers.push(self.number);
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}
