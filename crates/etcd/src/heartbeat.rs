//! When a node is dead: its heartbeat was not renewed for its time to live, by the clock of a node that looked.
//!
//! The time to live of an etcd lease does not suffice. When a leader continues after a longer pause, it may revoke leases that were renewed
//! at its successor meanwhile. This was seen with 3.5.16; from that version on, etcd does not check its leadership while its clock ticks. So
//! etcd's leases live for a day here. They only tie records together, and clean up after the last node.
//!
//! A heartbeat is a record, which its node renews by a transaction. Each renewal also reads those of all nodes. One that has kept its
//! revision for its time to live is marked as ended, by a transaction that compares the revision. No renewal takes effect after that. Then the
//! lease is revoked, and with it all records of that node go at once.

use crate::wire::{decoded, number};
use data_encoding::BASE64;
use parking_lot::Mutex;
use serde_json::Value;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// The value of one that has ended. Otherwise it is the time to live in milliseconds.
const ENDED: &str = "0";

/// From one try to end a node to the next.
const PAUSE: Duration = Duration::from_millis(200);

/// The heartbeats of a cluster, as names of etcd.
pub(crate) struct Heartbeats {
    /// `PREFIX CLUSTER /n/`.
    root: String,
    others: Mutex<HashMap<u64, Other>>,
}

/// A heartbeat, as a read found it.
struct Other {
    revision: u64,
    /// Zero if it has ended.
    time: Duration,
    /// After the answer with this revision came. This clock may stand still while the machine is suspended: a node is never ended too early.
    since: Instant,
    tried: Option<Instant>,
}

/// A node whose time has passed.
#[derive(Clone, Copy)]
pub(crate) struct Overdue {
    pub(crate) lease: u64,
    /// `None` if it is marked already.
    pub(crate) revision: Option<u64>,
}

impl Heartbeats {
    pub(crate) fn new(root: &str) -> Self {
        Self {
            root: format!("{root}n/"),
            others: Mutex::default(),
        }
    }

    fn key(&self, lease: u64) -> String {
        let name = BASE64.encode(format!("{}{lease:016x}", self.root).as_bytes());
        format!(r#""key":"{name}""#)
    }

    fn all(&self) -> String {
        let begin = BASE64.encode(self.root.as_bytes());
        // The byte after `/`.
        let end = format!("{}0", self.root.trim_end_matches('/'));
        let end = BASE64.encode(end.as_bytes());
        format!(r#"{{"request_range":{{"key":"{begin}","range_end":"{end}"}}}}"#)
    }

    /// Writes the first one of a lease.
    pub(crate) fn begin(&self, lease: u64, time: Duration) -> String {
        let (key, all) = (self.key(lease), self.all());
        let value = BASE64.encode(time.as_millis().to_string().as_bytes());
        format!(
            r#"{{"compare":[{{{key},"target":"CREATE","result":"EQUAL","create_revision":"0"}}],"success":[{{"request_put":{{{key},"value":"{value}","lease":"{lease}"}}}},{all}]}}"#
        )
    }

    /// Changes nothing if it has ended.
    pub(crate) fn renewal(&self, lease: u64) -> String {
        let (key, all, ended) = (self.key(lease), self.all(), BASE64.encode(ENDED.as_bytes()));
        format!(
            r#"{{"compare":[{{{key},"target":"CREATE","result":"GREATER","create_revision":"0"}},{{{key},"target":"VALUE","result":"NOT_EQUAL","value":"{ended}"}}],"success":[{{"request_put":{{{key},"ignore_value":true,"ignore_lease":true}}}},{all}]}}"#
        )
    }

    /// Marks each of them that still has the revision at which it was overdue.
    pub(crate) fn marks(&self, overdue: &[Overdue]) -> String {
        let ended = BASE64.encode(ENDED.as_bytes());
        let marks = overdue.iter().map(|one| {
            let key = self.key(one.lease);
            // No record has this revision, so one that is marked already is only read. All missing records have the revision 0.
            let revision = one.revision.unwrap_or(i64::MAX.unsigned_abs());
            format!(
                r#"{{"request_txn":{{"compare":[{{{key},"target":"MOD","result":"EQUAL","mod_revision":"{revision}"}}],"success":[{{"request_put":{{{key},"value":"{ended}","ignore_lease":true}}}}],"failure":[{{"request_range":{{{key}}}}}]}}}}"#
            )
        });
        let marks: Vec<_> = marks.collect();
        format!(r#"{{"success":[{}]}}"#, marks.join(","))
    }

    /// Takes the answer to [`marks`](Self::marks), and returns the leases that have ended.
    pub(crate) fn marked(&self, overdue: &[Overdue], answer: &Value) -> Vec<u64> {
        let answers = answer["responses"].as_array().into_iter().flatten();
        let ended = overdue.iter().zip(answers).filter(|(_, answer)| {
            let mark = &answer["response_txn"];
            let found = &mark["responses"][0]["response_range"]["kvs"][0];
            let is_ended = |(_, _, time): (_, _, Duration)| time.is_zero();
            mark["succeeded"] == true || self.heartbeat(found).is_some_and(is_ended)
        });
        ended.map(|(one, _)| one.lease).collect()
    }

    /// Removes one that has ended and has no lease.
    pub(crate) fn removal(&self, lease: u64) -> String {
        let (key, ended) = (self.key(lease), BASE64.encode(ENDED.as_bytes()));
        format!(
            r#"{{"compare":[{{{key},"target":"VALUE","result":"EQUAL","value":"{ended}"}}],"success":[{{"request_delete_range":{{{key}}}}}]}}"#
        )
    }

    /// Takes the answer to [`begin`](Self::begin) or [`renewal`](Self::renewal), and returns this lease's time to live. `None` if nothing was
    /// written. `now` is read after the answer has come.
    pub(crate) fn seen(&self, ours: u64, answer: &Value, now: Instant) -> Option<Duration> {
        if answer["succeeded"] != true {
            return None;
        }
        let mut time = None;
        let mut before = self.others.lock();
        let mut others = HashMap::new();
        let found = answer["responses"][1]["response_range"]["kvs"].as_array();
        for record in found.into_iter().flatten() {
            // What is not a heartbeat is left alone.
            let Some((lease, revision, lives)) = self.heartbeat(record) else {
                continue;
            };
            if lease == ours {
                time = Some(lives);
                continue;
            }
            let same = before
                .remove(&lease)
                .filter(|other| other.revision == revision);
            let fresh = || Other {
                revision,
                time: lives,
                since: now,
                tried: None,
            };
            others.insert(lease, same.unwrap_or_else(fresh));
        }
        *before = others;
        time
    }

    fn heartbeat(&self, record: &Value) -> Option<(u64, u64, Duration)> {
        let text = |value| String::from_utf8(decoded(value).ok()?).ok();
        let name = text(&record["key"])?;
        let lease = u64::from_str_radix(name.strip_prefix(&self.root)?, 16).ok()?;
        let time = Duration::from_millis(text(&record["value"])?.parse().ok()?);
        Some((lease, number(&record["mod_revision"])?, time))
    }

    /// Those to be ended now. Each is returned again only after a pause.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<Overdue> {
        let mut others = self.others.lock();
        let mut overdue = Vec::new();
        for (&lease, other) in &mut *others {
            let since = |then| now.saturating_duration_since(then);
            let tried = other.tried.is_some_and(|tried| since(tried) < PAUSE);
            if since(other.since) >= other.time && !tried {
                other.tried = Some(now);
                let revision = (!other.time.is_zero()).then_some(other.revision);
                overdue.push(Overdue { lease, revision });
            }
        }
        overdue
    }
}
