//! Attacks. Each test is a fault that is claimed, or a thing that holds.
use std::convert::Infallible;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use turnwise::*;

struct Hook(Box<dyn Fn() + Send + Sync>);
impl Wake for Hook {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}
fn hook(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Hook(Box::new(f))))
}
fn boom() -> ! {
    std::panic::resume_unwind(Box::new("boom"))
}

struct Plain;
impl Backend for Plain {
    type Key = String;
    type Session = ();
    type Error = Infallible;
    async fn start(&self, _: &String, _: Incarnation) -> Result<(), Infallible> {
        Ok(())
    }
    async fn stop(&self, _: &String, (): (), _: StopReason) -> Result<(), Infallible> {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }
}

/// F1: two who joined one stop; the waker of the first panics: the second never hears of it.
#[tokio::test]
async fn f1_joined_stop_is_woken() {
    let manager = SessionManager::builder(Plain).build().unwrap();
    drop(manager.turn("a").await.unwrap());
    let mut first = manager.stop("a");
    let second = manager.stop("a");
    let waker = hook(|| boom());
    assert!(std::pin::Pin::new(&mut first).poll(&mut Context::from_waker(&waker)).is_pending());
    // Spawned: a timeout around it would look once more itself.
    let second = tokio::spawn(second);
    let ended = tokio::time::timeout(Duration::from_secs(3), second).await;
    assert!(ended.is_ok(), "the second one hangs");
}

struct Deaf;
impl Backend for Deaf {
    type Key = String;
    type Session = ();
    type Error = Infallible;
    async fn start(&self, _: &String, _: Incarnation) -> Result<(), Infallible> {
        Ok(())
    }
}
impl Agent for Deaf {
    type Message = bool;
    type Event = ();
    type Reply = ();
    async fn send(&self, (): &mut (), bad: bool, cx: &TurnContext<()>) -> Result<(), Infallible> {
        let mine = cx.map(|()| Some(()));
        let mut cancelled = Box::pin(async move { mine.cancelled().await });
        let waker = if bad { hook(|| boom()) } else { hook(|| {}) };
        let _ = cancelled.as_mut().poll(&mut Context::from_waker(&waker));
        std::future::pending::<()>().await;
        drop(cancelled);
        Ok(())
    }
}

async fn deaf(bad: bool) {
    let timeouts = Timeouts::default().abort(Duration::from_millis(50));
    let manager = SessionManager::builder(Deaf).timeouts(timeouts).build().unwrap();
    let mut sending = manager.send_message("a", bad);
    sending.started().await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(manager.abort("a", None));
    let ended = tokio::time::timeout(Duration::from_secs(3), &mut sending).await;
    sending.detach();
    assert!(ended.is_ok(), "the agent is never cut short");
}
/// F1b: who waits for the cancellation of a turn with a waker that panics keeps the manager from cutting it short.
#[tokio::test]
async fn f1b_cancel_is_heard() {
    deaf(true).await;
}
#[tokio::test]
async fn f1b_control() {
    deaf(false).await;
}

/// F2: `dismiss` says how many were sent away.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f2_dismiss_counts() {
    let manager = SessionManager::builder(Plain).build().unwrap();
    let turn = manager.turn("a").await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..5000 {
        let entering = manager.turn("a");
        tasks.push(tokio::spawn(entering));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let other = manager.clone();
    let count = std::thread::spawn(move || other.dismiss("a")).join().unwrap();
    let mut dismissed = 0;
    for task in tasks {
        match task.await.unwrap() {
            Err(TurnError::Dismissed) => dismissed += 1,
            other => panic!("{other:?}"),
        }
    }
    drop(turn);
    assert_eq!(count, dismissed);
}

// ---- F3
static ARMED: AtomicBool = AtomicBool::new(false);
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct DropKey(String);
impl Drop for DropKey {
    fn drop(&mut self) {
        if ARMED.swap(false, SeqCst) {
            boom()
        }
    }
}
struct DropKeyed;
impl Backend for DropKeyed {
    type Key = DropKey;
    type Session = ();
    type Error = Infallible;
    async fn start(&self, _: &DropKey, _: Incarnation) -> Result<(), Infallible> {
        Ok(())
    }
}
/// F3: a reader who goes at the end of all, and a key whose drop panics: the report never comes.
#[tokio::test]
async fn f3_report_comes() {
    let manager = SessionManager::builder(DropKeyed).build().unwrap();
    let mut first = manager.subscribe();
    let second = manager.subscribe();
    drop(manager.turn(&DropKey("a".into())).await.unwrap());
    let kept = Mutex::new(Some(second));
    let waker = hook(move || {
        let kept = kept.lock().unwrap().take();
        if kept.is_some() {
            drop(kept);
            ARMED.store(true, SeqCst);
        }
    });
    assert!(manager.stop(&DropKey("a".into())).await.unwrap());
    let mut cx = Context::from_waker(&waker);
    while pin!(first.next()).poll(&mut cx).is_ready() {}
    let shutdown = tokio::spawn(manager.shutdown(Duration::ZERO));
    let report = tokio::time::timeout(Duration::from_secs(3), shutdown).await;
    ARMED.store(false, SeqCst);
    assert!(report.is_ok(), "the report never comes");
}

// ---- F4
static HASHES: AtomicBool = AtomicBool::new(true);
#[derive(Clone, PartialEq, Eq, Debug)]
struct HashKey(String);
impl Hash for HashKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if !HASHES.swap(true, SeqCst) {
            boom()
        }
        self.0.hash(state);
    }
}
struct HashKeyed;
impl Backend for HashKeyed {
    type Key = HashKey;
    type Session = ();
    type Error = Infallible;
    async fn start(&self, _: &HashKey, _: Incarnation) -> Result<(), Infallible> {
        Ok(())
    }
}
/// F4: a stop whose begin panics after somebody has joined it: who joined waits for ever.
#[tokio::test]
async fn f4_joined_stop_of_a_begin_that_panics() {
    let manager = SessionManager::builder(HashKeyed).build().unwrap();
    let key = HashKey("a".into());
    let turn = manager.turn(&key).await.unwrap();
    let joined = Arc::new(Mutex::new(None));
    let waker = {
        let (manager, key, joined) = (manager.clone(), key.clone(), Arc::clone(&joined));
        hook(move || {
            *joined.lock().unwrap() = Some(manager.stop(&key));
            HASHES.store(false, SeqCst); // the next hash panics
        })
    };
    let mut cancelled = Box::pin(SessionTurn::cancelled(&turn));
    assert!(cancelled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    let begun = catch_unwind(AssertUnwindSafe(|| manager.stop(&key)));
    assert!(begun.is_err());
    drop(cancelled);
    drop(turn);
    let joined = joined.lock().unwrap().take().unwrap();
    let joined = tokio::spawn(joined);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _ = tokio::time::timeout(Duration::from_secs(3), manager.shutdown(Duration::ZERO)).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(3), joined).await;
    assert!(ended.is_ok(), "who joined hangs, also after the shutdown");
}

// ---- F6
struct Late(Arc<Mutex<Option<TurnContext<u32>>>>, Arc<AtomicUsize>);
impl Backend for Late {
    type Key = String;
    type Session = ();
    type Error = Infallible;
    async fn start(&self, _: &String, _: Incarnation) -> Result<(), Infallible> {
        Ok(())
    }
}
static IN_WEIGHT: AtomicBool = AtomicBool::new(false);
static GO: AtomicBool = AtomicBool::new(false);
impl Agent for Late {
    type Message = ();
    type Event = u32;
    type Reply = ();
    async fn send(&self, (): &mut (), (): (), cx: &TurnContext<u32>) -> Result<(), Infallible> {
        let turn = self.1.fetch_add(1, SeqCst) as u32;
        *self.0.lock().unwrap() = Some(cx.map(move |e: u32| Some(e + turn * 100)));
        Ok(())
    }
    fn weight(event: &u32) -> usize {
        if *event == 77 {
            IN_WEIGHT.store(true, SeqCst);
            while !GO.load(SeqCst) {
                std::thread::yield_now();
            }
        }
        4
    }
}
struct LateHold;
/// F6: an event that is weighed when its turn ends comes after the end.
#[tokio::test]
async fn f6_nothing_after_the_end() {
    let _ = LateHold;
    let kept = Arc::new(Mutex::new(None));
    struct Both {
        kept: Arc<Mutex<Option<TurnContext<u32>>>>,
        emitting: Mutex<Option<std::thread::JoinHandle<()>>>,
    }
    impl Backend for Both {
        type Key = String;
        type Session = ();
        type Error = Infallible;
        async fn start(&self, _: &String, _: Incarnation) -> Result<(), Infallible> {
            Ok(())
        }
    }
    impl Agent for Both {
        type Message = bool;
        type Event = u32;
        type Reply = ();
        async fn send(&self, (): &mut (), emits: bool, cx: &TurnContext<u32>) -> Result<(), Infallible> {
            if emits {
                let mine = cx.map(Some);
                let thread = std::thread::spawn(move || mine.emit(77));
                *self.emitting.lock().unwrap() = Some(thread);
                while !IN_WEIGHT.load(SeqCst) {
                    std::thread::yield_now();
                }
            } else {
                cx.emit(1);
                GO.store(true, SeqCst);
                self.emitting.lock().unwrap().take().unwrap().join().unwrap();
                cx.emit(2);
            }
            Ok(())
        }
        fn weight(event: &u32) -> usize {
            Late::weight(event)
        }
    }
    let both = Both { kept: Arc::clone(&kept), emitting: Mutex::new(None) };
    let _ = &both.kept;
    let manager = SessionManager::builder(both).build().unwrap();
    let mut heard = manager.listen("a");
    let mut first = manager.send_message("a", true);
    assert_eq!(first.next_event().await, None);
    first.started().await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    manager.send_message("a", false).await.unwrap();
    let late = first.next_event().await;
    let mut all = Vec::new();
    while let Poll::Ready(Some(event)) =
        pin!(heard.next()).poll(&mut Context::from_waker(Waker::noop()))
    {
        all.push(event);
    }
    assert_eq!((late, all), (None, vec![Missable::Event(1), Missable::Event(2)]));
}

// ---- F7
#[derive(Debug)]
struct BadError;
impl std::fmt::Display for BadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bad")
    }
}
impl std::error::Error for BadError {}
impl Drop for BadError {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            boom()
        }
    }
}
struct Bad;
impl Backend for Bad {
    type Key = String;
    type Session = ();
    type Error = BadError;
    async fn start(&self, _: &String, _: Incarnation) -> Result<(), BadError> {
        Ok(())
    }
}
impl Agent for Bad {
    type Message = ();
    type Event = ();
    type Reply = ();
    async fn send(&self, (): &mut (), (): (), cx: &TurnContext<()>) -> Result<(), BadError> {
        cx.cancelled().await;
        Err(BadError)
    }
}
/// F7: an error whose drop panics turns an aborted message into one of a manager that is shut down, and the session is lost.
#[tokio::test]
async fn f7_error_whose_drop_panics() {
    let manager = SessionManager::builder(Bad).build().unwrap();
    let mut sending = manager.send_message("a", ());
    sending.started().await.unwrap();
    let before = manager.status("a").unwrap().incarnation;
    assert!(manager.abort("a", None));
    let Err(error) = sending.await else { panic!() };
    assert!(matches!(error.error, TurnError::Aborted), "{:?}", error.error);
    assert_eq!(manager.status("a").unwrap().incarnation, before);
}

// ---- F8
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Fuse(&'static str);
static LIT: AtomicBool = AtomicBool::new(false);
impl Drop for Fuse {
    fn drop(&mut self) {
        if self.0 == "a" && LIT.swap(false, SeqCst) {
            boom()
        }
    }
}
struct Fused(Arc<Mutex<Vec<&'static str>>>);
impl Backend for Fused {
    type Key = Fuse;
    type Session = ();
    type Error = Infallible;
    async fn start(&self, _: &Fuse, _: Incarnation) -> Result<(), Infallible> {
        Ok(())
    }
    async fn stop(&self, key: &Fuse, (): (), _: StopReason) -> Result<(), Infallible> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.0.lock().unwrap().push(key.0);
        if key.0 == "a" {
            LIT.store(true, SeqCst);
        }
        Ok(())
    }
}
/// F8: one key whose drop panics ends the drain: others are cancelled before the deadline, and never stopped.
#[tokio::test]
async fn f8_key_whose_drop_panics_in_the_drain() {
    let stopped = Arc::new(Mutex::new(Vec::new()));
    let manager = SessionManager::builder(Fused(Arc::clone(&stopped))).build().unwrap();
    drop(manager.turn(&Fuse("a")).await.unwrap());
    let turn = manager.turn(&Fuse("b")).await.unwrap();
    let shutdown = tokio::spawn(manager.shutdown(Duration::from_secs(60)));
    tokio::time::sleep(Duration::from_millis(500)).await;
    let cancelled = SessionTurn::is_cancelled(&turn);
    let early = shutdown.is_finished();
    drop(turn);
    let report = tokio::time::timeout(Duration::from_secs(3), shutdown).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopped = stopped.lock().unwrap().clone();
    assert_eq!((cancelled, early, stopped), (false, false, vec!["a", "b"]), "{report:?}");
}

// ---- what holds
/// A `Sending` dropped while its thread unwinds, by a key whose hash panics, and a next in line whose waker panics.
#[tokio::test]
async fn holds_sending_dropped_while_unwinding() {
    struct Echo;
    impl Backend for Echo {
        type Key = String;
        type Session = ();
        type Error = Infallible;
        async fn start(&self, _: &String, _: Incarnation) -> Result<(), Infallible> {
            Ok(())
        }
    }
    impl Agent for Echo {
        type Message = ();
        type Event = ();
        type Reply = ();
        async fn send(&self, (): &mut (), (): (), _: &TurnContext<()>) -> Result<(), Infallible> {
            Ok(())
        }
    }
    let manager = SessionManager::builder(Echo).build().unwrap();
    let turn = manager.turn("a").await.unwrap();
    let sending = manager.send_message("a", ());
    let mut next = manager.turn("a");
    let woken = Arc::new(AtomicUsize::new(0));
    let waker = {
        let woken = Arc::clone(&woken);
        hook(move || {
            woken.fetch_add(1, SeqCst);
            boom()
        })
    };
    assert!(std::pin::Pin::new(&mut next).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(turn); // granted to `sending`, whose task has not run
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _sending = sending;
        boom();
    }));
    assert!(panicked.is_err());
    assert_eq!(woken.load(SeqCst), 1);
    drop(next.await.unwrap());
}

/// Thousands in line, each third waker panics: all are woken by `dismiss`, and all keys are free after `close`.
#[test]
fn holds_thousands_with_wakers_that_panic() {
    let sessions: Registry<String, u32, u8> = Registry::builder().build();
    for closes in [false, true] {
        let turn = sessions.enter_blocking("a").unwrap().or_insert(1);
        let woken = Arc::new(AtomicUsize::new(0));
        let mut all = Vec::new();
        for number in 0..6000 {
            let mut enter = sessions.enter_with("a", Arc::new(0));
            let woken = Arc::clone(&woken);
            let waker = hook(move || {
                woken.fetch_add(1, SeqCst);
                if number % 3 == 0 {
                    boom()
                }
            });
            assert!(std::pin::Pin::new(&mut enter).poll(&mut Context::from_waker(&waker)).is_pending());
            all.push(enter);
        }
        let acted = catch_unwind(AssertUnwindSafe(|| {
            if closes {
                sessions.close();
            } else {
                sessions.dismiss("a");
            }
        }));
        assert!(acted.is_err());
        assert_eq!(woken.load(SeqCst), 6000);
        drop(all);
        drop(Turn::vacate(turn));
        sessions.check_invariants();
        assert!(sessions.is_empty());
    }
}

/// A handle whose drop panics, by each way a call may go.
#[test]
fn holds_handles_whose_drop_panics() {
    struct H;
    impl Drop for H {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                boom()
            }
        }
    }
    let ways: [fn(&Registry<String, u32, H>); 7] = [
        |r| drop(r.enter_with("a", Arc::new(H))),
        |r| drop(r.enter_with("a", Arc::new(H)).wait()),
        |r| {
            let enter = r.enter_with("a", Arc::new(H));
            r.withdraw("a", enter.ticket().unwrap());
        },
        |r| drop(r.enter_with("a", Arc::new(H)).wait().map(|e| e.or_insert(1))),
        |r| {
            let enter = r.enter_with("a", Arc::new(H));
            drop(r.replace("a"));
            drop(enter);
        },
        |r| {
            let turn = r.enter_blocking("a").unwrap().or_insert(1);
            let first = r.enter_with("a", Arc::new(H));
            let second = r.enter_with("a", Arc::new(H));
            drop(turn);
            r.withdraw("a", first.ticket().unwrap());
            drop(second);
        },
        |r| {
            let enter = r.enter_with("a", Arc::new(H));
            r.dismiss("a");
            drop(enter);
        },
    ];
    for (number, way) in ways.into_iter().enumerate() {
        for has in [false, true] {
            let sessions: Registry<String, u32, H> = Registry::builder().max_sessions(5).build();
            if has {
                drop(sessions.enter_blocking("a").unwrap().or_insert(1));
            }
            let _ = catch_unwind(AssertUnwindSafe(|| way(&sessions)));
            sessions.check_invariants();
            let free = sessions.try_enter("a").is_ok();
            assert!(free, "way {number} {has}");
        }
    }
}
