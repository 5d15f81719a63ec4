//! The engine's contract, request by request.

use crate::{SECOND, connect, engines};
use data_encoding::BASE64;
use etcd_tests::{Servers, VERSIONS, post, terms, until};
use turnwise::manager::NotOwned;
use turnwise_cluster::{
    Action, Answer, Batch, Engine, Fault, Node, Request, Settings, testing::Held,
};
use turnwise_etcd::Etcd;

fn batch(owner: &str, lease: u64, requests: &[(&str, Action)]) -> Batch {
    let request = |(key, action): &(&str, Action)| Request {
        key: key.as_bytes().into(),
        action: *action,
    };
    Batch {
        owner: owner.into(),
        lease,
        requests: requests.iter().map(request).collect(),
    }
}

async fn one(
    etcd: &Etcd,
    owner: &str,
    lease: u64,
    key: &str,
    action: Action,
) -> Result<Answer, Fault> {
    let answers = etcd.ask(batch(owner, lease, &[(key, action)])).await?;
    Ok(answers.into_iter().next().expect("an answer"))
}

const ANEW: Action = Action::Acquire { seen: None };

fn other(name: &str) -> Result<Answer, Fault> {
    Ok(Answer::Other { owner: name.into() })
}

fn fence(answer: Result<Answer, Fault>) -> u64 {
    match answer {
        Ok(Answer::Acquired { fence }) => fence,
        answer => panic!("not acquired: {answer:?}"),
    }
}

/// A free key is taken, and taken no second time.
pub(crate) async fn free_and_taken(etcd: &Etcd, lease: u64, key: &str) {
    assert_eq!(
        one(etcd, "a#1", lease, key, Action::Look).await,
        Ok(Answer::Free)
    );
    let revision = fence(one(etcd, "a#1", lease, key, ANEW).await);
    assert_eq!(
        one(etcd, "a#1", lease, key, ANEW).await,
        Ok(Answer::Ours { revision })
    );
    assert_eq!(one(etcd, "b#1", lease, key, ANEW).await, other("a#1"));
}

#[tokio::test]
async fn each_request_does_what_the_contract_says() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let etcd = connect(servers.urls()).await;
        let old = version.number() < "3.5";
        assert_eq!(
            etcd.warnings().len(),
            usize::from(old),
            "{:?}",
            etcd.warnings()
        );
        let lease = etcd.grant(60 * SECOND).await.expect("a lease");
        assert_eq!(lease.time, 60 * SECOND);
        assert_eq!(etcd.renew(lease.lease).await, Ok(60 * SECOND));
        let a = lease.lease;
        let b = etcd.grant(SECOND * 5 / 2).await.expect("a lease");
        assert_eq!(b.time, SECOND * 5 / 2);
        let b = b.lease;

        assert_eq!(
            one(&etcd, "a#1", a, "x", Action::Look).await,
            Ok(Answer::Free)
        );
        let first = fence(one(&etcd, "a#1", a, "x", ANEW).await);
        let ours = |revision| Ok(Answer::Ours { revision });
        assert_eq!(one(&etcd, "a#1", a, "x", Action::Look).await, ours(first));
        assert_eq!(
            one(&etcd, "a#1", a, "x", ANEW).await,
            ours(first),
            "not by its name"
        );
        assert_eq!(one(&etcd, "b#1", b, "x", ANEW).await, other("a#1"));
        let theirs = Action::Acquire { seen: Some(first) };
        assert_eq!(
            one(&etcd, "b#1", b, "x", theirs).await,
            other("a#1"),
            "not by its revision"
        );
        let release = |revision| Action::Release { revision };
        assert_eq!(
            one(&etcd, "b#1", b, "x", release(first)).await,
            other("a#1")
        );
        // Anew, by the revision that was seen.
        let second = fence(one(&etcd, "a#1", a, "x", theirs).await);
        assert!(second > first);
        assert_eq!(
            one(&etcd, "a#1", a, "x", theirs).await,
            ours(second),
            "seen too long ago"
        );
        assert_eq!(
            one(&etcd, "a#1", a, "x", release(first)).await,
            ours(second)
        );
        assert_eq!(
            one(&etcd, "a#1", a, "x", release(second)).await,
            Ok(Answer::Free)
        );
        assert_eq!(
            one(&etcd, "a#1", a, "x", release(second)).await,
            Ok(Answer::Free)
        );
        let third = fence(one(&etcd, "b#1", b, "x", theirs).await);
        assert!(third > second);

        // A hundred keys in one transaction, each with an answer of its own.
        let keys: Vec<_> = (0..100).map(|key| format!("key {key}")).collect();
        let asks: Vec<_> = keys.iter().map(|key| (&**key, ANEW)).collect();
        let fences: Vec<_> = etcd.ask(batch("a#1", a, &asks)).await.expect("answers");
        let fences: Vec<_> = fences.into_iter().map(|answer| fence(Ok(answer))).collect();
        assert!(fences.is_sorted() && fences[0] > third);
        let looks: Vec<_> = keys.iter().map(|key| (&**key, Action::Look)).collect();
        let seen = etcd.ask(batch("a#1", a, &looks)).await.expect("answers");
        let ours = fences.iter().map(|&revision| Answer::Ours { revision });
        assert_eq!(
            seen,
            ours.collect::<Vec<_>>(),
            "a fence is the revision of its record"
        );
        let both = [("x", ANEW), ("key 7", release(fences[7])), ("y", ANEW)];
        let told = etcd.ask(batch("a#1", a, &both)).await.expect("answers");
        assert_eq!(told[..2], [other("b#1").expect("it is"), Answer::Free]);
        fence(Ok(told[2].clone()));
        // The longest keys, all at once, and one that is longer.
        let keys: Vec<_> = (0..100).map(|key| format!("{key:01024}")).collect();
        let mut asks: Vec<_> = keys.iter().map(|key| (&**key, theirs)).collect();
        let longer = format!("{:01025}", 0);
        asks[50].0 = &longer;
        let told = etcd.ask(batch("a#1", a, &asks)).await.expect("answers");
        assert!(
            matches!(told[50], Answer::Refused(_)) && matches!(told[51], Answer::Acquired { .. })
        );
        // Another cluster's keys are other keys.
        let others = Etcd::builder("others", servers.urls())
            .connect()
            .await
            .expect("etcd answers");
        assert_eq!(
            one(&others, "b#1", b, "y", Action::Look).await,
            Ok(Answer::Free)
        );

        // All records go with their lease. Nothing is written under one that has gone.
        assert_eq!(etcd.revoke(a).await, Ok(()));
        assert_eq!(etcd.revoke(a).await, Ok(()));
        assert_eq!(etcd.renew(a).await, Err(Fault::Gone));
        assert_eq!(one(&etcd, "a#1", a, "y", ANEW).await, Err(Fault::Gone));
        let mixed = [("z", ANEW), ("x", Action::Look)];
        assert_eq!(etcd.ask(batch("a#1", a, &mixed)).await, Err(Fault::Gone));
        for key in ["y", "z", "key 3"] {
            assert_eq!(
                one(&etcd, "b#1", b, key, Action::Look).await,
                Ok(Answer::Free)
            );
        }
    }
}

/// A lease that is not renewed ends, and no earlier: another node looks. All records go with it.
#[tokio::test]
async fn a_node_that_is_silent_is_ended_by_another() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let etcds = engines(&servers, 2).await;
        let live = etcds[0].grant(60 * SECOND).await.expect("a lease").lease;
        let silent = etcds[1].grant(2 * SECOND).await.expect("a lease").lease;
        fence(one(&etcds[1], "b#1", silent, "x", ANEW).await);
        fence(one(&etcds[1], "b#1", silent, "y", ANEW).await);
        // It may be late, as long as nobody ends it: without another node's look, nothing goes.
        let renewed = tokio::time::Instant::now();
        assert_eq!(etcds[1].renew(silent).await, Ok(2 * SECOND));
        let free = until("it is ended", || async {
            assert_eq!(etcds[0].renew(live).await, Ok(60 * SECOND));
            let look = one(&etcds[0], "a#1", live, "x", Action::Look).await;
            (look == Ok(Answer::Free)).then(tokio::time::Instant::now)
        })
        .await;
        assert!(free - renewed >= 2 * SECOND, "{:?}", free - renewed);
        assert_eq!(etcds[1].renew(silent).await, Err(Fault::Gone));
        assert_eq!(
            one(&etcds[1], "b#1", silent, "z", ANEW).await,
            Err(Fault::Gone)
        );
        fence(one(&etcds[0], "a#1", live, "y", ANEW).await);
        // A question that finds another owner looks, too.
        let silent = etcds[1].grant(SECOND).await.expect("a lease").lease;
        fence(one(&etcds[1], "b#1", silent, "z", ANEW).await);
        assert_eq!(etcds[0].renew(live).await, Ok(60 * SECOND));
        until("it is ended", || async {
            matches!(
                one(&etcds[0], "a#1", live, "z", ANEW).await,
                Ok(Answer::Acquired { .. })
            )
            .then_some(())
        })
        .await;
    }
}

/// Nobody looks: the records stay, for as long as etcd's own lease does. The first one that looks waits for the whole time.
#[tokio::test]
async fn a_node_that_begins_waits_for_the_time_of_the_one_before() {
    let servers = Servers::start(VERSIONS[0], 1, &[]).await;
    let etcds = engines(&servers, 2).await;
    let before = etcds[0].grant(SECOND).await.expect("a lease").lease;
    fence(one(&etcds[0], "a#1", before, "x", ANEW).await);
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(
        etcds[0].renew(before).await,
        Ok(SECOND),
        "it is late, and its own"
    );
    tokio::time::sleep(2 * SECOND).await;
    let begin = tokio::time::Instant::now();
    let now = etcds[1].grant(60 * SECOND).await.expect("a lease").lease;
    until("it is ended", || async {
        let answer = one(&etcds[1], "b#1", now, "x", ANEW).await;
        matches!(answer, Ok(Answer::Acquired { .. })).then_some(())
    })
    .await;
    assert!(begin.elapsed() >= SECOND, "{:?}", begin.elapsed());
}

/// All of them at once, and a heartbeat that has no lease.
#[tokio::test]
async fn many_dead_nodes_are_ended_together() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let etcds = engines(&servers, 2).await;
        let live = etcds[0].grant(60 * SECOND).await.expect("a lease").lease;
        for key in 0..70 {
            let dead = etcds[1].grant(SECOND).await.expect("a lease").lease;
            fence(one(&etcds[1], "b#1", dead, &key.to_string(), ANEW).await);
        }
        let [name, value] = ["turnwise/tests/n/0000000000000001", "1000"]
            .map(|text| BASE64.encode(text.as_bytes()));
        let put = format!(r#"{{"key":"{name}","value":"{value}"}}"#);
        post(servers.port(0), "/v3/kv/put", &put)
            .await
            .expect("an answer");
        let (begin, end) = ("dHVybndpc2UvdGVzdHMv", "dHVybndpc2UvdGVzdHMw");
        let all = format!(r#"{{"key":"{begin}","range_end":"{end}","count_only":true}}"#);
        until("one heartbeat is left, and no key", || async {
            assert_eq!(etcds[0].renew(live).await, Ok(60 * SECOND));
            let found = post(servers.port(0), "/v3/kv/range", &all).await?;
            (found["count"] == "1").then_some(())
        })
        .await;
        assert_eq!(leases(&servers).await, 1);
    }
}

async fn leases(servers: &Servers) -> usize {
    let all = post(servers.port(0), "/v3/lease/leases", "{}").await;
    let all = all.expect("an answer");
    all["leases"].as_array().map_or(0, Vec::len)
}

/// The next try uses the lease of the one before.
#[tokio::test]
async fn a_grant_that_fails_leaves_one_lease() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &["--max-txn-ops=1"]).await;
        let etcd = connect(servers.urls()).await;
        for _ in 0..5 {
            assert!(matches!(etcd.grant(SECOND).await, Err(Fault::Failed(_))));
        }
        assert_eq!(leases(&servers).await, 1);
    }
}

/// A transaction of an earlier term that comes late does not tie the record to its lease, which nobody renews.
#[tokio::test]
async fn a_late_request_of_an_earlier_term_takes_nothing_with_it() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let etcd = connect(servers.urls()).await;
        let before = etcd.grant(2 * SECOND).await.expect("a lease").lease;
        let first = fence(one(&etcd, "a#1", before, "x", ANEW).await);
        let now = etcd.grant(60 * SECOND).await.expect("a lease").lease;
        let take = Action::Acquire { seen: Some(first) };
        let second = fence(one(&etcd, "a#1", now, "x", take).await);
        for late in [ANEW, take] {
            let ours = Ok(Answer::Ours { revision: second });
            assert_eq!(one(&etcd, "a#1", before, "x", late).await, ours);
        }
        assert_eq!(etcd.revoke(before).await, Ok(()));
        let ours = Ok(Answer::Ours { revision: second });
        assert_eq!(one(&etcd, "a#1", now, "x", Action::Look).await, ours);
        assert_eq!(one(&etcd, "b#1", now, "x", ANEW).await, other("a#1"));
    }
}

#[tokio::test]
async fn two_nodes() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let mut both = engines(&servers, 2).await.into_iter();
        let mut node = |name| Node::in_process(both.next().expect("two"), terms(name));
        let (a, b) = (node("a").expect("a thread"), node("b").expect("a thread"));
        let first = Held::acquire(&a, "x").await.expect("it is free");
        assert!(first.term().holds());
        let refused = Held::acquire(&b, "x").await;
        assert_eq!(
            refused.expect_err("it is a's"),
            NotOwned::Elsewhere("a".into())
        );
        let long = Held::acquire(&b, &"x".repeat(1025)).await;
        let NotOwned::Unavailable(why) = long.expect_err("its key is too long") else {
            panic!("nobody owns it");
        };
        assert!(why.contains("1024 bytes"), "{why}");
        let number = first.fence();
        first.release();
        let second = until("the key is released", || async {
            Held::acquire(&b, "x").await.ok()
        })
        .await;
        assert!(second.fence() > number);
        // b leaves, though its session has not been stopped: its lease expires.
        let number = second.fence();
        let begin = tokio::time::Instant::now();
        b.leave(async {}).await;
        let third = until("the lease expires", || async {
            Held::acquire(&a, "x").await.ok()
        })
        .await;
        println!(
            "etcd {}: {:?} from the owner's end to its successor",
            version.number(),
            begin.elapsed()
        );
        assert!(third.fence() > number);
        assert!(third.term().holds() && !second.term().holds());
    }
}

#[tokio::test]
async fn owners_are_found_and_listed() {
    for version in VERSIONS {
        let servers = Servers::start(version, 1, &[]).await;
        let etcd = connect(servers.urls()).await;
        let lease = etcd.grant(60 * SECOND).await.expect("a lease").lease;
        let high = [b"n", &[0xff; 3][..]].concat();
        let keys = [&b"m"[..], b"n", b"n1", &high, b"o"];
        let requests = keys.map(|key| Request {
            key: key.into(),
            action: ANEW,
        });
        let batch = Batch {
            requests: requests.into(),
            ..batch("10.0.0.1:7000#1", lease, &[])
        };
        etcd.ask(batch).await.expect("they are free");
        let owner = async |key| etcd.owner(key).await.expect("it answers");
        assert_eq!(owner(b"n").await.as_deref(), Some("10.0.0.1:7000#1"));
        assert_eq!(owner(b"").await, None);
        assert_eq!(owner(b"n2").await, None);
        let listed = async |begin, most| {
            let found = etcd.owners(begin, most).await.expect("it answers");
            let found = found.into_iter().map(|(key, owner)| {
                assert_eq!(Settings::name_of(&owner), "10.0.0.1:7000");
                key
            });
            found.collect::<Vec<_>>()
        };
        assert_eq!(listed(b"n", 9).await, [&b"n"[..], b"n1", &high]);
        assert_eq!(listed(b"", 9).await, keys);
        assert_eq!(listed(b"n", 2).await, [&b"n"[..], b"n1"]);
        assert_eq!(listed(&high, 9).await, [&high[..]]);
        assert!(listed(b"n", 0).await.is_empty());
    }
}
