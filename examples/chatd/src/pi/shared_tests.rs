//! Several nodes on one directory.

use super::{conversations::Conversations, *};
use crate::{
    args::Args,
    limits, names,
    pi::{Inner, PiChat, Present},
};
use clap::Parser;
use std::{collections::BTreeSet, task::Poll};
use turnwise::{SessionManager, manager::TurnError};

fn empty(name: &str) -> PathBuf {
    let folder = format!("chatd-shared-{}-{name}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    drop(fs::remove_dir_all(&folder));
    folder
}

fn open(folder: &Path) -> Shared {
    Shared::open(folder).expect("the directory can be used")
}

fn remove(folder: &Path) {
    fs::remove_dir_all(folder).expect("it is ours");
}

/// The name of the conversation that a start goes on with.
async fn start(node: &Shared, key: &str, fence: u64) -> String {
    let started = node.begin_start(key, fence).await;
    started.expect("nothing is in its way")
}

async fn forget(node: &Shared, key: &str) {
    node.forget(key).await.expect("nothing is in its way");
}

fn record(node: &Shared, key: &str) -> Option<Record> {
    node.files.read(key).expect("it is what was written")
}

/// The names of what is in the directory of the nodes.
fn listed(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder.join(SHARED)).expect("it is there");
    let name = |entry: io::Result<fs::DirEntry>| entry.expect("it can be read").file_name();
    let names = entries.map(|entry| name(entry).into_string().expect("it is ASCII"));
    names.collect()
}

#[tokio::test]
async fn a_start_of_an_earlier_owner_is_refused() {
    let folder = empty("fence");
    let (first, second) = (open(&folder), open(&folder));
    assert_eq!(start(&first, "a", 5).await, "a");
    assert_eq!(start(&second, "a", 7).await, "a");
    let refused = first.begin_start("a", 6).await.expect_err("it is late");
    let numbers = match &refused {
        ChatError::Outdated { fence, latest } => (*fence, *latest),
        other => panic!("{other:?}"),
    };
    assert_eq!(numbers, (6, 7));
    let words = refused.to_string();
    assert!(words.starts_with("a later owner has started"), "{words}");
    assert_eq!(record(&first, "a"), Some(Record::new(7, 0)));
    // Fences are those of one session.
    assert_eq!(start(&first, "b", 1).await, "b");
    remove(&folder);
}

/// There is no pi: a start that gets as far as that fails otherwise.
#[tokio::test]
async fn pi_is_not_started_for_an_earlier_owner() {
    let folder = empty("refused");
    let args = "chatd --agent pi --pi-program /nowhere/pi".split(' ');
    let args = Args::try_parse_from(args).expect("they make sense");
    let node = open(&folder);
    let files = Arc::clone(&node.files);
    let chat = PiChat(Arc::new(Inner {
        pi: args.pi.builder(&args, &folder).build(),
        present: Present::Shared(node),
        starting: Default::default(),
    }));
    let sessions = SessionManager::builder(chat).build();
    let sessions = sessions.expect("its settings make sense");
    let latest = Record::new(1 << 62, 0);
    files.write("a", latest).expect("it can be written");
    for (key, is_late) in [("a", true), ("b", false)] {
        let error = match sessions.turn(key).await {
            Err(TurnError::Start(error)) => error,
            other => panic!("{other:?}"),
        };
        let outdated = matches!(*error, ChatError::Outdated { .. });
        let without_pi = matches!(*error, ChatError::Pi(_));
        assert_eq!((outdated, without_pi), (is_late, !is_late), "{error:?}");
    }
    assert_eq!(files.read("a").expect("it is whole"), Some(latest));
    remove(&folder);
}

#[tokio::test]
async fn a_start_that_is_tried_again_or_later_goes_on() {
    let folder = empty("again");
    let node = open(&folder);
    for fence in [5, 5, 6, 1 << 62] {
        assert_eq!(start(&node, "a", fence).await, "a");
        assert_eq!(record(&node, "a"), Some(Record::new(fence, 0)));
    }
    let file = fs::read_to_string(folder.join(SHARED).join("a.json"));
    let text = r#"{"version":1,"fence":4611686018427387904,"conversation":0}"#;
    assert_eq!(file.expect("it can be read"), text);
    remove(&folder);
}

#[tokio::test]
async fn a_new_conversation_has_the_next_number_on_each_node() {
    let folder = empty("forget");
    let (owner, other) = (open(&folder), open(&folder));
    assert_eq!(start(&owner, "a", 5).await, "a");
    forget(&other, "a").await;
    assert_eq!(record(&owner, "a"), Some(Record::new(5, 1)));
    assert_eq!(start(&owner, "a", 6).await, "a\n1");
    forget(&owner, "a").await;
    forget(&other, "a").await;
    drop((owner, other));
    assert_eq!(start(&open(&folder), "a", 7).await, "a\n3");
    remove(&folder);
}

#[tokio::test]
async fn names_without_a_conversation_leave_nothing() {
    let folder = empty("absent");
    let node = open(&folder);
    forget(&node, "a").await;
    assert!(listed(&folder).is_empty());
    assert_eq!(start(&node, "a", 1).await, "a");
    let files = ["a.json", "a.lock"].map(str::to_owned);
    assert_eq!(listed(&folder), BTreeSet::from(files));
    remove(&folder);
}

/// Here the lock is held, so no call has done anything when the next one begins.
#[tokio::test]
async fn a_start_begins_what_was_asked_for_before_it() {
    let folder = empty("order");
    let node = open(&folder);
    assert_eq!(start(&node, "a", 1).await, "a");
    let held = lock(&node.files.file("a", "lock"), LOCK_LIMIT).expect("it is free");
    let forgetting = [node.forget("a"), node.forget("a")];
    let starting = start(&node, "a", 2);
    tokio::pin!(starting);
    let none = std::future::poll_fn(|cx| Poll::Ready(starting.as_mut().poll(cx)));
    assert!(none.await.is_pending());
    // Another session does not wait.
    assert_eq!(start(&node, "b", 1).await, "b");
    drop(held);
    assert_eq!(starting.await, "a\n2");
    for forgetting in forgetting {
        forgetting.await.expect("it can be written");
    }
    assert!(node.forgetting.borrow().is_empty());
    remove(&folder);
}

#[tokio::test]
async fn a_new_conversation_is_begun_though_nobody_waits_for_it() {
    let folder = empty("dropped");
    let node = open(&folder);
    assert_eq!(start(&node, "a", 1).await, "a");
    drop(node.forget("a"));
    assert_eq!(start(&node, "a", 2).await, "a\n1");
    remove(&folder);
}

/// Nothing of it is undone by the start that was dropped, whenever that gets the lock.
#[tokio::test]
async fn a_start_that_was_dropped_does_not_take_the_session_back() {
    let folder = empty("abandoned");
    let (first, second) = (open(&folder), open(&folder));
    let held = lock(&first.files.file("a", "lock"), LOCK_LIMIT).expect("it is free");
    {
        let starting = first.begin_start("a", 5);
        tokio::pin!(starting);
        let none = std::future::poll_fn(|cx| Poll::Ready(starting.as_mut().poll(cx)));
        assert!(none.await.is_pending());
    }
    second.files.write("a", Record::new(7, 3)).expect("it fits");
    // It has its files as long as it runs.
    let files = Arc::clone(&first.files);
    assert_eq!(Arc::strong_count(&files), 3);
    drop(held);
    while Arc::strong_count(&files) > 2 {
        task::yield_now().await;
    }
    assert_eq!(record(&second, "a"), Some(Record::new(7, 3)));
    remove(&folder);
}

#[test]
fn of_many_at_once_no_number_is_lost() {
    const THREADS: u64 = 8;
    const TIMES: u64 = 10;
    let folder = empty("crowd");
    let nodes = [open(&folder), open(&folder)].map(|node| Arc::clone(&node.files));
    nodes[0].start("a", 1).expect("it is the first");
    thread::scope(|scope| {
        for number in 0..THREADS {
            let node = &nodes[usize::from(number % 2 == 0)];
            scope.spawn(move || {
                for time in 0..TIMES {
                    node.forget("a").expect("it can be written");
                    match node.start("a", number * TIMES + time) {
                        Ok(_) | Err(ChatError::Outdated { .. }) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
            });
        }
    });
    let read = nodes[0].read("a").expect("it is what was written");
    let last = Record::new(THREADS * TIMES - 1, THREADS * TIMES);
    assert_eq!(read, Some(last));
    assert_eq!(listed(&folder).len(), 2, "no draft is left");
    remove(&folder);
}

#[tokio::test]
async fn what_was_not_written_here_is_an_error_and_stays() {
    let folder = empty("broken");
    let node = open(&folder);
    let file = folder.join(SHARED).join("a.json");
    for (text, why) in [
        ("", "EOF"),
        (r#"{"version":1,"fence":7,"#, "EOF"),
        (r#"{"version":1,"fence":7}"#, "missing field"),
        (
            r#"{"version":1,"fence":-7,"conversation":0}"#,
            "invalid value",
        ),
        (
            r#"{"version":1,"fence":7,"conversation":0,"more":0}"#,
            "unknown field",
        ),
        (
            r#"{"version":2,"fence":7,"conversation":0}"#,
            "its version is 2",
        ),
    ] {
        fs::write(&file, text).expect("it can be written");
        let refused = node.begin_start("a", 9).await.expect_err("it is broken");
        let ChatError::Kept(_, error) = refused else {
            panic!("{refused:?}");
        };
        let unkept = node.forget("a").await.expect_err("it is broken");
        for words in [error.to_string(), unkept.to_string()] {
            assert!(words.contains("a.json was not written by"), "{words}");
            assert!(words.contains(why), "{words}");
        }
        assert_eq!(fs::read_to_string(&file).expect("it is there"), text);
    }
    let full = r#"{"version":1,"fence":7,"conversation":18446744073709551615}"#;
    fs::write(&file, full).expect("it can be written");
    node.forget("a").await.expect_err("there is no next one");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), full);
    remove(&folder);
}

#[tokio::test]
async fn what_cannot_be_written_is_told_and_changes_nothing() {
    let folder = empty("unwritable");
    let node = open(&folder);
    // A directory in the way of the lock's file.
    fs::create_dir(folder.join(SHARED).join("a.lock")).expect("it can be made");
    let refused = node.begin_start("a", 1).await.expect_err("it cannot lock");
    assert!(matches!(refused, ChatError::Kept(..)), "{refused:?}");
    assert_eq!(record(&node, "a"), None);
    fs::remove_dir(folder.join(SHARED).join("a.lock")).expect("it is empty");
    assert_eq!(start(&node, "a", 1).await, "a");
    remove(&folder);
}

#[test]
fn a_lock_that_stays_is_not_waited_for_without_end() {
    let folder = empty("held");
    let node = open(&folder);
    let path = node.files.file("a", "lock");
    let held = lock(&path, LOCK_LIMIT).expect("it is free");
    let refused = lock(&path, Duration::ZERO).expect_err("it is held");
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    drop(held);
    drop(lock(&path, Duration::ZERO).expect("it is free"));
    remove(&folder);
}

#[tokio::test]
async fn every_name_has_files_of_its_own() {
    let folder = empty("names");
    let node = open(&folder);
    let longest = ["x", "X", "/", "%", "é", "日", "🦀", ".", "\"", "\\"].map(|letter| {
        let mut key = letter.repeat(limits::KEY / letter.len());
        key.push_str(&"x".repeat(limits::KEY - key.len()));
        key
    });
    // The last one is "A" in base32.
    let others = [
        "a", "A", "a/b", "a/../b", "...", ".a", "a.json", "a.lock", "%me", "me", "a b", "é",
        "e\u{301}", "-", "ie",
    ];
    let keys = others.iter().copied();
    let keys: Vec<&str> = keys.chain(longest.iter().map(String::as_str)).collect();
    for (number, key) in (1..).zip(&keys) {
        assert_eq!(names::check(key), Ok(()), "{key:?}");
        assert_eq!(start(&node, key, number).await, *key);
    }
    for (number, key) in (1..).zip(&keys) {
        assert_eq!(record(&node, key), Some(Record::new(number, 0)), "{key:?}");
    }
    let files = listed(&folder);
    let lowercase: BTreeSet<String> = files.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(
        (files.len(), lowercase.len()),
        (2 * keys.len(), files.len())
    );
    remove(&folder);
}

#[tokio::test]
async fn a_draft_that_was_left_does_no_harm() {
    let folder = empty("draft");
    let node = open(&folder);
    let draft = folder.join(SHARED).join("a.0123456789abcdef.new");
    fs::write(&draft, "{\"version\":1,").expect("it can be written");
    forget(&node, "a").await;
    assert_eq!(start(&node, "a", 1).await, "a");
    forget(&node, "a").await;
    assert_eq!(start(&node, "a", 2).await, "a\n1");
    remove(&folder);
}

#[tokio::test]
async fn a_daemon_without_a_cluster_keeps_out_and_is_kept_out() {
    let folder = empty("alone");
    let alone = Conversations::open(&folder).expect("nobody uses it");
    let refused = Shared::open(&folder).expect_err("it is in use");
    assert_eq!(refused.to_string(), "a chatd without a cluster is using it");
    drop(alone);
    let node = open(&folder);
    let refused = Conversations::open(&folder).expect_err("it is in use");
    assert_eq!(refused.to_string(), "another chatd is using it");
    drop(node);
    let refused = Conversations::open(&folder).expect_err("it is a cluster's");
    assert!(refused.to_string().contains("a cluster"), "{refused}");
    remove(&folder);
}

#[tokio::test]
async fn what_was_kept_without_a_cluster_goes_on() {
    let folder = empty("before");
    let alone = Conversations::open(&folder).expect("nobody uses it");
    for key in ["a", "b", "c"] {
        alone.begin_start(key);
        alone.end_start(key, true);
    }
    for key in ["a", "b"] {
        alone.begin_new(key);
    }
    drop(alone);
    let node = open(&folder);
    assert_eq!(start(&node, "a", 1).await, "a\n1");
    forget(&node, "a").await;
    assert_eq!(start(&node, "a", 2).await, "a\n2");
    // Before each of them has a file.
    for (key, now) in [("b", "b\n2"), ("c", "c\n1")] {
        forget(&node, key).await;
        assert_eq!(start(&node, key, 3).await, now);
    }
    forget(&node, "d").await;
    assert_eq!(start(&node, "d", 4).await, "d");
    remove(&folder);
}

/// It does not have the names whose number is 0.
#[tokio::test]
async fn an_older_file_is_understood() {
    let folder = empty("older");
    fs::create_dir_all(&folder).expect("a directory can be made");
    let file = folder.join("conversations.json");
    fs::write(&file, r#"{"a": 3}"#).expect("it can be written");
    let node = open(&folder);
    assert_eq!(start(&node, "a", 1).await, "a\n3");
    forget(&node, "b").await;
    assert_eq!(start(&node, "b", 1).await, "b\n1");
    fs::write(&file, "{\"a\": ").expect("it can be written");
    Shared::open(&folder).expect_err("it is broken");
    remove(&folder);
}
