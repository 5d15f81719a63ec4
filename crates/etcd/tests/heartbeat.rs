//! When a node is taken for dead, without an etcd.

// They are private: their own source is tested.
#[path = "../src/heartbeat.rs"]
mod heartbeat;
#[allow(dead_code)]
#[path = "../src/wire.rs"]
mod wire;

use data_encoding::BASE64;
use heartbeat::{Heartbeats, Overdue};
use serde_json::{Value, json};
use std::{
    mem,
    time::{Duration, Instant},
};
use turnwise_cluster::testing::Chance;

const HOUR: u64 = 3_600_000;

/// An answer with these heartbeats: lease, revision, and the time to live in milliseconds.
fn answer(found: &[(u64, u64, u64)]) -> Value {
    let base64 = |text: String| BASE64.encode(text.as_bytes());
    let records = found.iter().map(|(lease, revision, time)| {
        json!({
            "key": base64(format!("t/c/n/{lease:016x}")),
            "value": base64(time.to_string()),
            "mod_revision": revision.to_string(),
        })
    });
    let records: Vec<_> = records.collect();
    json!({
        "succeeded": true,
        "responses": [{ "response_put": {} }, { "response_range": { "kvs": records } }],
    })
}

/// A clock that the test moves, in milliseconds.
fn at(begin: Instant, moment: u64) -> Instant {
    begin + Duration::from_millis(moment)
}

fn overdue(beats: &Heartbeats, now: Instant) -> Vec<(u64, Option<u64>)> {
    let all = beats.overdue(now).into_iter();
    let mut all: Vec<_> = all.map(|one| (one.lease, one.revision)).collect();
    all.sort_unstable();
    all
}

#[test]
fn one_that_is_not_renewed_in_its_time_is_overdue() {
    let (beats, begin) = (Heartbeats::new("t/c/"), Instant::now());
    let found = [(1, 10, HOUR), (2, 11, 50), (3, 12, 50), (4, 13, HOUR)];
    let time = beats.seen(1, &answer(&found), begin);
    assert_eq!(time, Some(Duration::from_secs(3600)));
    // 3 has been renewed, and 5 is new. Its own is never overdue.
    let found = [
        (1, 14, 1),
        (2, 11, 50),
        (3, 15, 50),
        (4, 13, HOUR),
        (5, 16, 50),
    ];
    beats.seen(1, &answer(&found), at(begin, 10));
    assert_eq!(overdue(&beats, at(begin, 49)), []);
    assert_eq!(overdue(&beats, at(begin, 50)), [(2, Some(11))]);
    // That one is just being tried.
    assert_eq!(
        overdue(&beats, at(begin, 70)),
        [(3, Some(15)), (5, Some(16))]
    );
    assert_eq!(overdue(&beats, at(begin, 251)), [(2, Some(11))]);
    // They have gone.
    beats.seen(1, &answer(&[(1, 14, 1)]), at(begin, 260));
    assert_eq!(overdue(&beats, at(begin, 900)), []);
}

#[test]
fn one_that_is_marked_only_needs_its_lease_revoked() {
    let (beats, begin) = (Heartbeats::new("t/c/"), Instant::now());
    beats.seen(1, &answer(&[(1, 10, HOUR), (2, 11, 0)]), begin);
    assert_eq!(overdue(&beats, begin), [(2, None)]);
}

#[test]
fn nothing_is_known_from_a_renewal_that_failed() {
    let (beats, now) = (Heartbeats::new("t/c/"), Instant::now());
    assert_eq!(beats.seen(1, &json!({ "header": {} }), now), None);
    let strange = json!({ "succeeded": true, "responses": [{}, { "response_range": { "kvs": [
        { "key": "dC9jL24vMQ==", "value": "!", "mod_revision": "1" },
        { "key": BASE64.encode(b"t/c/k/1"), "value": "MA==", "mod_revision": "1" },
    ] } }] });
    assert_eq!(beats.seen(1, &strange, now), None, "its own is not there");
    assert_eq!(overdue(&beats, at(now, HOUR)), []);
}

const TIME: u64 = 1000;
const MARGIN: u64 = 10;

/// etcd, and nodes that do one step after the other: a renewal is sent, takes effect, and is answered; then others are ended.
struct World {
    begin: Instant,
    /// Lease, revision, time.
    store: Vec<(u64, u64, u64)>,
    revision: u64,
    leases: u64,
    nodes: Vec<Node>,
    renewed: usize,
    ended: usize,
}

struct Node {
    beats: Heartbeats,
    lease: u64,
    /// Until when it acts, by its own measure. `None` before the first answer.
    deadline: Option<u64>,
    step: Step,
    next: u64,
}

enum Step {
    Sends,
    TakesEffect(u64),
    Hears(u64, Value),
    Ends(Vec<(u64, Option<u64>)>),
}

impl World {
    fn new() -> Self {
        let node = |place| Node {
            beats: Heartbeats::new("t/c/"),
            lease: place + 1,
            deadline: None,
            step: Step::Sends,
            next: place,
        };
        Self {
            begin: Instant::now(),
            store: Vec::new(),
            revision: 1,
            leases: 4,
            nodes: (0..4).map(node).collect(),
            renewed: 0,
            ended: 0,
        }
    }

    /// What etcd does with a renewal, or with the first heartbeat of a lease.
    fn takes_effect(&mut self, node: usize) -> Value {
        let Node {
            lease, deadline, ..
        } = self.nodes[node];
        self.revision += 1;
        let found = self.store.iter_mut().find(|beat| beat.0 == lease);
        match (found, deadline) {
            (Some(beat), Some(_)) if beat.2 != 0 => beat.1 = self.revision,
            (None, None) => self.store.push((lease, self.revision, TIME)),
            _ => return json!({}),
        }
        answer(&self.store)
    }

    fn hears(
        &mut self,
        node: usize,
        sent: u64,
        answer: &Value,
        lost: bool,
    ) -> Vec<(u64, Option<u64>)> {
        let node = &mut self.nodes[node];
        let now = at(self.begin, node.next);
        let over = node.deadline.is_some_and(|deadline| node.next >= deadline);
        let gone = !lost && node.beats.seen(node.lease, answer, now).is_none();
        if over || gone || (lost && node.deadline.is_none()) {
            self.leases += 1;
            (node.lease, node.deadline) = (self.leases, None);
        } else if !lost {
            self.renewed += 1;
            node.deadline = node.deadline.max(Some(sent + TIME - MARGIN));
        }
        overdue(&node.beats, now)
    }

    /// The marks and revocations of a node take effect.
    fn ends(&mut self, now: u64, all: Vec<(u64, Option<u64>)>, seed: u64) {
        for (lease, seen) in all {
            let beat = self.store.iter_mut().find(|beat| beat.0 == lease);
            match (beat, seen) {
                (Some(beat), Some(seen)) if beat.1 == seen => {
                    self.revision += 1;
                    (beat.1, beat.2) = (self.revision, 0);
                    self.ended += 1;
                    let holder = self.nodes.iter().find(|node| node.lease == lease);
                    let until = holder
                        .and_then(|holder| holder.deadline)
                        .unwrap_or_default();
                    assert!(until <= now, "seed {seed}: {} ms too early", until - now);
                }
                (Some(_), None) => self.store.retain(|beat| beat.0 != lease),
                _ => {}
            }
        }
    }
}

/// Four nodes are late by up to two terms, lose answers, and end one another. No node is ended before its deadline.
#[test]
fn no_node_is_ended_while_it_acts() {
    let (mut ended, mut renewed) = (0, 0);
    for seed in 0..40 {
        let (mut chance, mut world) = (Chance::new(seed), World::new());
        for _ in 0..2000 {
            let node = (0..4).min_by_key(|&node| world.nodes[node].next);
            let node = node.expect("four");
            let now = world.nodes[node].next;
            let step = mem::replace(&mut world.nodes[node].step, Step::Sends);
            let mut pause = chance.below(60);
            let step = match step {
                Step::Sends => Step::TakesEffect(now),
                Step::TakesEffect(sent) => Step::Hears(sent, world.takes_effect(node)),
                Step::Hears(sent, answer) => {
                    Step::Ends(world.hears(node, sent, &answer, chance.percent(5)))
                }
                Step::Ends(all) => {
                    world.ends(now, all, seed);
                    pause += 200;
                    Step::Sends
                }
            };
            if chance.percent(5) {
                pause = chance.below(2000);
            }
            world.nodes[node].step = step;
            world.nodes[node].next = now + 1 + pause as u64;
        }
        ended += world.ended;
        renewed += world.renewed;
    }
    assert!(
        ended > 200 && renewed > 7_000,
        "{ended} ended, {renewed} renewed"
    );
}

/// Each transaction is JSON, and does nothing on a heartbeat that has ended or was renewed.
#[test]
fn transactions_compare() {
    let beats = Heartbeats::new("t/c/");
    let parsed = |text: String| serde_json::from_str::<Value>(&text).expect("it is JSON");
    let key = BASE64.encode(b"t/c/n/000000000000004d");
    let begin = parsed(beats.begin(77, Duration::from_secs(4)));
    assert_eq!(
        begin["compare"],
        json!([{ "key": key, "target": "CREATE", "result": "EQUAL", "create_revision": "0" }])
    );
    let put = &begin["success"][0]["request_put"];
    assert_eq!(
        *put,
        json!({ "key": key, "value": BASE64.encode(b"4000"), "lease": "77" })
    );
    let all = &begin["success"][1]["request_range"];
    let ends = [&b"t/c/n/"[..], b"t/c/n0"].map(|end| BASE64.encode(end));
    assert_eq!(*all, json!({ "key": ends[0], "range_end": ends[1] }));
    let renewal = parsed(beats.renewal(77));
    assert_eq!(
        renewal["compare"],
        json!([
            { "key": key, "target": "CREATE", "result": "GREATER", "create_revision": "0" },
            { "key": key, "target": "VALUE", "result": "NOT_EQUAL", "value": "MA==" },
        ])
    );
    let put = &renewal["success"][0]["request_put"];
    assert_eq!(
        *put,
        json!({ "key": key, "ignore_value": true, "ignore_lease": true })
    );
    let overdue = [(77, Some(5)), (78, Some(6)), (79, None), (80, Some(7))];
    let overdue = overdue.map(|(lease, revision)| Overdue { lease, revision });
    let marks = parsed(beats.marks(&overdue));
    let mark = &marks["success"][0]["request_txn"];
    assert_eq!(
        mark["compare"],
        json!([{ "key": key, "target": "MOD", "result": "EQUAL", "mod_revision": "5" }])
    );
    assert_eq!(
        mark["success"][0]["request_put"],
        json!({ "key": key, "value": "MA==", "ignore_lease": true })
    );
    // Not 0, which is the revision of a record that is not there: a put that keeps a lease would fail the whole transaction.
    let marked = &marks["success"][2]["request_txn"]["compare"][0];
    assert_eq!(marked["mod_revision"], i64::MAX.to_string());
    assert_eq!(
        mark["failure"],
        json!([{ "request_range": { "key": key } }])
    );
    // The first is marked, the second was renewed, the third was marked before, and the last has gone.
    let found = |time: &str| {
        let key = BASE64.encode(b"t/c/n/000000000000004e");
        let record = json!({ "key": key, "value": time, "mod_revision": "9" });
        json!({ "response_txn": { "responses": [{ "response_range": { "kvs": [record] } }] } })
    };
    let answer = json!({ "responses": [
        { "response_txn": { "succeeded": true, "responses": [{ "response_put": {} }] } },
        found("NDAwMA=="),
        found("MA=="),
        { "response_txn": { "responses": [{ "response_range": {} }] } },
    ] });
    assert_eq!(beats.marked(&overdue, &answer), [77, 79]);
    let removal = parsed(beats.removal(77));
    assert_eq!(
        removal["compare"],
        json!([{ "key": key, "target": "VALUE", "result": "EQUAL", "value": "MA==" }])
    );
    assert_eq!(
        removal["success"],
        json!([{ "request_delete_range": { "key": key } }])
    );
}
