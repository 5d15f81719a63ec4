//! Target `hostile_keys`: user values at their worst.
//!
//! Keys panic when they are hashed, compared or made; keys, sessions, handles, closures and wakers panic in their drop, wakers
//! when they are cloned or woken; and each of them, but the comparison of keys, may call the registry instead, with what is
//! in the caller's hands. Two bytes are a call, or the first two of a trap: at which hook, after how many passes, a panic or
//! which call. At most one panic comes up in a step, and none while a panic passes by.
//!
//! After each step: the invariants; a key is held only by what is in somebody's hands; who was granted was woken; no two
//! sessions of a key; and a panic in a key has changed nothing. At the end all is dropped, every key can be entered, and
//! every session, key, handle, closure and waker was dropped exactly once. A call that takes a lock which is held already
//! never returns: the replay and the fuzzer have deadlines.

pub(crate) mod calls;
mod checks;
mod hands;
mod polls;
mod script;
mod values;

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Target;
use super::table::Log;
use calls::CALLS;
use hands::Hands;
use script::{Exploded, HOOKS, Hook, Stage, Trap, What, with};

pub(crate) const TARGET: Target = Target {
    name: "hostile_keys",
    claims: "C1 C2 C4 C5 C9 C11 C12",
    columns: script::COLUMNS,
    kinds: || {
        let hooks = HOOKS
            .iter()
            .flat_map(|hook| [Some(hook.panics), hook.calls]);
        let calls = CALLS.iter().map(|call| call.name);
        hooks.flatten().chain(calls).collect()
    },
    run: |bytes, log| run(bytes, log, None),
};

const LONGEST: usize = 120;
/// Bytes below set traps, the others make calls.
const TRAPS: usize = 64;

/// A fault put in, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code)] // The replay's canaries put them in.
pub(crate) enum Fault {
    /// A guard is forgotten: its key is stuck.
    GuardForgotten,
    /// A session is leaked.
    SessionForgotten,
    /// A user value waits for itself.
    Deadlock,
}

/// A byte of settings, then two for each step; a trap takes four.
pub(crate) fn run(bytes: &[u8], log: &Log, fault: Option<Fault>) -> Result<(), String> {
    let (&settings, steps) = bytes.split_first().unwrap_or((&0, &[]));
    let mut curtain = Curtain::raise(Stage::new(settings, log, fault));
    let end = play(steps).and_then(|()| checks::end(settings));
    curtain.in_order = end.is_ok();
    end
}

/// The stage of this input. After a failure or a panic nothing is in order: what is left on it is not dropped.
struct Curtain {
    in_order: bool,
}

impl Curtain {
    fn raise(stage: Stage) -> Self {
        script::set(stage);
        let in_order = false;
        Self { in_order }
    }
}

impl Drop for Curtain {
    fn drop(&mut self) {
        let stage = script::take();
        if !self.in_order {
            mem::forget(stage);
        }
    }
}

fn play(mut steps: &[u8]) -> Result<(), String> {
    for index in 0..LONGEST {
        let [act, operand, rest @ ..] = steps else {
            break;
        };
        let number = usize::from(*act);
        let step = |what: String| format!("step {index}: {what}");
        if number < TRAPS {
            let (what, more) = rest.split_at(rest.len().min(2));
            set_trap(*act, *operand, what);
            steps = more;
        } else {
            let call = (number - TRAPS) % CALLS.len();
            attempt(call, *operand).map_err(step)?;
            steps = rest;
        }
    }
    Ok(())
}

fn set_trap(hook: u8, pass: u8, what: &[u8]) {
    let hook = Hook::of(usize::from(hook));
    let what = match what {
        [call, operand] if call & 1 == 0 && hook.may_call() => {
            What::Call(usize::from(call >> 1) % CALLS.len(), *operand)
        }
        _ => What::Panic,
    };
    // A few are set at a time.
    with(|stage| {
        stage.traps.truncate(5);
        let pass = pass % 4;
        stage.traps.push(Trap { hook, pass, what });
    });
}

/// A call by the caller, and a look at everything after it.
fn attempt(call: usize, operand: u8) -> Result<(), String> {
    let before = checks::look();
    with(Stage::begin_step);
    let made = catch_unwind(AssertUnwindSafe(|| calls::make(0, call, operand)));
    if let Err(panic) = made {
        if !panic.is::<Exploded>() {
            return Err("a panic that is not the user's, see above".to_owned());
        }
        with(|stage| stage.log.became("panics"));
    }
    checks::after_step(before.as_ref())
}
