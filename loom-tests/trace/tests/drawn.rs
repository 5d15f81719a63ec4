//! What the drawings say, and that the picture is whole.

use svg::parser::Event;
use trace::{Action, Kind, Lock, Step, Trace};

fn lock(kind: Kind, name: &str) -> Lock {
    let name = name.to_owned();
    Lock { kind, name }
}

fn step(actor: usize, action: Action, section: &str) -> Step {
    let section = section.to_owned();
    Step {
        actor,
        action,
        section,
    }
}

/// Two threads: one holds the map and a slot lock while the other looks, waits and is woken; then something fails.
fn example() -> Trace {
    let map = || lock(Kind::Write, "map");
    let slot = || lock(Kind::Slot, "slot 1");
    let trace = Trace {
        title: "an example".to_owned(),
        note: "of <everything>".to_owned(),
        actors: vec!["main".to_owned(), "other".to_owned()],
        steps: vec![
            step(0, Action::Of("make slot 1".to_owned(), slot()), ""),
            step(0, Action::Spawn(1), ""),
            step(0, Action::Lock(map()), "Shard::let_go"),
            step(0, Action::Lock(slot()), "Shard::let_go"),
            step(1, Action::Say("look".to_owned()), ""),
            step(1, Action::Say("look".to_owned()), ""),
            step(1, Action::Wait, ""),
            step(0, Action::Publish, ""),
            step(0, Action::Unlock(slot()), ""),
            step(0, Action::Unlock(map()), ""),
            step(0, Action::Wake(1), ""),
            step(1, Action::Woken, ""),
            step(1, Action::Lock(slot()), "Queued::look"),
            step(1, Action::Publish, ""),
            step(1, Action::Unlock(slot()), ""),
            step(1, Action::Grant("session 1".to_owned()), ""),
            step(1, Action::End, ""),
        ],
    };
    trace.failed(Some(0), "1 < 2 & \"so on\"")
}

/// A lock that others came between is a bracket, one that nobody did is a word; rows that repeat are counted.
#[test]
fn a_small_table() {
    let expected = "\
an example
      of <everything>
      FAILED 1 < 2 & \"so on\"
      main                                            other
      ──────────────────────────────────────────────  ──────────────────────────────────────────────
   1  make slot 1
   2  spawn other
   3  ┌ map write Shard::let_go
   4  │┌ slot 1
   5  ││                                              look x2
   6  ││                                              wait
   7  ││publish
      │└ slot 1
      └ map write
   8  wake other
   9                                                  go on
  10                                                  [slot 1] Queued::look; publish
  11                                                  granted: session 1
  12                                                  end
  13  FAILED 1 < 2 & \"so on\"
";
    let table = example().table();
    assert_eq!(table, expected, "drawn:\n{table}");
}

/// What is plain text is drawn as such, each in the column of its task.
#[test]
fn plain_rows() {
    let rows = [(0, "call enter".to_owned()), (1, "return 5".to_owned())];
    let actors = vec!["task 0".to_owned(), "task 1".to_owned()];
    let plain = Trace::plain("a history", actors, rows).failed(None, "not linearizable");
    let table = plain.table();
    for row in [
        "   1  call enter\n",
        "   2                                                  return 5\n",
        "   3  FAILED not linearizable\n",
    ] {
        assert!(table.contains(row), "no {row:?} in\n{table}");
    }
    assert_eq!(texts(&plain.svg())[..2], ["a history", "not linearizable"]);
}

/// Four threads fit in 120 columns, whatever they say.
#[test]
fn four_columns_fit() {
    let actors = (0..4).map(|actor| format!("thread {actor}")).collect();
    let long = "a_word_that_is_longer_than_its_column and then some more of them";
    let trace = Trace::plain("wide", actors, (0..4).map(|actor| (actor, long.to_owned())));
    let widest = trace.table().lines().map(|line| line.chars().count()).max();
    assert!(
        widest.is_some_and(|widest| (100..=120).contains(&widest)),
        "{widest:?}"
    );
}

/// A long trace loses its middle in both drawings, and says how much.
#[test]
fn a_long_trace() {
    let rows = (0..1_000).map(|row| (0, format!("step number {row}")));
    let trace = Trace::plain("long", vec!["main".to_owned()], rows);
    let table = trace.table();
    assert!(table.contains(".. 880 steps are left out .."), "{table}");
    assert!(table.contains("  30  step number 29\n") && table.contains("1000  step number 999\n"));
    assert!(!table.contains("step number 500"));
    let texts = texts(&trace.svg());
    assert!(texts.iter().any(|text| text == "880 steps are left out"));
    assert!(!texts.iter().any(|text| text == "step number 500"));
}

/// The picture says what the table says; each lock that is held is a box, and who is woken has an arrow.
#[test]
fn a_picture() {
    let picture = example().svg();
    let texts = texts(&picture);
    for text in [
        "an example",
        "of &lt;everything&gt;",
        "1 &lt; 2 &amp; \"so on\"",
        "FAILED 1 &lt; 2 &amp; \"so on\"",
        "Shard::let_go",
        "Queued::look",
        "map write",
        "wake other",
        "granted: session 1",
        "publish",
        "slot 1 locked",
    ] {
        assert!(
            texts.iter().any(|known| known == text),
            "no {text:?} in {texts:?}"
        );
    }
    let boxes = picture.matches("fill=\"#b6dcff\"").count();
    // Locked twice, made once, and once in the legend.
    assert_eq!(boxes, 4, "{picture}");
    // From who spawns, and from who wakes.
    assert_eq!(picture.matches("<path ").count(), 2, "{picture}");
}

/// A trace that ends under a lock, and one that has nothing.
#[test]
fn the_ends_of_traces() {
    let map = || lock(Kind::Read, "map");
    let mut trace = Trace::plain("open", vec!["main".to_owned()], []);
    texts(&trace.svg());
    assert!(trace.table().contains("main"));
    trace.steps.push(step(0, Action::Unlock(map()), ""));
    trace
        .steps
        .push(step(0, Action::Lock(map()), "Registry::len"));
    assert!(trace.table().ends_with("   1  ┌ map read Registry::len\n"));
    assert!(texts(&trace.svg()).iter().any(|text| text == "map read"));
}

/// The texts of a picture, in order, once it is well-formed: every tag closes what was opened.
fn texts(picture: &str) -> Vec<String> {
    let mut open = Vec::new();
    let mut texts = Vec::new();
    for event in svg::read(picture).expect("it can be parsed") {
        match event {
            Event::Error(error) => panic!("{error} in {picture}"),
            Event::Tag(name, svg::node::element::tag::Type::Start, _) => open.push(name),
            Event::Tag(name, svg::node::element::tag::Type::End, _) => {
                assert_eq!(open.pop(), Some(name), "closed in {picture}");
            }
            Event::Text(text) => texts.push(text.trim().to_owned()),
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed in {picture}");
    assert!(!texts.is_empty());
    texts
}
