//! What user code does when the registry runs it: nothing, until a trap is sprung.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::thread;

use super::super::table::Log;
use super::values::Alive;
use super::{Fault, Hands, calls};

/// Where the registry runs user code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Hash,
    IsKey,
    ToKey,
    KeyDrop,
    SessionDrop,
    HandleDrop,
    CaptureDrop,
    WakerClone,
    Wake,
    WakerDrop,
    Start,
    Closer,
}

pub(super) struct Words {
    hook: Hook,
    pub(super) panics: &'static str,
    /// None where it must not.
    pub(super) calls: Option<&'static str>,
}

const fn words(hook: Hook, panics: &'static str, calls: Option<&'static str>) -> Words {
    Words {
        hook,
        panics,
        calls,
    }
}

/// In the order of the columns.
pub(super) const HOOKS: &[Words] = &[
    words(Hook::Hash, "hash panics", Some("hash calls")),
    words(Hook::IsKey, "is_key panics", None),
    words(Hook::ToKey, "to_key panics", Some("to_key calls")),
    words(
        Hook::KeyDrop,
        "the drop of a key panics",
        Some("the drop of a key calls"),
    ),
    words(
        Hook::SessionDrop,
        "the drop of a session panics",
        Some("the drop of a session calls"),
    ),
    words(
        Hook::HandleDrop,
        "the drop of a handle panics",
        Some("the drop of a handle calls"),
    ),
    words(
        Hook::CaptureDrop,
        "the drop of a closure panics",
        Some("the drop of a closure calls"),
    ),
    words(
        Hook::WakerClone,
        "the clone of a waker panics",
        Some("the clone of a waker calls"),
    ),
    words(Hook::Wake, "a wake panics", Some("a wake calls")),
    words(
        Hook::WakerDrop,
        "the drop of a waker panics",
        Some("the drop of a waker calls"),
    ),
    words(Hook::Start, "a start panics", Some("a start calls")),
    words(Hook::Closer, "a closer panics", Some("a closer calls")),
];

/// The caller, then the hooks.
pub(super) const COLUMNS: &[&str] = &[
    "caller",
    "hash",
    "is_key",
    "to_key",
    "key drop",
    "session drop",
    "handle drop",
    "closure drop",
    "waker clone",
    "wake",
    "waker drop",
    "start",
    "closer",
];

impl Hook {
    pub(super) fn of(number: usize) -> Self {
        HOOKS[number % HOOKS.len()].hook
    }

    fn index(self) -> usize {
        let found = HOOKS.iter().position(|words| words.hook == self);
        found.expect("every hook has its words")
    }

    pub(super) fn may_call(self) -> bool {
        HOOKS[self.index()].calls.is_some()
    }
}

/// At this hook, when it has been passed so often: then it is gone.
pub(super) struct Trap {
    pub(super) hook: Hook,
    pub(super) pass: u8,
    pub(super) what: What,
}

pub(super) enum What {
    Panic,
    /// Index in the table of calls, and operand.
    Call(usize, u8),
}

/// What a user's panic carries.
pub(super) struct Exploded;

/// All that user code can reach. One for each thread, and so for each input.
pub(super) struct Stage {
    pub(super) hands: Hands,
    pub(super) alive: Alive,
    pub(super) traps: Vec<Trap>,
    pub(super) log: Log,
    pub(super) fault: Option<Fault>,
    /// Hooks that did something in this step.
    pub(super) sprung: Vec<Hook>,
    /// A panic came up in this step.
    pub(super) exploded: bool,
    /// The harness looks: nothing is sprung.
    pub(super) quiet: bool,
    /// Wakers that a drain was polled with. It may have looked at some places with one, and at others with the one before.
    pub(super) polled_drains: BTreeSet<usize>,
    /// Replacements and removals that have not returned.
    pub(super) disowning: usize,
    /// What user code noticed.
    pub(super) complaints: Vec<String>,
    /// All keys have one hash.
    pub(super) collide: bool,
}

thread_local!(static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) });

pub(super) fn set(stage: Stage) {
    STAGE.with(|cell| *cell.borrow_mut() = Some(stage));
}

pub(super) fn take() -> Option<Stage> {
    STAGE.with(|cell| cell.borrow_mut().take())
}

/// Never around a call, or a drop of a user's value: these come back here.
pub(super) fn with<R>(act: impl FnOnce(&mut Stage) -> R) -> R {
    STAGE.with(|cell| act(cell.borrow_mut().as_mut().expect("an input is running")))
}

/// The harness looks, and no user code does anything meanwhile.
pub(super) fn quietly<R>(look: impl FnOnce() -> R) -> R {
    let before = with(|stage| std::mem::replace(&mut stage.quiet, true));
    let seen = look();
    with(|stage| stage.quiet = before);
    seen
}

impl Stage {
    pub(super) fn new(settings: u8, log: &Log, fault: Option<Fault>) -> Self {
        Self {
            hands: Hands::new(settings),
            alive: Alive::default(),
            traps: Vec::new(),
            log: log.clone(),
            fault,
            sprung: Vec::new(),
            exploded: false,
            quiet: false,
            polled_drains: BTreeSet::new(),
            disowning: 0,
            complaints: Vec::new(),
            collide: settings & 1 == 0,
        }
    }

    pub(super) fn begin_step(&mut self) {
        self.sprung.clear();
        self.exploded = false;
    }

    /// The trap here, if it is sprung now.
    fn spring(&mut self, hook: Hook) -> Option<What> {
        if self.quiet {
            return None;
        }
        let index = self.traps.iter().position(|trap| trap.hook == hook)?;
        if let Some(left) = self.traps[index].pass.checked_sub(1) {
            self.traps[index].pass = left;
            return None;
        }
        if matches!(self.traps[index].what, What::Panic) && (self.exploded || thread::panicking()) {
            return None; // later
        }
        self.sprung.push(hook);
        let what = self.traps.remove(index).what;
        let words = &HOOKS[hook.index()];
        match what {
            What::Panic => {
                self.exploded = true;
                self.log.note(hook.index() + 1, words.panics, None);
            }
            What::Call(..) => {
                let calls = words.calls.expect("a trap calls where it may");
                self.log.note(hook.index() + 1, calls, None);
            }
        }
        Some(what)
    }
}

/// The registry runs user code.
pub(super) fn at(hook: Hook) {
    match with(|stage| stage.spring(hook)) {
        None => {}
        Some(What::Panic) => resume_unwind(Box::new(Exploded)),
        Some(What::Call(call, operand)) => calls::make(hook.index() + 1, call, operand),
    }
}
