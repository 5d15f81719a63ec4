//! A conversation with a real pi goes on when its node does not. The nodes have one directory for conversations.

use crate::{
    client::busy,
    nodes::Nodes,
    real::{SILENT_TOOL, arguments, environment, others, tool},
};
use pi_tests::World;
use processes::{runs, within};
use serde_json::Value;
use std::{fs, time::Instant};

/// Of a node that is dead, others have the sessions after so many seconds.
const TTL: &str = "4";

async fn start(world: &World, ttl: &'static str) -> Nodes {
    let (pi, variables) = (arguments(world), environment(world));
    let pi: Vec<&str> = pi.iter().map(String::as_str).collect();
    let variables = variables.iter().map(|(name, value)| (*name, &**value));
    Nodes::start_with(2, ttl, &pi, &variables.collect::<Vec<_>>()).await
}

/// Begins at node 0 and goes on at node 1, with one pi. Returns its number.
async fn begin(world: &World, nodes: &Nodes) -> u32 {
    assert_eq!(nodes.said(0, "a", "first").await, "first");
    assert_eq!(nodes.said(1, "a", "second").await, "second");
    assert_eq!(nodes.said(1, "a", "recall").await, "first\nsecond");
    let all = others(world, &[&nodes[0], &nodes[1]]);
    let [pi] = all[..] else {
        panic!("one pi: {:?}", world.processes());
    };
    pi
}

/// Of the incarnation that has started the conversation last, as the nodes keep it.
fn fence(world: &World) -> u64 {
    let file = world.path("sessions/conversations.shared/a.json");
    let text = fs::read_to_string(file).expect("the conversation has begun");
    let kept: Value = serde_json::from_str(&text).expect("it is JSON");
    assert_eq!(kept["conversation"], 0, "nobody has asked for a new one");
    kept["fence"].as_u64().expect("a number")
}

/// In good order, and nothing is left.
async fn end(world: &World, mut nodes: Nodes, count: usize) {
    for _ in 0..count {
        let node = nodes.take(0);
        node.signal("TERM").await;
        let (code, text) = node.ends().await;
        assert_eq!(code, Some(0), "{text}");
    }
    world.is_empty();
}

#[tokio::test]
async fn the_owner_is_killed_while_pi_is_idle() {
    let world = World::new().await;
    let mut nodes = start(&world, TTL).await;
    let pi = begin(&world, &nodes).await;
    let before = fence(&world);
    let killed = Instant::now();
    nodes.take(0).signal("KILL").await;
    let recalled = nodes.said(0, "a", "recall").await;
    println!(
        "TTL {TTL} s: another pi has answered {:?} after SIGKILL",
        killed.elapsed()
    );
    assert_eq!(recalled, "first\nsecond\nrecall");
    assert!(!runs(pi));
    assert_eq!(others(&world, &[&nodes[0]]).len(), 1);
    assert!(before < fence(&world));
    end(&world, nodes, 1).await;
}

#[tokio::test]
async fn the_owner_is_killed_while_a_tool_runs() {
    let world = World::new().await;
    let mut nodes = start(&world, TTL).await;
    let pi = begin(&world, &nodes).await;
    let before = fence(&world);
    let mut turn = nodes[1].say("a", SILENT_TOOL).events().await;
    let tool = tool(&world).await;
    let first = others(&world, &[&nodes[0], &nodes[1]]);
    assert!(first.contains(&pi) && first.contains(&tool), "{first:?}");
    nodes.take(0).signal("KILL").await;
    within(async {
        loop {
            let (name, data) = turn.next().await.expect("it ends");
            if name == "failed" {
                break assert_eq!(data["error"], "owner_lost");
            }
        }
    })
    .await;
    // What the tool would have told is not in it; what was asked is.
    let recalled = nodes.said(0, "a", "recall").await;
    assert_eq!(recalled, format!("first\nsecond\nrecall\n{SILENT_TOOL}"));
    assert!(!first.into_iter().any(runs));
    assert_eq!(world.stub.heard(SILENT_TOOL), 1, "it is not sent twice");
    assert!(before < fence(&world));
    end(&world, nodes, 1).await;
}

/// It cannot end its pi. The guard does, before the term is over.
#[tokio::test]
async fn the_owner_is_stopped_while_a_tool_runs() {
    let world = World::new().await;
    let nodes = start(&world, TTL).await;
    begin(&world, &nodes).await;
    let before = fence(&world);
    // Its answer never comes.
    let turn = nodes[0].say("a", SILENT_TOOL).later();
    let tool = tool(&world).await;
    let first = others(&world, &[&nodes[0], &nodes[1]]);
    assert!(first.contains(&tool), "{first:?}");
    nodes.stop(0).await;
    let recalled = nodes.said(1, "a", "recall").await;
    assert_eq!(recalled, format!("first\nsecond\nrecall\n{SILENT_TOOL}"));
    assert!(!first.into_iter().any(runs));
    let after = fence(&world);
    assert!(before < after);
    nodes[0].signal("CONT").await;
    let (status, answer) = turn.await.expect("an answer");
    assert_ne!(status, 200, "{answer}");
    let all = nodes.said(0, "a", "recall").await;
    assert_eq!(all, format!("{recalled}\nrecall"));
    assert_eq!(fence(&world), after, "node 1 has the conversation");
    end(&world, nodes, 2).await;
}

/// With a lease that never ends in a test: it does not wait for that.
#[tokio::test]
async fn the_owner_ends() {
    let world = World::new().await;
    let mut nodes = start(&world, "600").await;
    let pi = begin(&world, &nodes).await;
    let before = fence(&world);
    let slow = nodes[1].say("a", "slow 50").later();
    nodes[0].until("a", busy(0)).await;
    let owner = nodes.take(0);
    owner.signal("TERM").await;
    // In the queue, until the turn and then the old pi have ended.
    let recalled = nodes.said(0, "a", "recall").await;
    assert_eq!(recalled, "first\nsecond\nrecall\nslow 50");
    assert_eq!(slow.await.expect("an answer").0, 200);
    assert!(!runs(pi));
    assert!(before < fence(&world));
    assert_eq!(owner.ends().await.0, Some(0));
    end(&world, nodes, 1).await;
}
