//! A process of a cluster: `URLS FILE KEYS STOPS KIND` sends a message to each of so many keys all the time. After so many in a thousand
//! messages it stops the session. Sessions are processes if the kind is `guarded`. Prints `ready` when it owns all keys.

use etcd_tests::{Acts, terms};
use std::{error::Error, path::Path, process, sync::Arc, time::Duration};
use turnwise_cluster::{Node, testing::Chance};
use turnwise_etcd::Etcd;
use turnwise_process::{BootTime, Guard, GuardDeadline, Launcher};

fn main() -> Result<(), Box<dyn Error>> {
    Guard::init();
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [urls, file, keys, stops, kind] = &arguments[..] else {
        return Err("etcd-tests-member URLS FILE KEYS STOPS KIND".into());
    };
    let etcd = loop {
        match Etcd::builder("tests", urls.split(',')).connect().await {
            Ok(etcd) => break etcd,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let acts = Acts::new(Path::new(file));
    let (node, acts) = if kind == "guarded" {
        let deadline = GuardDeadline::new(BootTime::now());
        let launcher = Launcher::new().guard(Guard::until(&deadline));
        let begin = move || {
            let (before, deadline) = (BootTime::now(), deadline.clone());
            move |time| deadline.set(before + time)
        };
        let node = Node::guarded(etcd, terms("member"), begin)?;
        (node, acts.processes(launcher))
    } else {
        (Node::in_process(etcd, terms("member"))?, acts)
    };
    let manager = acts.manager(Arc::new(node));
    let (keys, stops): (usize, usize) = (keys.parse()?, stops.parse()?);
    let mut chance = Chance::new(process::id().into());
    let mut ready = false;
    loop {
        let mut owned = 0;
        for key in 0..keys {
            let key = format!("key {key}");
            owned += usize::from(manager.send_message(&key, key.clone()).await.is_ok());
            if chance.below(1000) < stops {
                manager.stop(&key).await.ok();
            }
        }
        if owned == keys && !std::mem::replace(&mut ready, true) {
            println!("ready");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
