//! Three processes and three members of etcd, all of which are killed, stopped and cut off at random, from a seed.

use crate::managers::member;
use etcd_tests::{Family, Proxy, Servers, VERSIONS, Witness, until};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use turnwise_cluster::testing::Chance;

const KEYS: usize = 8;

fn variable(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A process, and its links to the members.
struct Machine {
    process: Family,
    links: Vec<Proxy>,
}

impl Machine {
    async fn start(servers: &Servers, witness: &Witness, at: usize, kind: &str) -> Self {
        let mut links = Vec::new();
        for member in 0..3 {
            links.push(Proxy::start(servers.port((at + member) % 3)).await);
        }
        let process = Self::process(&links, witness, kind);
        Self { process, links }
    }

    fn process(links: &[Proxy], witness: &Witness, kind: &str) -> Family {
        let urls = links
            .iter()
            .map(|link| format!("http://127.0.0.1:{}", link.port()));
        let urls: Vec<_> = urls.collect();
        member(&urls.join(","), witness, KEYS, 10, kind)
    }

    fn cut(&self, cut: bool) {
        self.links.iter().for_each(|link| link.cut_all(cut));
    }
}

/// `just chaos SECONDS` goes on for longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos() {
    goes_wrong("in process").await;
}

/// Sessions are processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chaos_of_guarded_sessions() {
    goes_wrong("guarded").await;
}

async fn goes_wrong(kind: &str) {
    let seed = variable("TURNWISE_SEED", 1);
    let time = variable("TURNWISE_CHAOS_SECONDS", 60);
    let mut chance = Chance::new(seed);
    let mut servers = Servers::start(VERSIONS[0], 3, &[]).await;
    let witness = Witness::default();
    let mut machines = Vec::new();
    for at in 0..3 {
        machines.push(Machine::start(&servers, &witness, at, kind).await);
    }
    let (mut faults, mut stopped) = (0, 0);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(time) {
        sleep(chance.seconds(0.2, 2.0)).await;
        let at = chance.below(3);
        let long = chance.seconds(0.5, 6.0);
        faults += 1;
        match chance.below(6) {
            0 => {
                let links = std::mem::take(&mut machines[at].links);
                machines[at].process.kill();
                sleep(long / 4).await;
                machines[at].process = Machine::process(&links, &witness, kind);
                machines[at].links = links;
            }
            1 => {
                stopped += 1;
                machines[at].process.pause();
                sleep(long).await;
                machines[at].process.resume();
            }
            2 => {
                machines[at].cut(true);
                sleep(long).await;
                machines[at].cut(false);
            }
            3 => {
                servers.kill(at);
                sleep(long / 4).await;
                servers.restart(at);
            }
            4 => {
                servers.process(at).pause();
                sleep(long).await;
                servers.process(at).resume();
            }
            _ => {
                servers.cut(at, true).await;
                sleep(long).await;
                servers.cut(at, false).await;
            }
        }
    }
    // It goes on when all is well again.
    let (before, _) = witness.acts();
    until("there are acts", || async {
        (witness.acts().0 > before + 50 * KEYS).then_some(())
    })
    .await;
    let (acts, stale) = witness.acts();
    let (sessions, most) = (witness.sessions(), witness.most_stale());
    println!(
        "{kind}, seed {seed}: {faults} faults ({stopped} stopped), {sessions} sessions, {acts} acts, {stale} stale, {most} of one session"
    );
    // A process may have been stopped between its look at the clock and its act.
    assert!(stale <= stopped, "seed {seed}: {stale} of {acts} acts");
    // Before the next act of a session in a process there is another look. A guard may be late by more than one act.
    assert!(
        kind == "guarded" || most <= 1,
        "seed {seed}: {most} stale acts of one session"
    );
}
