//! Requests and answers, as the JSON of etcd's gateway.

use data_encoding::BASE64;
use serde_json::Value;
use std::sync::Arc;
use turnwise_cluster::{Action, Answer, Batch, Fault, Request};

/// Bits of a fence for the place in its batch: all keys of a transaction have one revision.
const PLACE: u32 = 7;
/// Requests of a batch. etcd allows 128 operations in a transaction, unless set otherwise.
const MOST: usize = 100;

/// Bytes of a key. A request of etcd has 1.5 MiB, unless set otherwise, and a batch names each key up to six times.
pub(crate) const LONGEST: usize = 1024;

pub(crate) fn failed(words: impl Into<Arc<str>>) -> Fault {
    Fault::Failed(words.into())
}

/// Higher for each later transaction, and another one for each key of it. Below 2^63.
pub(crate) fn fence(revision: u64, place: u64) -> Result<u64, Fault> {
    let fits = revision < 1 << (63 - PLACE) && place < 1 << PLACE;
    let fence = fits.then_some(revision << PLACE | place);
    fence.ok_or_else(|| {
        failed(format!(
            "etcd's revision {revision} is too high for a fence"
        ))
    })
}

/// Revision and place.
pub(crate) fn parts(fence: u64) -> (u64, u64) {
    (fence >> PLACE, fence & ((1 << PLACE) - 1))
}

/// What a record holds: the place makes the record's fence from its revision.
fn record(place: u64, owner: &str) -> String {
    BASE64.encode(format!("{place} {owner}").as_bytes())
}

/// A batch is one transaction. Each request has an if and an else of its own, nested in it.
///
/// All that goes in is base64 or a number, so nothing needs to be escaped.
pub(crate) fn transaction(root: &str, batch: &Batch) -> Result<String, Fault> {
    if batch.requests.len() > MOST {
        return Err(failed(format!("a batch has at most {MOST} requests")));
    }
    let requests = batch.requests.iter().enumerate();
    let operations: Vec<String> = requests
        .filter(|(_, request)| !is_too_long(request))
        .map(|(place, request)| operation(root, batch, place as u64, request))
        .collect();
    Ok(format!(r#"{{"success":[{}]}}"#, operations.join(",")))
}

fn is_too_long(request: &Request) -> bool {
    request.key.len() > LONGEST
}

fn operation(root: &str, batch: &Batch, place: u64, request: &Request) -> String {
    let key = BASE64.encode(&[root.as_bytes(), &request.key].concat());
    let key = format!(r#""key":"{key}""#);
    let get = format!(r#"{{"request_range":{{{key}}}}}"#);
    let create = |otherwise: &str| {
        let (value, lease) = (record(place, &batch.owner), batch.lease);
        let none = format!(r#"{{{key},"target":"CREATE","result":"EQUAL","create_revision":"0"}}"#);
        let put = format!(r#"{{"request_put":{{{key},"value":"{value}","lease":"{lease}"}}}}"#);
        (when(&none, &put, otherwise), put)
    };
    // The owner's name alone never suffices: a late transaction of an earlier term would tie the record to a lease that nobody renews.
    let as_seen = |seen: u64| {
        let (revision, place) = parts(seen);
        let value = record(place, &batch.owner);
        format!(
            r#"{{{key},"target":"MOD","result":"EQUAL","mod_revision":"{revision}"}},{{{key},"target":"VALUE","result":"EQUAL","value":"{value}"}}"#
        )
    };
    match request.action {
        Action::Acquire { seen: None } => create(&get).0,
        Action::Acquire { seen: Some(seen) } => {
            let (create, put) = create(&get);
            when(&as_seen(seen), &put, &create)
        }
        Action::Release { revision } => {
            let delete = format!(r#"{{"request_delete_range":{{{key}}}}}"#);
            when(&as_seen(revision), &delete, &get)
        }
        Action::Look => get,
    }
}

fn when(compare: &str, success: &str, failure: &str) -> String {
    format!(
        r#"{{"request_txn":{{"compare":[{compare}],"success":[{success}],"failure":[{failure}]}}}}"#
    )
}

/// The answers to [`transaction`].
pub(crate) fn answers(batch: &Batch, answer: &Value) -> Result<Vec<Answer>, Fault> {
    let odd = || failed("etcd answered something else than was asked");
    let revision = number(&answer["header"]["revision"]).ok_or_else(odd)?;
    // There are none if all keys are too long.
    let mut responses = answer["responses"].as_array().into_iter().flatten();
    let requests = batch.requests.iter().enumerate();
    let told = requests.map(|(place, request)| {
        if is_too_long(request) {
            let words = format!("its key has more than {LONGEST} bytes");
            return Ok(Answer::Refused(words.into()));
        }
        let mut response = responses.next().ok_or_else(odd)?;
        while let Some(inner) = response.get("response_txn") {
            response = inner["responses"].get(0).ok_or_else(odd)?;
        }
        if response.get("response_put").is_some() {
            let fence = fence(revision, place as u64)?;
            return Ok(Answer::Acquired { fence });
        }
        if response.get("response_delete_range").is_some() {
            return Ok(Answer::Free);
        }
        let range = response.get("response_range").ok_or_else(odd)?;
        let found = range["kvs"].get(0);
        found.map_or(Ok(Answer::Free), |found| look(found, &batch.owner))
    });
    let told = told.collect::<Result<_, _>>()?;
    match responses.next() {
        None => Ok(told),
        Some(_) => Err(odd()),
    }
}

/// A record that is there.
fn look(found: &Value, ours: &str) -> Result<Answer, Fault> {
    let value = decoded(&found["value"])?;
    let value = String::from_utf8(value).map_err(|_| foreign())?;
    let (place, owner) = value.split_once(' ').ok_or_else(foreign)?;
    if owner != ours {
        return Ok(Answer::Other {
            owner: owner.into(),
        });
    }
    let place = place.parse().map_err(|_| foreign())?;
    let revision = number(&found["mod_revision"]).ok_or_else(foreign)?;
    let revision = fence(revision, place)?;
    Ok(Answer::Ours { revision })
}

fn foreign() -> Fault {
    failed("etcd has a record that is not turnwise's: is the prefix used by something else?")
}

pub(crate) fn decoded(text: &Value) -> Result<Vec<u8>, Fault> {
    let text = text.as_str().unwrap_or_default();
    BASE64.decode(text.as_bytes()).map_err(|_| foreign())
}

/// Asks for one key, or for at most so many keys that begin with it.
pub(crate) fn range(root: &str, key: &[u8], most: Option<usize>) -> String {
    let begin = [root.as_bytes(), key].concat();
    let key = BASE64.encode(&begin);
    let Some(most) = most else {
        return format!(r#"{{"key":"{key}"}}"#);
    };
    // The first key that does not begin with it. A root is text, so it has a byte that can be raised.
    let mut end = begin;
    while end.last() == Some(&u8::MAX) {
        end.pop();
    }
    end.last_mut().into_iter().for_each(|last| *last += 1);
    let end = BASE64.encode(&end);
    format!(r#"{{"key":"{key}","range_end":"{end}","limit":"{most}"}}"#)
}

/// The answer to [`range`]: keys without the root, and the names in their records.
pub(crate) fn owners(root: &str, answer: &Value) -> Result<Vec<(Vec<u8>, Arc<str>)>, Fault> {
    let found = answer["kvs"].as_array().into_iter().flatten();
    let owner = |found: &Value| {
        let key = decoded(&found["key"])?;
        let key = key.strip_prefix(root.as_bytes()).ok_or_else(foreign)?;
        // An owner's name is never empty, so the record is another's.
        match look(found, "")? {
            Answer::Other { owner } => Ok((key.to_vec(), owner)),
            _ => Err(foreign()),
        }
    };
    found.map(owner).collect()
}

/// etcd's 64-bit numbers are strings.
pub(crate) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The first object of an answer, without what the gateway wraps the answers of a stream into. An error is its words.
pub(crate) fn unwrapped(text: &[u8]) -> Result<Value, String> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
    let Some(mut value) = values.next().and_then(Result::ok).filter(Value::is_object) else {
        let text = String::from_utf8_lossy(text);
        let text: String = text.trim().chars().take(200).collect();
        return Err(if text.is_empty() {
            "an empty answer".to_owned()
        } else {
            text
        });
    };
    let error = &value["error"];
    let words = [&error["message"], error, &value["message"]];
    if let Some(words) = words.into_iter().find_map(Value::as_str) {
        return Err(words.to_owned());
    }
    Ok(match value.get_mut("result") {
        Some(result) => result.take(),
        None => value,
    })
}

/// A token that etcd does not take any more. Nothing was changed.
pub(crate) fn is_token(words: &str) -> bool {
    let stale = [
        "invalid auth token",
        "revision of auth store is old",
        "user name is empty",
    ];
    stale.iter().any(|stale| words.contains(stale))
}

/// Nothing was changed.
pub(crate) fn is_gone(words: &str) -> bool {
    words.contains("requested lease not found")
}

/// `None` if no lease is revoked early; `Err` if there is no gateway at all.
pub(crate) fn warning(version: &str) -> Result<Option<String>, String> {
    let numbers = version.split(['.', '-', '+']);
    let mut numbers = numbers.map_while(|number| number.parse::<u64>().ok());
    let mut next = || numbers.next().unwrap_or_default();
    let version_of = (next(), next(), next());
    if version_of < (3, 4, 0) {
        return Err(format!(
            "etcd {version} is too old: 3.4 is the oldest that works"
        ));
    }
    let fixed = version_of >= (3, 5, 13) || ((3, 4, 31)..(3, 5, 0)).contains(&version_of);
    Ok((!fixed).then(|| {
        format!(
            "etcd {version}: before 3.4.31 and 3.5.13 leases may be revoked early (etcd issue 15247): \
             those of turnwise only if a leader is stuck for a day. Upgrade etcd."
        )
    }))
}
