//! B1, B2, B12 over the real manager: nodes that send to the same keys while one of them loses its link.

use crate::world::{Cluster, MILLI, ends_in, summary};

/// Two nodes and one key. The first one's link is cut for longer than its lease lives.
#[test]
fn two_nodes_and_one_key() {
    let ends = &["3 replies, 0 lost", "2 replies, 1 lost"];
    let of = ("b1_exclusion::two_nodes_and_one_key", "B1 B2 B12", 2);
    let rare = &["1 replies, 2 lost", "0 replies, 3 lost"];
    ends_in(of, ends, rare, || async {
        let (cluster, clock) = Cluster::new(2);
        cluster.world.cut(0, 100 * MILLI, 1500 * MILLI);
        let one = cluster
            .spawn(|of| async move { [of.deliver(0, "x", 1).await, of.deliver(0, "x", 2).await] });
        let other = cluster.spawn(|of| async move { of.deliver(1, "x", 3).await });
        let one = one.await.expect("it does not panic");
        let other = other.await.expect("it does not panic");
        cluster.end(clock).await;
        summary(&[&one[..], &[other]].concat())
    });
}

/// Three nodes and two keys. Two links are cut, one after the other.
#[test]
fn three_nodes_and_two_keys() {
    let ends = &["4 replies, 0 lost", "3 replies, 1 lost"];
    let rare = &[
        "2 replies, 2 lost",
        "1 replies, 3 lost",
        "0 replies, 4 lost",
    ];
    let of = ("b1_exclusion::three_nodes_and_two_keys", "B1 B2 B12", 3);
    ends_in(of, ends, rare, || async {
        let (cluster, clock) = Cluster::new(3);
        cluster.world.cut(0, 100 * MILLI, 1500 * MILLI);
        cluster.world.cut(1, 900 * MILLI, 2500 * MILLI);
        let sends = |machine: usize, keys: &'static [&'static str]| {
            cluster.spawn(move |of| async move {
                let mut ends = Vec::new();
                for (place, key) in keys.iter().enumerate() {
                    let message = (10 * machine + place) as u32;
                    ends.push(of.deliver(machine, key, message).await);
                }
                ends
            })
        };
        let tasks = [sends(0, &["x", "y"]), sends(1, &["y"]), sends(2, &["x"])];
        let mut ends = Vec::new();
        for task in tasks {
            ends.extend(task.await.expect("it does not panic"));
        }
        cluster.end(clock).await;
        summary(&ends)
    });
}
