//! Questions of extensions, and the answers of handles.

use super::{Folder, gone, manager, on_prompt, runs, send, within};
use std::{
    process::Command,
    sync::{Arc, Barrier},
    time::Duration,
};
use turnwise::{SessionManager, manager::*};
use turnwise_pi::{PiAgent, PiAnswer, PiBuilder, PiEvent, PiHandle, PiQuestion};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// Asks, and says what it is answered.
const ASK: &str = r#"
    accept; say extension_ui_request ',"id":"q","method":"select","title":"Which?","message":"hm","options":["a","b"]'
    IFS= read -r line; case $line in
        *'"id":"q"'*'"value":"a"'*|*'"value":"a"'*'"id":"q"'*) said a ;; *'"value":"b"'*) said b ;; *'"cancelled":true'*) said nobody ;;
    esac; say agent_settled"#;

fn asks() -> PiBuilder {
    on_prompt(ASK).question_timeout(LONG)
}

fn value(text: &str) -> PiAnswer {
    PiAnswer::Value(text.to_owned())
}

/// The next question of a message.
async fn question(sending: &mut Sending<PiAgent>) -> Arc<PiQuestion> {
    match within(sending.next_event()).await {
        Some(Update::Event(PiEvent::Question(question))) => question,
        other => panic!("no question: {other:?}"),
    }
}

fn handle(sessions: &SessionManager<PiAgent>) -> PiHandle {
    sessions.handle("a").expect("it is there")
}

#[tokio::test]
async fn a_handle_answers_while_the_turn_runs() {
    let sessions = manager(asks());
    let mut listener = sessions.listen("a");
    let mut sending = sessions.send_message("a", "hello".into());
    let asked = question(&mut sending).await;
    assert_eq!((&*asked.method, &*asked.title), ("select", "Which?"));
    assert_eq!(asked.message.as_deref(), Some("hm"));
    assert_eq!(asked.options, ["a", "b"]);
    let heard = within(listener.next()).await;
    assert_eq!(
        heard,
        Some(Update::Event(PiEvent::Question(Arc::clone(&asked))))
    );
    within(async {
        while sessions
            .status("a")
            .and_then(|status| status.note)
            .as_deref()
            != Some("waiting for an answer")
        {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let handle = handle(&sessions);
    assert_eq!(handle.questions(), [Arc::clone(&asked)]);
    assert!(!handle.answer(asked.id + 1_000_000, value("a")));
    assert!(handle.answer(asked.id, value("b")));
    assert!(!handle.answer(asked.id, value("a")), "it is answered");
    assert!(handle.questions().is_empty());
    assert_eq!(within(sending).await.expect("it is answered").text, "b");

    // The same pi asks again, by the same name: an old answer does not fit.
    let mut sending = sessions.send_message("a", "hello".into());
    let again = question(&mut sending).await;
    assert!(!handle.answer(asked.id, value("b")));
    assert!(handle.answer(again.id, value("a")));
    assert_eq!(within(sending).await.expect("it is answered").text, "a");
}

#[tokio::test]
async fn a_question_that_nobody_answers_is_cancelled() {
    // By default at once.
    for limit in [None, Some(Duration::from_millis(20))] {
        let pi = on_prompt(ASK);
        let sessions = manager(match limit {
            Some(limit) => pi.question_timeout(limit),
            None => pi,
        });
        let mut sending = sessions.send_message("a", "hello".into());
        let asked = question(&mut sending).await;
        let reply = within(sending).await.expect("it goes on");
        assert_eq!(reply.text, "nobody");
        assert!(!handle(&sessions).answer(asked.id, value("b")));
    }
    let sessions = manager(on_prompt(ASK).question_timeout(Duration::MAX));
    let mut sending = sessions.send_message("a", "hello".into());
    let asked = question(&mut sending).await;
    assert!(handle(&sessions).answer(asked.id, value("b")));
    assert_eq!(within(sending).await.expect("it is answered").text, "b");
}

/// Whatever comes first: an answer that was taken is the one that pi receives.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_at_the_moment_of_the_timeout() {
    let limit = Duration::from_millis(2);
    let sessions = manager(on_prompt(ASK).question_timeout(limit));
    let mut taken = 0;
    for round in 0..100 {
        let mut sending = sessions.send_message("a", "hello".into());
        let asked = question(&mut sending).await;
        let handle = handle(&sessions);
        tokio::time::sleep(limit * (round % 3) / 2).await;
        let mine = handle.answer(asked.id, value("b"));
        let reply = within(sending).await.expect("it goes on");
        let expected = if mine { "b" } else { "nobody" };
        assert_eq!(reply.text, expected, "round {round}");
        taken += u32::from(mine);
    }
    println!("{taken} of 100 came in time");
}

#[tokio::test]
async fn of_two_answers_one_is_taken() {
    let sessions = manager(asks());
    for round in 0..50 {
        let mut sending = sessions.send_message("a", "hello".into());
        let asked = question(&mut sending).await;
        let handle = handle(&sessions);
        let start = Arc::new(Barrier::new(2));
        let answers = ["a", "b"].map(|text| {
            let (handle, start, id) = (handle.clone(), Arc::clone(&start), asked.id);
            std::thread::spawn(move || {
                start.wait();
                handle.answer(id, value(text))
            })
        });
        let taken = answers.map(|thread| thread.join().expect("it does not panic"));
        assert_ne!(taken[0], taken[1], "round {round}");
        let reply = within(sending).await.expect("it is answered");
        assert_eq!(reply.text, if taken[0] { "a" } else { "b" });
    }
}

#[tokio::test]
async fn an_abort_cancels_the_question() {
    let folder = Folder::new();
    let text = "accept; say extension_ui_request ',\"id\":\"q\",\"method\":\"input\"'
        IFS= read -r line; echo $line > \"$OUT/got\"; next; next; said half aborted; say agent_settled";
    let sessions = manager(on_prompt(text).question_timeout(LONG).env("OUT", &folder.0));
    let mut sending = sessions.send_message("a", "hello".into());
    let asked = question(&mut sending).await;
    let handle = handle(&sessions);
    sending.abort();
    let error = within(sending).await.expect_err("it was aborted").error;
    assert!(matches!(error, TurnError::Aborted), "{error:?}");
    assert!(!handle.answer(asked.id, value("b")), "too late");
    let got = folder.words("got").concat();
    assert!(got.contains("\"cancelled\":true"), "{got}");
}

#[tokio::test]
async fn the_end_of_a_turn_cancels_the_question() {
    let text = "accept; say extension_ui_request ',\"id\":\"q\",\"method\":\"input\"'; said $$; say agent_settled";
    let sessions = manager(on_prompt(text).question_timeout(LONG));
    let mut pids = Vec::new();
    for _ in 0..3 {
        let mut sending = sessions.send_message("a", "hello".into());
        let asked = question(&mut sending).await;
        pids.push(within(sending).await.expect("it does not wait").text);
        assert!(!handle(&sessions).answer(asked.id, value("b")));
    }
    pids.dedup();
    assert_eq!(pids.len(), 1, "it is well");
}

#[tokio::test]
async fn a_question_of_an_earlier_process() {
    let folder = Folder::new();
    let text = format!(
        "if mkdir \"$OUT/once\" 2>/dev/null; then {}; kill -9 $$; else {ASK}\nfi",
        "\
        accept; say extension_ui_request ',\"id\":\"q\",\"method\":\"input\"'; while [ ! -e \"$OUT/die\" ]; do sleep 0.01; done"
    );
    let sessions = manager(
        on_prompt(&text)
            .question_timeout(LONG)
            .env("OUT", &folder.0),
    );
    let mut sending = sessions.send_message("a", "hello".into());
    let asked = question(&mut sending).await;
    let old = handle(&sessions);
    std::fs::write(folder.join("die"), "").expect("a file");
    within(sending).await.expect_err("it was killed");
    assert!(old.questions().is_empty());
    assert!(!old.answer(asked.id, value("a")));

    let mut sending = sessions.send_message("a", "again".into());
    let again = question(&mut sending).await;
    let new = handle(&sessions);
    assert!(!new.answer(asked.id, value("a")), "it is another one");
    assert!(!old.answer(again.id, value("a")), "it is another process");
    assert!(new.answer(again.id, value("b")));
    assert_eq!(within(sending).await.expect("it is answered").text, "b");
}

#[tokio::test]
async fn of_65_questions_the_last_is_cancelled_at_once() {
    let text = r#"accept; i=1
        while [ $i -le 65 ]; do say extension_ui_request ",\"id\":\"q$i\",\"method\":\"confirm\",\"title\":\"$i\""; i=$((i+1)); done
        read -r last; i=1; while [ $i -le 64 ]; do read -r line; i=$((i+1)); done
        case $last in *'"q65"'*) said last ;; *) said other ;; esac; say agent_settled"#;
    let sessions = manager(on_prompt(text).question_timeout(LONG));
    let mut sending = sessions.send_message("a", "hello".into());
    for _ in 0..65 {
        question(&mut sending).await;
    }
    let handle = handle(&sessions);
    let open = handle.questions();
    assert_eq!(open.len(), 64);
    for (index, question) in open.iter().enumerate() {
        assert_eq!(question.title, (index + 1).to_string());
        assert!(handle.answer(question.id, PiAnswer::Confirmed(true)));
    }
    assert_eq!(within(sending).await.expect("it is answered").text, "last");
}

#[tokio::test]
async fn a_handle_keeps_nothing_alive() {
    let sessions = manager(on_prompt("answer $$"));
    let pid = within(send(&sessions, "hello"))
        .await
        .expect("it answers")
        .text;
    let handle = handle(&sessions);
    drop(sessions);
    gone(&pid).await;
    assert!(handle.questions().is_empty());
}

#[tokio::test]
async fn a_question_between_turns_reaches_listeners() {
    let text = "answer first; say extension_ui_request ',\"id\":\"q\",\"method\":\"confirm\"'; read -r line; handle() { answer second; }; next";
    let sessions = manager(on_prompt(text).question_timeout(LONG));
    let mut listener = sessions.listen("a");
    within(send(&sessions, "hello")).await.expect("it answers");
    let heard = within(listener.next()).await;
    let Some(Update::Event(PiEvent::Question(asked))) = heard else {
        panic!("no question: {heard:?}");
    };
    assert!(handle(&sessions).answer(asked.id, PiAnswer::Confirmed(true)));
}

/// It receives no answer any more, though it still runs.
#[tokio::test]
async fn a_process_that_ends_has_no_open_questions() {
    let text = "accept; say extension_ui_request \",\\\"id\\\":\\\"q\\\",\\\"method\\\":\\\"input\\\",\\\"title\\\":\\\"$$\\\"\"
        echo 'no JSON'; exec sleep 600";
    let pi = on_prompt(text).question_timeout(LONG).stop_grace(LONG);
    let sessions = manager(pi);
    let mut sending = sessions.send_message("a", "hello".into());
    let asked = question(&mut sending).await;
    let handle = handle(&sessions);
    within(async {
        while !handle.questions().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(runs(&asked.title) && !handle.answer(asked.id, value("b")));
    let killed = Command::new("kill").args(["-9", &asked.title]).status();
    assert!(killed.expect("`kill` can be run").success());
    within(sending).await.expect_err("it wrote no JSON");
}
