//! Conversations that are begun, left and kept; also on a disk that does not take them.

use super::*;

fn empty(name: &str) -> PathBuf {
    let folder = format!("chatd-conversations-{}-{name}", std::process::id());
    let folder = std::env::temp_dir().join(folder);
    drop(fs::remove_dir_all(&folder));
    folder
}

fn open(folder: &Path) -> Conversations {
    Conversations::open(folder).expect("the directory can be used")
}

/// The name of the conversation that a start goes on with.
fn start(conversations: &Conversations, key: &str) -> String {
    let name = conversations.begin_start(key);
    conversations.end_start(key, true);
    name
}

async fn kept(conversations: &Conversations, change: Option<u64>) -> Result<(), Unkept> {
    conversations
        .kept(change.expect("there is a conversation"))
        .await
}

fn file(folder: &Path) -> PathBuf {
    folder.join("conversations.json")
}

#[tokio::test]
async fn a_new_one_has_another_name_also_after_a_restart() {
    let folder = empty("restart");
    let first = open(&folder);
    assert_eq!(start(&first, "a"), "a");
    let left = first.begin_new("a");
    kept(&first, left).await.expect("it can be written");
    assert_eq!(start(&first, "a"), "a\n1");
    assert_eq!(start(&first, "b"), "b");
    drop(first);

    let second = open(&folder);
    assert_eq!(start(&second, "a"), "a\n1");
    assert_eq!(start(&second, "b"), "b");
    let left = second.begin_new("b");
    assert_eq!(start(&second, "\"quoted\""), "\"quoted\"");
    second.begin_new("\"quoted\"");
    kept(&second, left).await.expect("it can be written");
    // Not waited for: written at the end.
    drop(second);
    let third = open(&folder);
    assert_eq!(start(&third, "b"), "b\n1");
    assert_eq!(start(&third, "\"quoted\""), "\"quoted\"\n1");
    fs::remove_dir_all(folder).expect("it is ours");
}

#[tokio::test]
async fn names_without_a_conversation_are_not_kept() {
    let folder = empty("absent");
    let names = open(&folder);
    assert_eq!(names.begin_new("a"), None);
    assert_eq!(names.begin_start("b"), "b");
    names.end_start("b", false);
    assert_eq!(names.begin_new("b"), None);
    assert!(names.names.0.lock().sessions.is_empty());
    assert!(!file(&folder).exists());

    assert_eq!(start(&names, "c"), "c");
    let left = names.begin_new("c");
    assert_eq!(names.begin_new("c"), left, "it is left once");
    kept(&names, left).await.expect("it can be written");
    assert_eq!(start(&names, "c"), "c\n1");
    drop(names);
    assert_eq!(open(&folder).names.0.lock().sessions.len(), 1);
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn who_leaves_during_a_start_leaves_what_it_starts() {
    let folder = empty("start");
    let names = open(&folder);
    assert_eq!(names.begin_start("a"), "a");
    assert!(names.begin_new("a").is_some());
    names.end_start("a", true);
    assert_eq!(start(&names, "a"), "a\n1");
    drop(names);
    fs::remove_dir_all(folder).expect("it is ours");
}

/// It does not have the names whose number is 0.
#[test]
fn an_older_file_is_understood() {
    let folder = empty("older");
    fs::create_dir_all(&folder).expect("a directory can be made");
    fs::write(file(&folder), r#"{"a": 3}"#).expect("it can be written");
    let names = open(&folder);
    assert_eq!(start(&names, "a"), "a\n3");
    assert!(names.begin_new("b").is_some());
    drop(names);
    assert_eq!(start(&open(&folder), "b"), "b\n1");
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn a_directory_is_of_one_daemon() {
    let folder = empty("lock");
    let first = open(&folder);
    let refused = Conversations::open(&folder).expect_err("it is in use");
    assert_eq!(refused.to_string(), "another chatd is using it");
    drop(first);
    drop(open(&folder));
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn a_directory_of_a_cluster_is_refused() {
    let folder = empty("clustered");
    fs::create_dir_all(folder.join(SHARED)).expect("a directory can be made");
    let refused = Conversations::open(&folder).expect_err("it is a cluster's");
    assert!(refused.to_string().contains("a cluster"), "{refused}");
    fs::remove_dir_all(folder).expect("it is ours");
}

#[test]
fn what_was_not_written_here_is_not_passed_over() {
    let folder = empty("broken");
    fs::create_dir_all(&folder).expect("a directory can be made");
    fs::write(file(&folder), "{\"a\": ").expect("it can be written");
    Conversations::open(&folder).expect_err("it is broken");
    fs::remove_dir_all(folder).expect("it is ours");
}

#[tokio::test]
async fn what_could_not_be_kept_is_told_and_tried_again() {
    let folder = empty("full");
    let names = open(&folder);
    assert_eq!(start(&names, "a"), "a");
    assert_eq!(start(&names, "b"), "b");
    let left = names.begin_new("b");
    kept(&names, left).await.expect("it can be written");
    // In the way of the file that is written.
    let draft = folder.join("conversations.json.new");
    fs::create_dir(&draft).expect("a directory can be made");
    let left = names.begin_new("a");
    let unkept = kept(&names, left)
        .await
        .expect_err("something is in the way");
    assert!(unkept.to_string().contains("chatd tries again"), "{unkept}");
    assert!(names.trouble(None).is_some() && names.trouble(Some("a")).is_some());
    assert_eq!(names.trouble(Some("b")), None);

    fs::remove_dir(&draft).expect("it is empty");
    let mut written = names.keeper.watch();
    let again = written.wait_for(|_| names.keeper.failed().is_none());
    drop(again.await.expect("it is tried again"));
    assert_eq!(
        (names.trouble(None), names.trouble(Some("a"))),
        (None, None)
    );
    drop(names);
    let names = open(&folder);
    assert_eq!(start(&names, "a"), "a\n1");
    assert_eq!(names.trouble(Some("a")), None);
    drop(names);
    fs::remove_dir_all(folder).expect("it is ours");
}

#[tokio::test]
async fn what_was_never_kept_does_not_come_back_silently() {
    let folder = empty("doubt");
    let names = open(&folder);
    assert_eq!(start(&names, "a"), "a");
    let left = names.begin_new("a");
    kept(&names, left).await.expect("it can be written");
    assert_eq!(start(&names, "a"), "a\n1");
    let draft = folder.join("conversations.json.new");
    fs::create_dir(&draft).expect("a directory can be made");
    let left = names.begin_new("a");
    kept(&names, left)
        .await
        .expect_err("something is in the way");
    drop(names);

    fs::remove_dir(&draft).expect("it is empty");
    let names = open(&folder);
    assert_eq!(start(&names, "a"), "a\n1");
    let trouble = names.trouble(Some("a")).expect("it is told");
    assert!(trouble.contains("this may be an old one"), "{trouble}");
    let left = names.begin_new("a");
    kept(&names, left).await.expect("it can be written");
    assert_eq!(names.trouble(Some("a")), None);
    drop(names);
    assert_eq!(open(&folder).trouble(Some("a")), None);
    fs::remove_dir_all(folder).expect("it is ours");
}

#[tokio::test]
async fn a_crowd_of_changes_is_written_together() {
    let folder = empty("crowd");
    let crowd = open(&folder);
    let keys: Vec<String> = (0..200).map(|number| format!("k{number}")).collect();
    for key in &keys {
        assert_eq!(start(&crowd, key), *key);
    }
    let mut last = None;
    for key in &keys {
        last = last.max(crowd.begin_new(key));
    }
    kept(&crowd, last).await.expect("it can be written");
    drop(crowd);
    let read = open(&folder);
    for key in &keys {
        assert_eq!(start(&read, key), format!("{key}\n1"));
    }
    drop(read);
    fs::remove_dir_all(folder).expect("it is ours");
}
