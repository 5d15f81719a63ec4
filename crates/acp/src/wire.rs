//! One line of an agent, and one line for it: JSON-RPC 2.0.
//!
//! | line | read as |
//! |---|---|
//! | blank; a response to an id that is not a number of ours | nothing |
//! | a method with an id | a request |
//! | a method without an id | a notification |
//! | an id, and a result or an error | a response |
//! | any other; an error without an id, which reports that a line of ours was not read | a fault: nothing that follows can be relied upon |

use crate::words::{self, bounded};
use serde_json::{Map, Value, json};

/// What a line contains.
#[derive(Debug, PartialEq)]
pub(crate) enum Incoming {
    Nothing,
    Response(u64, Result<Value, Refusal>),
    Request(Value, String, Value),
    Notification(String, Value),
}

/// An error of JSON-RPC.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    pub(crate) message: String,
}

/// Reads a line.
///
/// # Errors
///
/// The fault.
pub(crate) fn read(line: &[u8]) -> Result<Incoming, String> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return Ok(Incoming::Nothing);
    }
    let excerpt = || {
        let begin = &line[..line.len().min(words::SHORT)];
        format!("{:?}", String::from_utf8_lossy(begin))
    };
    let mut message: Map<String, Value> =
        serde_json::from_slice(line).map_err(|error| format!("{error} in {}", excerpt()))?;
    let id = message.remove("id");
    match (message.remove("method"), id) {
        (Some(Value::String(method)), id) => {
            let params = message.remove("params").unwrap_or_default();
            Ok(match id {
                Some(id) => Incoming::Request(id, method, params),
                None => Incoming::Notification(method, params),
            })
        }
        (Some(_), _) => Err(format!("a method that is no text in {}", excerpt())),
        (None, Some(id)) => {
            let result = match message.remove("error") {
                None | Some(Value::Null) => Ok(message.remove("result").unwrap_or_default()),
                Some(error) => Err(refusal(&error)),
            };
            match (id.as_u64(), result) {
                (Some(id), result) => Ok(Incoming::Response(id, result)),
                (None, Err(error)) if id.is_null() => Err(error.message),
                (None, _) => Ok(Incoming::Nothing),
            }
        }
        (None, None) => Err(format!("neither a method nor an id in {}", excerpt())),
    }
}

/// Agents put the reason into `data`, in one of two shapes.
fn refusal(error: &Value) -> Refusal {
    let data = &error["data"];
    let reason = data.as_str().or_else(|| data["details"].as_str());
    let message = error["message"].as_str().unwrap_or("without a reason");
    let message = match reason {
        Some(reason) => format!("{message}: {reason}"),
        None => message.to_owned(),
    };
    Refusal {
        code: error["code"].as_i64().unwrap_or_default(),
        message: bounded(message, words::ERROR),
    }
}

/// A request for the agent.
pub(crate) fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

/// A notification for the agent.
pub(crate) fn notification(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

/// The refusal of a request of the agent.
pub(crate) fn refuse(id: &Value, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

/// The answer to a question: an option, or that nobody chose one.
pub(crate) fn outcome(id: &Value, option: Option<&str>) -> Value {
    let outcome = match option {
        Some(option) => json!({"outcome": "selected", "optionId": option}),
        None => json!({"outcome": "cancelled"}),
    };
    json!({"jsonrpc": "2.0", "id": id, "result": {"outcome": outcome}})
}

/// What this crate offers: no files and no terminals.
pub(crate) fn initialize() -> Value {
    let files = json!({"readTextFile": false, "writeTextFile": false});
    json!({
        "protocolVersion": 1,
        "clientCapabilities": {"fs": files, "terminal": false},
        "clientInfo": {"name": "turnwise-acp", "title": "turnwise", "version": env!("CARGO_PKG_VERSION")},
    })
}

/// What the agent can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities {
    pub(crate) load: bool,
    pub(crate) resume: bool,
    pub(crate) close: bool,
    pub(crate) image: bool,
    pub(crate) embedded: bool,
    pub(crate) methods: Vec<String>,
}

impl Capabilities {
    /// From the response to `initialize`.
    ///
    /// # Errors
    ///
    /// The version of the agent, if it is not 1.
    pub(crate) fn read(result: &Value) -> Result<Self, String> {
        let version = &result["protocolVersion"];
        if *version != 1 {
            return Err(bounded(version.to_string(), words::SHORT));
        }
        let can = &result["agentCapabilities"];
        let session = |name: &str| can["sessionCapabilities"][name].is_object();
        let prompt = |name: &str| can["promptCapabilities"][name] == true;
        let methods = result["authMethods"].as_array().into_iter().flatten();
        let id = |method: &Value| Some(bounded(method["id"].as_str()?.to_owned(), words::SHORT));
        Ok(Self {
            load: can["loadSession"] == true,
            resume: session("resume"),
            close: session("close"),
            image: prompt("image"),
            embedded: prompt("embeddedContext"),
            methods: methods.filter_map(id).take(16).collect(),
        })
    }
}
