//! The page of one node, for the sessions of all.

use crate::{
    card,
    chromium::{Chromium, Tab},
    cluster::Nodes,
    say, text, there,
};

/// Waits until the page names the node of a session.
fn is_of(browser: &mut Chromium, tab: &Tab, key: &str, node: &str) {
    let facts = text(key, " .facts");
    browser.until(tab, &format!("{facts}?.split(` · `).includes({node:?})"));
}

fn said(browser: &mut Chromium, tab: &Tab, key: &str, reply: &str) {
    let said = text(key, " .said");
    browser.until(tab, &format!("{said} === {reply:?}"));
    browser.until(tab, &there(key, "[data-phase=idle]"));
}

/// In the field of a card.
fn send(browser: &mut Chromium, tab: &Tab, key: &str, message: &str) {
    browser.write(tab, &card(key, " [name=message]"), message);
    browser.click(tab, &card(key, " > form .main"));
}

/// As wide as the page is, and as a phone is.
fn pictures(browser: &mut Chromium, [wide, narrow]: [&Tab; 2], name: &str) {
    for scheme in ["light", "dark"] {
        for (tab, width) in [(wide, "wide"), (narrow, "narrow")] {
            browser.dress(tab, scheme);
            browser.picture(tab, &format!("{name}-{width}-{scheme}.png"));
            let fits = "document.documentElement.scrollWidth <= innerWidth";
            assert_eq!(browser.tell(tab, fits), true, "{width}");
        }
    }
}

#[tokio::test]
async fn the_page_of_one_node_is_for_the_sessions_of_all() {
    let nodes = Nodes::start(3, "60", &["--delay", "0.02"]).await;
    let mut browser = Chromium::start("nodes");
    let [one, two] = [0, 1].map(|at| format!("http://{}/", nodes[at].address));
    let page = browser.open(&one, 860, 900);
    let narrow = browser.open(&two, 375, 900);
    for (at, key) in ["support", "research", "notes"].into_iter().enumerate() {
        assert_eq!(
            nodes.said(at, key, "Good morning!").await,
            "(1) Good morning!"
        );
        for tab in [&page, &narrow] {
            is_of(&mut browser, tab, key, nodes.name(at));
        }
    }

    // A session of node 1, on the page of node 0.
    send(&mut browser, &page, "research", "!hold");
    browser.until(&page, &there("research", "[data-phase=busy]"));
    for message in ["Who wrote the report?", "Who else has read it?"] {
        send(&mut browser, &page, "research", message);
    }
    let second = " .queue li:nth-child(2)";
    for tab in [&page, &narrow] {
        browser.until(tab, &there("research", second));
    }
    pictures(&mut browser, [&page, &narrow], "nodes");
    browser.click(&page, &card("research", &format!("{second} button")));
    browser.until(&page, &format!("!{}", there("research", second)));
    browser.click(&page, &card("research", " .stop"));
    said(&mut browser, &page, "research", "(3) Who wrote the report?");
    browser.click(&page, &card("research", " .new"));
    browser.until(&page, &format!("!{}", text("research", " .said")));
    send(&mut browser, &page, "research", "Once more");
    said(&mut browser, &page, "research", "(1) Once more");
    is_of(&mut browser, &page, "research", nodes.name(1));
    browser.click(&page, &card("research", " .end"));
    for tab in [&page, &narrow] {
        browser.until(tab, &format!("!{}", there("research", "")));
    }
    // Whichever node is asked for it next has it.
    say(&mut browser, &page, "research", "Once more");
    is_of(&mut browser, &narrow, "research", nodes.name(0));

    nodes.stop(2).await;
    let trouble = "document.querySelector(`#unreachable`).textContent";
    for tab in [&page, &narrow] {
        browser.until(tab, &format!("{trouble}.includes({:?})", nodes.name(2)));
    }
    pictures(&mut browser, [&page, &narrow], "stopped");
    nodes[2].signal("CONT").await;
    for tab in [&page, &narrow] {
        browser.until(tab, &format!("!{trouble}"));
        is_of(&mut browser, tab, "notes", nodes.name(2));
    }
    assert!(browser.trouble().is_empty(), "{:?}", browser.trouble());
}
