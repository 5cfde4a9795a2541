//! The parameter `q` of `/api/v2/logs`: the part of Lucene's query syntax that tools send.
//! Conditions `FIELD:VALUE` and `FIELD:[FROM TO TO]`, joined by `AND`.

use thiserror::Error;
use vestibule::model::Timestamp;
use vestibule_sessions::{LogFilter, LogKind, LogPosition};

/// The longest query, in bytes.
const LONGEST: usize = 2_048;
/// Milliseconds of a day.
const DAY: u64 = 24 * 60 * 60 * 1_000;

/// Fields that are compared with a member of an entry.
const MEMBERS: [&str; 7] = ["client_id", "client_name", "connection", "ip", "organization_id", "session_id", "user_id"];

/// Why a query can't be answered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum QueryError {
    #[error("it has {given} bytes, at most {LONGEST} are allowed")]
    TooLong { given: usize },
    #[error(
        "`{field}` is not a field that is searched; it can be: type, date, log_id, {}", MEMBERS.join(", ")
    )]
    Field { field: String },
    #[error("there are two conditions on `{field}`; write one")]
    Twice { field: String },
    #[error(
        "`{text}` is not a condition; write FIELD:VALUE or FIELD:[FROM TO TO], joined by AND (OR, NOT, wildcards and parentheses are not supported)"
    )]
    Syntax { text: String },
    #[error("`{field}` takes no range")]
    Range { field: String },
    #[error("`date` takes a range such as [2026-11-24 TO 2026-11-25T09:30:00Z], with `*` for an open end")]
    Date,
    #[error("`log_id` takes the id of an entry, or a range such as [log_00000000000000000042 TO *]")]
    Id,
}

/// Reads a query. `None`: no entry can match, since Auth0's log has a type that this one hasn't.
pub(super) fn read(text: &str) -> Result<Option<LogFilter>, QueryError> {
    if text.len() > LONGEST {
        return Err(QueryError::TooLong { given: text.len() });
    }
    let mut filter = LogFilter::default();
    let mut fields: Vec<String> = Vec::new();
    let mut can_match = true;
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (field, after) = rest.split_once(':').ok_or_else(|| syntax(rest))?;
        let (value, after) = value(after)?;
        let name = if field == "_id" { "log_id" } else { field };
        if fields.iter().any(|known| known == name) {
            return Err(QueryError::Twice { field: name.to_owned() });
        }
        fields.push(name.to_owned());
        can_match &= apply(&mut filter, name, value)?;
        rest = match after.trim_start() {
            "" => "",
            more => more.strip_prefix("AND ").map(str::trim_start).filter(|more| !more.is_empty()).ok_or_else(|| syntax(more))?,
        };
    }
    Ok(can_match.then_some(filter))
}

/// What a condition compares with.
#[derive(Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    /// The ends, as they were written, and whether each belongs to the range.
    Range {
        from: (String, bool),
        to: (String, bool),
    },
}

/// A value, and the text after it.
fn value(text: &str) -> Result<(Value, &str), QueryError> {
    if let Some(inner) = text.strip_prefix(['[', '{']) {
        let end = inner.find([']', '}']).ok_or_else(|| syntax(text))?;
        let (from, to) = inner[..end].split_once(" TO ").ok_or_else(|| syntax(text))?;
        let end_of = |text: &str| text.trim().trim_matches('"').to_owned();
        let from = (end_of(from), text.starts_with('['));
        return Ok((Value::Range { from, to: (end_of(to), inner[end..].starts_with(']')) }, &inner[end + 1..]));
    }
    let (quoted, body) = text.strip_prefix('"').map_or((false, text), |body| (true, body));
    let mut value = String::new();
    let mut characters = body.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next().ok_or_else(|| syntax(text))?.1),
            '"' if quoted => return Ok((Value::Text(value), &body[at + 1..])),
            _ if quoted => value.push(character),
            ' ' if !value.is_empty() => return Ok((Value::Text(value), &body[at..])),
            ' ' | '*' | '?' | '(' | ')' | '"' | '~' | '^' => return Err(syntax(text)),
            _ => value.push(character),
        }
    }
    if quoted || value.is_empty() { Err(syntax(text)) } else { Ok((Value::Text(value), "")) }
}

/// Adds a condition to the filter. Whether an entry can match.
fn apply(filter: &mut LogFilter, field: &str, value: Value) -> Result<bool, QueryError> {
    match (field, value) {
        ("type", Value::Text(code)) => {
            filter.kind = LogKind::from_code(&code);
            return Ok(filter.kind.is_some());
        }
        ("date", Value::Range { from, to }) => {
            filter.since = end(&from.0, false)?.map(|at| if from.1 { at } else { later(at) });
            filter.until = match end(&to.0, to.1)? {
                // Nothing is before the first moment.
                Some(at) if !to.1 && at.as_millis() == 0 => return Ok(false),
                Some(at) if !to.1 => Some(Timestamp::from_millis(at.as_millis() - 1)),
                at => at,
            };
        }
        ("log_id", Value::Text(id)) => {
            let id: LogPosition = id.parse().map_err(|_| QueryError::Id)?;
            (filter.from, filter.to) = (Some(id), Some(id));
        }
        ("log_id", Value::Range { from, to }) if from.1 && to.1 => {
            let end = |text: &str| if text == "*" { Ok(None) } else { text.parse().map(Some).map_err(|_| QueryError::Id) };
            (filter.from, filter.to) = (end(&from.0)?, end(&to.0)?);
        }
        ("log_id", Value::Range { .. }) => return Err(QueryError::Id),
        ("date", Value::Text(_)) => return Err(QueryError::Date),
        ("type", Value::Range { .. }) => return Err(QueryError::Range { field: field.to_owned() }),
        (field, value) => {
            let name = MEMBERS.into_iter().find(|name| *name == field);
            let name = name.ok_or_else(|| QueryError::Field { field: field.chars().take(64).collect() })?;
            let Value::Text(text) = value else { return Err(QueryError::Range { field: field.to_owned() }) };
            filter.members.push((name, text));
        }
    }
    Ok(true)
}

/// An end of a range of dates: none for `*`. A day alone is its begin or, with `is_last`, its last
/// moment.
fn end(text: &str, is_last: bool) -> Result<Option<Timestamp>, QueryError> {
    if text == "*" {
        return Ok(None);
    }
    if let Ok(at) = text.parse() {
        return Ok(Some(at));
    }
    let begin: Timestamp = format!("{text}T00:00:00Z").parse().map_err(|_| QueryError::Date)?;
    Ok(Some(if is_last { Timestamp::from_millis(begin.as_millis() + DAY - 1) } else { begin }))
}

fn later(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add(1))
}

fn syntax(text: &str) -> QueryError {
    QueryError::Syntax { text: text.trim().chars().take(64).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> LogFilter {
        read(text).unwrap().unwrap()
    }

    #[test]
    fn conditions_that_tools_send_are_read() {
        assert_eq!(filter(""), LogFilter::default());
        let found = filter(r#"type:f AND user_id:auth0|1\:2 AND client_id:"a \"b\"""#);
        assert_eq!(found.kind, Some(LogKind::FailedLogin));
        assert_eq!(found.members, [("user_id", "auth0|1:2".to_owned()), ("client_id", "a \"b\"".to_owned())]);
        let tail = filter("log_id:[log_00000000000000000042 TO *]");
        assert_eq!((tail.from, tail.to), ("log_00000000000000000042".parse().ok(), None));
        assert_eq!(read("type:fp"), Ok(None), "Auth0 has this type, and this log hasn't");
    }

    #[test]
    fn dates_are_ranges_with_open_and_exclusive_ends() {
        let at = |text: &str| text.parse::<Timestamp>().ok();
        let found = filter("date:[2026-11-24 TO 2026-11-25]");
        assert_eq!((found.since, found.until), (at("2026-11-24T00:00:00Z"), at("2026-11-25T23:59:59.999Z")));
        let found = filter("date:{2026-11-24T09:30:00.000Z TO 2026-11-25}");
        assert_eq!((found.since, found.until), (at("2026-11-24T09:30:00.001Z"), at("2026-11-24T23:59:59.999Z")));
        let found = filter("date:[* TO \"2026-11-24T09:30:00+01:00\"]");
        assert_eq!((found.since, found.until), (None, at("2026-11-24T08:30:00Z")));
    }

    #[test]
    fn a_query_that_is_not_served_is_refused_and_not_ignored() {
        for wrong in [
            "type:s OR type:f",
            "NOT type:s",
            "type:(s f)",
            "type:f*",
            "type:f user_id:a",
            "type:",
            "f",
            "type:\"f",
            "date:2026-11-24",
            "date:[2026 TO *]",
            "user_name:a",
            "user_id:[a TO b]",
            "type:s AND type:f",
            "log_id:1",
            "type:s AND",
            "type:s AND ",
            "-type:s",
            "date:[2026-11-24",
            "_exists_:user_id",
        ] {
            assert!(read(wrong).is_err(), "{wrong}: {:?}", read(wrong));
        }
        assert!(matches!(read(&"a".repeat(LONGEST + 1)), Err(QueryError::TooLong { .. })));
    }
}
