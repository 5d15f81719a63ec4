//! What a line costs in memory: nothing stays of those who left it, and a free session is entered without an allocation.
//!
//! An allocator that counts, for each thread alone, since tests run side by side.
//!
//! Claims: C5.

// A test that hangs fails within a minute, and is named.
#[macro_use]
extern crate deadline_attribute;

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use std::time::Duration;
use turnwise::*;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

/// A thread that ends has no counters any more: then nobody asks.
fn count(allocations: usize, bytes: isize) {
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + allocations));
    let _ = LIVE_BYTES.try_with(|n| n.set(n.get() + bytes));
}

fn signed(size: usize) -> isize {
    isize::try_from(size).expect("a layout is no larger than isize::MAX")
}

// SAFETY: every call goes to `System` with what the caller gave, who keeps `GlobalAlloc`'s contract; counting touches two
// constant-initialised cells without destructors, so it neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(1, signed(layout.size()));
        // SAFETY: the caller's layout, of non-zero size as `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, -signed(layout.size()));
        // SAFETY: the block came from `System`, by this layout.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(1, signed(size) - signed(layout.size()));
        // SAFETY: the block came from `System`, by this layout; the caller vouches for the new size.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn allocations<R>(act: impl FnOnce() -> R) -> (R, usize) {
    let before = ALLOCATIONS.get();
    let result = act();
    (result, ALLOCATIONS.get() - before)
}

const TIMES: u32 = if cfg!(miri) { 500 } else { 5_000_000 };

type Sessions = Registry<String, u32>;

fn poll(enter: &mut Enter<String, u32>) -> Poll<Entry<String, u32>> {
    let mut cx = Context::from_waker(Waker::noop());
    let answer = Pin::new(enter).poll(&mut cx);
    answer.map(|entry| entry.expect("nobody closes the registry"))
}

fn with_session() -> Sessions {
    let sessions = Sessions::new();
    let entry = sessions.try_enter("a").expect("the key is free");
    drop(entry.or_insert(1));
    sessions
}

#[test]
fn the_counters_count() {
    let before = LIVE_BYTES.get();
    let (block, made) = allocations(|| Box::new([0u8; 4096]));
    assert_eq!((made, LIVE_BYTES.get() - before), (1, 4096));
    drop(block);
    assert_eq!(LIVE_BYTES.get(), before);
}

#[test]
fn millions_who_left_the_line_leave_nothing() {
    let sessions = with_session();
    let turn = sessions.try_enter("a").expect("the session is free");

    // Somebody stays in front, so that the line is never empty: what is kept behind him would pile up.
    let mut first = sessions.enter("a");
    assert!(poll(&mut first).is_pending());
    drop([sessions.enter("a"), sessions.enter("a")]);
    let two_joins = LIVE_BYTES.get();

    for i in 0..TIMES {
        let mut enter = sessions.enter("a");
        if i % 2 == 0 {
            assert!(poll(&mut enter).is_pending());
        }
        drop(enter);
    }
    assert!(LIVE_BYTES.get() <= two_joins, "the line grew");

    assert_eq!(sessions.status("a").map(|status| status.waiting), Some(1));
    drop(turn);
    assert!(poll(&mut first).is_ready());
}

/// What a slot has for a queue is freed once the last ticket of the queue has had its turn.
#[test]
fn a_queue_that_is_over_leaves_nothing() {
    let sessions = with_session();
    let idle = LIVE_BYTES.get();
    let turn = sessions.try_enter("a").expect("the session is free");
    let mut enter = sessions.enter("a");
    drop(turn);
    drop(poll(&mut enter));
    assert_eq!(LIVE_BYTES.get(), idle, "a queue is left");
}

#[test]
fn many_keys_that_came_and_went_leave_nothing() {
    let sessions = Sessions::new();
    let visit = |key: u32| {
        let key = key.to_string();
        let holder = sessions.try_enter(key.as_str());
        let waiter = sessions.enter(key.as_str());
        drop(holder);
        drop(waiter);
    };
    (0..if cfg!(miri) { 10 } else { 1_000 }).for_each(visit);
    let before = LIVE_BYTES.get();
    (0..TIMES / 100).for_each(visit);
    assert!(LIVE_BYTES.get() <= before, "something stayed of a key");
    assert!(sessions.is_empty());
}

/// Looks a key up, and counts how often it was made.
struct Name<'a>(&'a str, &'a Cell<u32>);

impl Hash for Name<'_> {
    fn hash<S: Hasher>(&self, state: &mut S) {
        self.0.hash(state);
    }
}

impl ToKey<String> for Name<'_> {
    fn is_key(&self, key: &String) -> bool {
        self.0 == key
    }

    fn to_key(&self) -> String {
        self.1.set(self.1.get() + 1);
        self.0.to_owned()
    }
}

#[test]
fn a_free_session_is_entered_without_an_allocation() {
    let sessions = with_session();
    let made = Cell::new(0);
    let name = Name("a", &made);
    let enter_and_poll = || match poll(&mut sessions.enter(&name)) {
        Poll::Ready(Entry::Occupied(turn)) => *turn,
        other => panic!("the session is free: {other:?}"),
    };
    let ways: [(&str, &dyn Fn() -> u32); 6] = [
        ("try_enter", &|| *turn_of(sessions.try_enter(&name).ok())),
        ("enter_blocking", &|| {
            *turn_of(sessions.enter_blocking(&name).ok())
        }),
        ("enter and poll", &enter_and_poll),
        ("enter and wait", &|| {
            *turn_of(sessions.enter(&name).wait().ok())
        }),
        ("enter_existing", &|| {
            let enter = sessions.enter_existing(&name);
            *turn_of(enter.and_then(|enter| enter.wait().ok()))
        }),
        ("status", &|| sessions.status(&name).map_or(0, |_| 1)),
    ];
    for (call, way) in ways {
        assert_eq!(way(), 1, "{call}"); // A thread that waits for the first time makes its parker.
        let (session, allocated) = allocations(way);
        assert_eq!((session, allocated), (1, 0), "{call} allocated");
    }
    assert_eq!(made.get(), 0, "a known key was made again");

    let unknown = Name("b", &made);
    drop(sessions.try_enter(&unknown));
    assert_eq!(made.get(), 1, "an unknown key is made once");
}

/// Who waits for a superseded holder to let go, and goes away, is not woken when it does.
#[test]
fn a_departure_that_was_dropped_leaves_no_waker() {
    struct Woken(AtomicUsize);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&woken));
    let sessions = with_session();
    let held = turn_of(sessions.try_enter("a").ok());
    let Some(Old::Held(mut departure)) = sessions.remove("a") else {
        panic!("the turn is held");
    };
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut departure).poll(&mut context).is_pending());
    drop((departure, waker));
    assert_eq!(Arc::strong_count(&woken), 1);
    drop(held);
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
}

fn turn_of(entry: Option<Entry<String, u32>>) -> Turn<String, u32> {
    let turn = entry.and_then(Entry::occupied);
    turn.expect("the session rests and is free")
}

/// A backend whose messages say nothing.
struct Quiet;

impl Backend for Quiet {
    type Key = u32;
    type Session = ();
    type Handle = ();
    type Event = Vec<u8>;
    type Error = std::fmt::Error;

    async fn start(
        &self,
        _: &u32,
        _: &TurnContext<Self::Event>,
    ) -> Result<((), ()), std::fmt::Error> {
        Ok(((), ()))
    }
}

impl Agent for Quiet {
    type Message = ();
    type Reply = ();

    async fn send(
        &self,
        (): &mut (),
        (): (),
        cx: &TurnContext<Vec<u8>>,
    ) -> Result<(), std::fmt::Error> {
        for _ in 0..1100 {
            cx.emit(vec![0; 100]);
        }
        Ok(())
    }
}

/// Readers who have gone, of many keys or of one, and those who did not wait for the report: the next one takes them away.
#[test]
fn a_manager_keeps_nothing_of_those_who_no_longer_listen() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let m = SessionManager::builder(Quiet)
            .build()
            .expect("in a runtime");
        let visit = async |key: u32| {
            drop((m.subscribe(), m.listen(&key), m.listen(&0)));
            let mut sending = m.send_message(&0, ());
            let listening = m.listen(&0);
            sending.started().await.expect("it is admitted");
            sending.await.expect("it is answered");
            // A reader who did not read: what is too old for him is gone.
            drop(listening);
        };
        let visits = async |keys: std::ops::Range<u32>| {
            for key in keys {
                visit(key).await;
            }
            LIVE_BYTES.get()
        };
        let few = visits(1..20).await;
        let many = visits(20..200).await;
        assert!(many < few + 4096, "{} bytes are left", many - few);

        // Nothing happens meanwhile that could be told.
        let subscribed = |times: usize| {
            for _ in 0..times {
                drop((m.subscribe(), m.listen(&0)));
            }
            LIVE_BYTES.get()
        };
        let (few, many) = (subscribed(20), subscribed(400));
        assert!(many < few + 4096, "{} bytes are left", many - few);

        let turn = m.turn(&0).await.expect("it rests");
        let asked = async |times: usize| {
            for _ in 0..times {
                let mut report = Box::pin(m.shutdown(Duration::from_secs(60)));
                let mut cx = Context::from_waker(Waker::noop());
                assert!(report.as_mut().poll(&mut cx).is_pending());
            }
            LIVE_BYTES.get()
        };
        let few = asked(20).await;
        let many = asked(400).await;
        assert!(many < few + 4096, "{} bytes are left", many - few);
        drop(turn);
        let report = m.shutdown(Duration::from_secs(60)).await;
        assert_eq!(report.stopped, [0]);
    });
}
