//! Records the transitions of slots: the slot before, the call, and the slot after.
//!
//! A line is written for each that is new, but for the names of tickets, times and incarnations: a few thousand lines tell of
//! millions of calls. `TURNWISE_RECORD` is the folder that they are written to, one file for each process. Without it nothing
//! is recorded.

mod names;

use names::Names;
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
    env, fmt,
    fs::{File, OpenOptions, create_dir_all},
    io::Write,
    panic::Location,
    path::Path,
    process,
    rc::Rc,
    sync::{LazyLock, Mutex, PoisonError},
    thread,
};

/// A slot, as it is under its lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The fields of the source.
pub struct Slot {
    pub version: u64,
    pub open: bool,
    pub phase: &'static str,
    pub since: u64,
    pub waiting: u64,
    pub number: u64,
    pub holder: u64,
    pub session: bool,
    /// Places as the source packs them, whether they have a waker, and whether they have a handle.
    pub queue: Vec<(u64, bool, bool)>,
    /// The place, or 0.
    pub grant: u64,
    pub drawn: u64,
    pub kept: u32,
    pub handle: bool,
    pub stands: bool,
    pub caller: bool,
    pub rested: u64,
    pub touched: u64,
    pub superseded: bool,
    pub departed: bool,
    pub unwinding: bool,
    pub unlisted: bool,
}

/// One critical section of a slot.
pub struct Section {
    place: &'static Location<'static>,
    seen: RefCell<Option<Slot>>,
    call: RefCell<Option<(&'static str, Vec<u64>)>>,
    depth: Rc<Cell<usize>>,
}

/// Until it is dropped, calls in the same section belong to the one that made this.
#[must_use]
#[derive(Debug)]
pub struct Call(Rc<Cell<usize>>);

impl Drop for Call {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Section {
    /// Begins here, with no snapshot yet.
    #[track_caller]
    pub fn begins() -> Self {
        Self {
            place: Location::caller(),
            seen: RefCell::default(),
            call: RefCell::default(),
            depth: Rc::default(),
        }
    }

    /// What is seen when it begins.
    pub fn first(&self, slot: impl FnOnce() -> Slot) {
        if BOOK.is_some() {
            *self.seen.borrow_mut() = Some(slot());
        }
    }

    /// A call begins, maybe within another.
    pub fn call(&self, name: &'static str, arguments: &[u64], slot: impl FnOnce() -> Slot) -> Call {
        let depth = self.depth.get();
        self.depth.set(depth + 1);
        if depth == 0 && BOOK.is_some() {
            self.seen(slot());
            *self.call.borrow_mut() = Some((name, arguments.to_vec()));
        }
        Call(Rc::clone(&self.depth))
    }

    /// The section's work is done: the board is closed next.
    pub fn closes(&self, slot: impl FnOnce() -> Slot) {
        if BOOK.is_some() {
            self.seen(slot());
            *self.call.borrow_mut() = Some(("unlock", Vec::new()));
        }
    }

    /// The board is closed, and the lock is released next.
    pub fn ends(&self, slot: impl FnOnce() -> Slot) {
        if BOOK.is_some() {
            let open = false;
            self.seen(Slot { open, ..slot() });
        }
    }

    /// Records the call before, which has led to this slot.
    fn seen(&self, slot: Slot) {
        let before = self.seen.borrow_mut().replace(slot);
        let call = self.call.borrow_mut().take();
        let seen = self.seen.borrow();
        let (Some(before), Some(after), Some(book)) = (before, &*seen, &*BOOK) else {
            return;
        };
        let (name, arguments) = match call {
            Some(("unlock", _)) if before == *after => return,
            Some(call) => call,
            None if before == *after => return,
            None => ("nothing", Vec::new()),
        };
        let line = Names::of(&before, name, &arguments, after).line();
        let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
        book.write(name, line, self.place);
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section").finish_non_exhaustive()
    }
}

/// What was written.
struct Book {
    file: File,
    lines: HashSet<String>,
    counts: HashMap<&'static str, u64>,
}

static BOOK: LazyLock<Option<Mutex<Book>>> = LazyLock::new(|| {
    let folder = env::var_os("TURNWISE_RECORD")?;
    let folder = Path::new(&folder);
    create_dir_all(folder).expect("the folder of records can be made");
    let file = folder.join(format!("{}.txt", process::id()));
    let file = OpenOptions::new().create(true).append(true).open(file);
    Some(Mutex::new(Book {
        file: file.expect("records can be written"),
        lines: HashSet::new(),
        counts: HashMap::new(),
    }))
});

impl Book {
    /// Writes what is new. A count is written when it has doubled, since nobody knows which call is the last.
    fn write(&mut self, name: &'static str, line: String, place: &Location<'_>) {
        let count = self.counts.entry(name).or_default();
        *count += 1;
        let mut text = String::new();
        if count.is_power_of_two() {
            text += &format!("{name} {count}\n");
        }
        if !self.lines.contains(&line) {
            let thread = thread::current();
            let test = thread.name().unwrap_or("a thread without a name");
            text += &format!("{line} | {}:{} | {test}\n", place.file(), place.line());
            self.lines.insert(line);
        }
        if !text.is_empty() {
            let written = self.file.write_all(text.as_bytes());
            written.expect("records can be written");
        }
    }
}
