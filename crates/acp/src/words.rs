//! Texts and values of the agent that are kept: bounded in bytes.

use serde_json::Value;

/// Most of an error's text that is kept, in bytes.
pub(crate) const ERROR: usize = 16 << 10;
/// Most of a note or a short text.
pub(crate) const SHORT: usize = 1 << 10;

/// The begin of a text: at most `limit` bytes.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let limit = limit.min(text.len());
    let cut = (0..=limit).rev().find(|cut| text.is_char_boundary(*cut));
    &text[..cut.unwrap_or_default()]
}

/// The begin of a text, with a mark if there is more. At most `limit` bytes and the mark.
pub(crate) fn bounded(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        text.truncate(cut(&text, limit).len());
        text.push_str(" ...");
        // The rest of the allocation may be megabytes.
        text.shrink_to_fit();
    }
    text
}

/// The size of a value, or a little less. It was read from a line, so its nesting is limited by serde_json.
pub(crate) fn json_bytes(value: &Value) -> usize {
    let more = match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(json_bytes).sum(),
        Value::Object(fields) => {
            let bytes = |(name, value): (&String, &Value)| {
                size_of::<String>() + name.len() + json_bytes(value)
            };
            fields.iter().map(bytes).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of_val(value) + more
}
