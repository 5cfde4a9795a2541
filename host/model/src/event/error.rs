//! Why an event can't be read.

use thiserror::Error;

use crate::one_line;

/// Why an event can't be read. It says where and what, and never shows the event's own values.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EventError {
    /// The event's size in bytes.
    #[error("the event has {given} bytes, at most {limit} are allowed")]
    TooLarge {
        /// What was given.
        given: usize,
        /// The most that is allowed.
        limit: usize,
    },
    /// A member is missing, has the wrong type, or breaks a rule; or the text is not JSON.
    #[error("the event is wrong at `{path}` (line {line}, column {column}): {what}")]
    Invalid {
        /// Where in the event: `event.user.email`, for instance.
        path: String,
        /// The line in the text, counted from 1.
        line: usize,
        /// The column in that line, counted from 1.
        column: usize,
        /// What is wrong, without the value.
        what: String,
    },
}

impl EventError {
    pub(super) fn invalid(path: &str, error: &serde_json::Error) -> Self {
        // Where the parser doesn't know the member's name yet, it gives `?`.
        let path = path.trim_end_matches('?').trim_matches('.');
        let path = if path.is_empty() { "event".to_owned() } else { format!("event.{path}") };
        // The path has names of members as they were sent.
        let (path, what) = (one_line(&path), one_line(&without_value(&error.to_string())));
        Self::Invalid { path, line: error.line(), column: error.column(), what }
    }
}

/// The parser's text without its position, which stands elsewhere, and without the value that it
/// met, which may be personal data.
fn without_value(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    let Some((met, expected)) = message.rsplit_once(", expected ") else {
        return message.to_owned();
    };
    if met.starts_with("unknown variant ") {
        return format!("another word stands where {expected} should");
    }
    let Some(met) = met.strip_prefix("invalid type: ").or_else(|| met.strip_prefix("invalid value: ")) else {
        return message.to_owned();
    };
    let kind = met.split(['`', '"']).next().unwrap_or_default().trim_end();
    let kind = match kind {
        "string" => "a string",
        "integer" | "floating point" => "a number",
        "boolean" => "a boolean",
        "map" => "an object",
        "sequence" => "an array",
        other => other,
    };
    format!("{kind} stands where {expected} should")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_never_shown() {
        let message = r#"invalid type: string "alice@example.com, expected \"x\"", expected a map at line 3 column 9"#;
        assert_eq!(without_value(message), "a string stands where a map should");
        assert_eq!(without_value("invalid type: integer `5`, expected a string"), "a number stands where a string should");
        let message = "unknown variant `alice, expected `x``, expected `persistent` or `non-persistent` at line 3 column 9";
        assert_eq!(without_value(message), "another word stands where `persistent` or `non-persistent` should");
        assert_eq!(without_value("missing field `user` at line 9 column 1"), "missing field `user`");
        assert_eq!(without_value("expected value at line 1 column 1"), "expected value");
    }
}
