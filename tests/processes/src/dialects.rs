//! Three ways to ask a model: OpenAI's chat completions and responses, Anthropic's messages.

use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    Chat,
    Responses,
    Messages,
}

/// What a request contains.
pub(crate) struct Said {
    /// What the user said: the last text of each message.
    pub(crate) user: Vec<String>,
    /// A tool's result, if it is the last.
    pub(crate) told: Option<String>,
}

impl Dialect {
    pub(crate) fn of(path: &str) -> Option<Self> {
        match path.rsplit('/').next() {
            Some("completions") => Some(Self::Chat),
            Some("responses") => Some(Self::Responses),
            Some("messages") => Some(Self::Messages),
            _ => None,
        }
    }

    pub(crate) fn said(self, request: &Value) -> Said {
        let list = match self {
            Self::Chat | Self::Messages => &request["messages"],
            Self::Responses => &request["input"],
        };
        let mut said = Said {
            user: Vec::new(),
            told: None,
        };
        for message in list.as_array().into_iter().flatten() {
            said.told = match self {
                Self::Chat => (message["role"] == "tool").then(|| text(&message["content"])),
                Self::Responses => {
                    (message["type"] == "function_call_output").then(|| text(&message["output"]))
                }
                Self::Messages => {
                    let last = message["content"]
                        .as_array()
                        .and_then(|blocks| blocks.last());
                    let result = last.filter(|block| block["type"] == "tool_result");
                    result.map(|block| text(&block["content"]))
                }
            };
            if message["role"] == "user" && said.told.is_none() {
                said.user.push(text(&message["content"]));
            }
        }
        said
    }

    pub(crate) fn begin(self, request: &Value) -> Vec<String> {
        match self {
            Self::Chat => Vec::new(),
            Self::Responses => vec![event(
                &json!({"type": "response.created", "response": {"id": id()}}),
            )],
            Self::Messages => {
                let message = json!({"id": id(), "type": "message", "role": "assistant", "content": [],
                    "model": request["model"], "stop_reason": null, "stop_sequence": null,
                    "usage": {"input_tokens": 10, "output_tokens": 1}});
                vec![
                    event(&json!({"type": "message_start", "message": message})),
                    event(
                        &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
                    ),
                ]
            }
        }
    }

    /// The begin of a text.
    pub(crate) fn begin_text(self) -> Vec<String> {
        match self {
            Self::Responses => {
                let item =
                    json!({"type": "message", "role": "assistant", "id": "m", "content": []});
                let added =
                    json!({"type": "response.output_item.added", "output_index": 0, "item": item});
                vec![event(&added)]
            }
            Self::Chat | Self::Messages => Vec::new(),
        }
    }

    /// A piece of the text.
    pub(crate) fn piece(self, text: &str) -> Vec<String> {
        vec![match self {
            Self::Chat => chunk(&json!({"role": "assistant", "content": text}), None),
            Self::Responses => event(
                &json!({"type": "response.output_text.delta", "item_id": "m",
                "output_index": 0, "content_index": 0, "delta": text}),
            ),
            Self::Messages => event(&json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": text}})),
        }]
    }

    /// The end of this text.
    pub(crate) fn end_text(self, text: &str) -> Vec<String> {
        match self {
            Self::Chat => vec![chunk(&json!({}), Some("stop")), done()],
            Self::Responses => {
                let content = json!([{"type": "output_text", "text": text}]);
                let item =
                    json!({"type": "message", "role": "assistant", "id": "m", "content": content});
                let item =
                    json!({"type": "response.output_item.done", "output_index": 0, "item": item});
                vec![event(&item), completed()]
            }
            Self::Messages => message_end("end_turn", 0).into(),
        }
    }

    /// A text that ends in the middle of a character, as JavaScript writes that, and serde_json would not.
    pub(crate) fn half(self) -> Vec<String> {
        let half = chunk(&json!({"role": "assistant", "content": "half ?"}), None);
        let half = half.replace('?', r"\ud83d");
        vec![half, chunk(&json!({}), Some("length")), done()]
    }

    /// A call of the tool that runs commands.
    pub(crate) fn tool(self, request: &Value, command: &str) -> Vec<String> {
        let names: Vec<&str> = request["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tool| {
                tool["name"]
                    .as_str()
                    .or_else(|| tool["function"]["name"].as_str())
            })
            .collect();
        let known = ["bash", "Bash", "run_shell_command", "exec_command"];
        let name = known
            .into_iter()
            .find(|name| names.contains(name))
            .unwrap_or("bash");
        let mut arguments = json!({"command": command, "description": "a command"});
        match name {
            "exec_command" => arguments = json!({"cmd": command}),
            "run_shell_command" => arguments["is_background"] = false.into(),
            _ => {}
        }
        let arguments = arguments.to_string();
        let id = id();
        match self {
            Self::Chat => {
                let function = json!({"name": name, "arguments": arguments});
                let call = json!({"index": 0, "id": id, "type": "function", "function": function});
                let call = json!({"role": "assistant", "tool_calls": [call]});
                vec![
                    chunk(&call, None),
                    chunk(&json!({}), Some("tool_calls")),
                    done(),
                ]
            }
            Self::Responses => {
                let item = json!({"type": "function_call", "id": id, "call_id": id, "name": name, "arguments": arguments});
                vec![
                    event(
                        &json!({"type": "response.output_item.done", "output_index": 0, "item": item}),
                    ),
                    completed(),
                ]
            }
            Self::Messages => {
                let block = json!({"type": "tool_use", "id": id, "name": name, "input": {}});
                let delta = json!({"type": "input_json_delta", "partial_json": arguments});
                let mut frames = vec![
                    event(&json!({"type": "content_block_stop", "index": 0})),
                    event(
                        &json!({"type": "content_block_start", "index": 1, "content_block": block}),
                    ),
                    event(&json!({"type": "content_block_delta", "index": 1, "delta": delta})),
                ];
                frames.extend(message_end("tool_use", 1));
                frames
            }
        }
    }
}

fn id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("id_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The last text of a message.
fn text(content: &Value) -> String {
    let last = |blocks: &Vec<Value>| {
        let mut texts = blocks.iter().filter_map(|block| block["text"].as_str());
        texts.next_back().unwrap_or_default().trim().to_owned()
    };
    content.as_array().map_or_else(
        || content.as_str().unwrap_or_default().trim().to_owned(),
        last,
    )
}

fn event(data: &Value) -> String {
    format!(
        "event: {}\ndata: {data}\n\n",
        data["type"].as_str().unwrap_or_default()
    )
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
    let mut chunk = json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "stub-1", "choices": [choice]});
    if finish.is_some() {
        chunk["usage"] = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15});
    }
    format!("data: {chunk}\n\n")
}

fn done() -> String {
    "data: [DONE]\n\n".to_owned()
}

fn completed() -> String {
    let usage = json!({"input_tokens": 10, "input_tokens_details": null, "output_tokens": 5,
        "output_tokens_details": null, "total_tokens": 15});
    event(&json!({"type": "response.completed", "response": {"id": id(), "usage": usage}}))
}

fn message_end(reason: &str, index: u32) -> [String; 3] {
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    [
        event(&json!({"type": "content_block_stop", "index": index})),
        event(&json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}})),
        event(&json!({"type": "message_stop"})),
    ]
}
