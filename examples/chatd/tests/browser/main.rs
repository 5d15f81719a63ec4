//! The page, in Chromium: what one tab does, the other one shows. `just browser` runs this, and keeps pictures.

// A test that hangs fails within a minute, and is named.
extern crate deadline as tokio;

#[cfg(all(unix, feature = "acp"))]
#[path = "../acp/agent.rs"]
mod agent;
mod chromium;
#[cfg(feature = "cluster")]
#[path = "../chatd/client.rs"]
#[allow(dead_code)]
mod client;
#[cfg(feature = "cluster")]
#[path = "../cluster/nodes.rs"]
#[allow(dead_code)]
mod cluster;
#[path = "../chatd/daemon.rs"]
#[allow(dead_code)] // the other tests use more of it
mod daemon;
#[cfg(feature = "cluster")]
mod nodes;
#[cfg(all(unix, feature = "pi"))]
#[path = "../chatd/script.rs"]
mod script;

use chromium::{Chromium, Tab};
use daemon::Daemon;

/// A session's card, by CSS.
fn card(key: &str, part: &str) -> String {
    format!("article[data-key={key}]{part}")
}

fn there(key: &str, part: &str) -> String {
    format!("document.querySelector(`{}`)", card(key, part))
}

fn text(key: &str, part: &str) -> String {
    format!("{}?.textContent", there(key, part))
}

fn say(browser: &mut Chromium, tab: &Tab, key: &str, message: &str) {
    browser.write(tab, "#new [name=key]", key);
    browser.write(tab, "#new [name=message]", message);
    browser.enter(tab);
    browser.tell(tab, "document.querySelector(`#new`).reset()");
}

#[tokio::test]
async fn two_tabs_show_the_same_sessions() {
    let mut daemon = Daemon::start(&["--delay", "0.02", "--max-waiting", "2"]).await;
    let address = format!("http://{}/", daemon.address);
    let mut browser = Chromium::start("tabs");
    let one = browser.open(&address, 860, 1020);
    let two = browser.open(&address, 860, 1020);

    // Sent on one tab; the other one shows it at work.
    say(&mut browser, &one, "demo", "!hold");
    browser.until(&two, &there("demo", "[data-phase=busy]"));
    browser.until(
        &two,
        &format!(
            "{}.includes(`holding until it is stopped`)",
            text("demo", " .facts")
        ),
    );
    browser.write(&one, &card("demo", " [name=message]"), "Good morning!");
    browser.enter(&one);
    browser.until(
        &two,
        &format!("{} === `1 waiting`", text("demo", " .waiting")),
    );

    // Stopped on the other tab; the queue goes on, and both show the answer.
    browser.click(&two, &card("demo", " .stop"));
    for tab in [&one, &two] {
        browser.until(
            tab,
            &format!("{} === `(2) Good morning!`", text("demo", " .said")),
        );
        browser.until(tab, &there("demo", "[data-phase=idle]"));
        browser.until(tab, &format!("{}.disabled", there("demo", " .stop")));
    }

    // What the terminal does is shown as well.
    daemon.types("/use from-the-terminal").await;
    daemon.types("!fail").await;
    browser.until(
        &two,
        &format!(
            "{}.includes(`asked to fail`)",
            text("from-the-terminal", " .trouble")
        ),
    );

    // Text stays text.
    let html = "<img src=x onerror=document.title=`broken`> & co.";
    say(&mut browser, &one, "markup", html);
    browser.until(
        &two,
        &format!("{} === `(1) ` + {html:?}", text("markup", " .said")),
    );
    browser.until(&two, &format!("!{}", there("markup", " img")));

    // Ordinary ones, for the pictures.
    for (old, new, message) in [
        ("markup", "notes", "Call Ann on Monday."),
        ("from-the-terminal", "support", "Where is my order?"),
    ] {
        browser.click(&one, &card(old, " .end"));
        browser.until(&two, &format!("!{}", there(old, "")));
        say(&mut browser, &one, new, message);
        browser.until(&two, &there(new, "[data-phase=idle]"));
    }

    // A full queue is shown, and the message is not lost.
    say(&mut browser, &one, "research", "!hold");
    for _ in 0..2 {
        browser.write(
            &one,
            &card("research", " [name=message]"),
            "What else did they say about it?",
        );
        browser.enter(&one);
    }
    browser.until(
        &two,
        &format!("{} === `2 waiting`", text("research", " .waiting")),
    );
    for tab in [&one, &two] {
        let row = " .queue li:nth-child(2)";
        browser.until(tab, &there("research", row));
        let message = text("research", &format!("{row} .message"));
        browser.until(
            tab,
            &format!("{message} === `What else did they say about it?`"),
        );
        let waited = text("research", &format!("{row} .facts"));
        browser.until(tab, &format!("/^[0-9]+ s$/.test({waited})"));
    }
    browser.write(&one, &card("research", " [name=message]"), "one too many");
    browser.enter(&one);
    browser.until(
        &one,
        "document.querySelector(`#trouble`).textContent === `the queue of the session is full; try again later`",
    );
    browser.until(
        &one,
        &format!(
            "{}.value === `one too many`",
            there("research", " [name=message]")
        ),
    );

    let since = format!("/^idle for [0-9]+ s$/.test({})", text("demo", " .phase"));
    browser.until(&two, &since);
    for scheme in ["light", "dark"] {
        browser.dress(&two, scheme);
        browser.picture(&two, &format!("{scheme}.png"));
    }
    let small = browser.open(&address, 360, 980);
    browser.until(&small, &there("research", "[data-phase=busy]"));
    browser.picture(&small, "small.png");

    // A message is taken back on the other tab.
    browser.click(&two, &card("research", " .queue li:first-child button"));
    for tab in [&one, &two] {
        browser.until(
            tab,
            &format!("{} === `1 waiting`", text("research", " .waiting")),
        );
        browser.until(
            tab,
            &format!("!{}", there("research", " .queue li:nth-child(2)")),
        );
    }
    browser.until(&two, &there("research", " .queue li"));

    browser.click(&one, &card("research", " .end"));
    browser.until(&two, &format!("!{}", there("research", "")));
    let life = format!("{}.title", there("demo", " h2"));
    let before = browser.tell(&two, &life);
    browser.click(&one, &card("demo", " .new"));
    browser.until(
        &two,
        &format!(
            "{life} !== {before} && {}",
            there("demo", "[data-phase=idle]")
        ),
    );

    daemon.signal("TERM").await;
    browser.until(
        &two,
        "document.querySelector(`#link`).dataset.state === `gone`",
    );
    assert_eq!(browser.trouble(), Vec::<&serde_json::Value>::new());
    assert_eq!(daemon.ends().await.0, Some(0));
}

#[tokio::test]
async fn the_page_asks_for_the_token() {
    let daemon = Daemon::start_with(&[], &[("CHATD_TOKEN", "secret")]).await;
    let mut browser = Chromium::start("token");
    let tab = browser.open(&format!("http://{}/", daemon.address), 900, 600);
    browser.answer(&tab, "wrong");
    browser.answer(&tab, "secret");
    browser.until(
        &tab,
        "document.querySelector(`#link`).dataset.state === `live`",
    );
    say(&mut browser, &tab, "demo", "hello");
    browser.until(&tab, &format!("{} === `(1) hello`", text("demo", " .said")));
    assert_eq!(browser.trouble(), Vec::<&serde_json::Value>::new());
}

#[cfg(all(unix, feature = "pi"))]
#[tokio::test]
async fn a_question_is_answered_on_the_page() {
    let script = script::Script::new("page", script::ASKS);
    let args = script.args(&["--start-timeout", "150"]);
    let daemon = Daemon::start(&script::borrowed(&args)).await;
    let mut browser = Chromium::start("questions");
    let address = format!("http://{}/", daemon.address);
    let one = browser.open(&address, 860, 600);
    let two = browser.open(&address, 860, 600);
    let asked = |part: &str| there("demo", &format!(" .question{part}"));
    let said = |words: &str| format!("{}.includes({words:?})", text("demo", " .said"));

    say(&mut browser, &one, "demo", "select");
    for tab in [&one, &two] {
        let title = format!("{}?.textContent", asked(" .title"));
        // Text stays text.
        browser.until(tab, &format!("{title} === `<b>Run \\u001b[2J?</b>`"));
        browser.until(tab, &format!("!{}", asked(" b")));
    }
    browser.picture(&two, "question.png");
    browser.click(&two, &card("demo", " .question button:last-child"));
    browser.until(&one, &said("value:Deny"));
    browser.until(&one, &format!("!{}", asked("")));

    say(&mut browser, &one, "demo", "confirm");
    browser.until(&two, &asked(" .message"));
    browser.click(&two, &card("demo", " .question button"));
    browser.until(&one, &said("confirmed:true"));

    say(&mut browser, &one, "demo", "input");
    browser.until(
        &two,
        &format!("{}?.placeholder === `Ann`", asked(" textarea")),
    );
    browser.write(&two, &card("demo", " .question textarea"), "Bob & co.");
    browser.click(&two, &card("demo", " .question .main"));
    browser.until(&one, &said("value:Bob & co."));
    browser.until(&two, &format!("!{}", asked("")));
    assert_eq!(browser.trouble(), Vec::<&serde_json::Value>::new());
}

/// A real agent, over a stub of its model, asks whether it may run a command, and messages wait. `just picture` copies it to agent.png.
#[cfg(all(unix, feature = "acp"))]
// Chromium is waited for without the runtime, by which the stub answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_asks_for_permission_on_the_page() {
    let world = acp_tests::World::new(acp_tests::Make::Claude).await;
    std::fs::create_dir(world.path("work/build")).expect("a folder");
    std::fs::write(world.path("work/build/parse.o"), "").expect("a file");
    world.stub.teach(
        "What is the build folder for?",
        "The compiler writes its output there. You can delete it at any time.",
    );
    world
        .stub
        .teach("Delete the build folder.", "tool rm -rv build");
    let mut daemon = agent::start(&world, &["claude"]).await;
    let mut browser = Chromium::start("permissions");
    let tab = browser.open(&format!("http://{}/", daemon.address), 860, 770);
    let said = |key, words: &str| format!("{}.includes({words:?})", text(key, " .said"));
    say(&mut browser, &tab, "docs", "What is the build folder for?");
    browser.until(&tab, &said("docs", "at any time"));
    browser.until(&tab, &there("docs", "[data-phase=idle]"));
    say(&mut browser, &tab, "parser", "Delete the build folder.");
    browser.until(&tab, &there("parser", " .question button"));
    for message in [
        "Build it again.",
        "Run the tests, and explain each failure.",
    ] {
        browser.write(&tab, &card("parser", " [name=message]"), message);
        browser.enter(&tab);
    }
    let last = text("parser", " .queue li:nth-child(2) .message");
    browser.until(
        &tab,
        &format!("{last} === `Run the tests, and explain each failure.`"),
    );
    browser.tell(&tab, "document.activeElement.blur()");
    browser.picture(&tab, "agent.png");
    browser.click(&tab, &card("parser", " .question button"));
    browser.until(&tab, &said("parser", "explain each failure"));
    assert!(!world.path("work/build").exists());
    daemon.types("/quit").await;
    assert_eq!(daemon.ends().await.0, Some(0));
    world.is_empty();
    assert_eq!(browser.trouble(), Vec::<&serde_json::Value>::new());
}
