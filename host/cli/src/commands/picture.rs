//! What a flow has come to, for people.

use std::fmt::Write as _;

use serde_json::Value;
use vestibule::model::outcome::{
    ActionReport, ActionResult, Decision, Frame, Level, Multifactor, Place, SessionOutcome, TokenOutcome,
};
use vestibule::model::{ActionId, Event, Outcome};

use crate::table::{Table, megabytes, printable, thousands};

/// The outcome of a login as a picture: the decision, what changes, and each Action.
pub(crate) fn of(event: &Event, outcome: &Outcome) -> String {
    let mut picture = format!("\n {}\n\n", headline(event, outcome));
    let mut changes = Table::default();
    session(&mut changes, event, &outcome.session);
    token(&mut changes, "access token", outcome.access_token.as_ref());
    token(&mut changes, "ID token", outcome.id_token.as_ref());
    let user = &outcome.user;
    members(&mut changes, "user metadata", user.user_metadata.iter().map(|(name, change)| (name, &change.value, &change.action)));
    members(&mut changes, "app metadata", user.app_metadata.iter().map(|(name, change)| (name, &change.value, &change.action)));
    rest(&mut changes, outcome);
    let changes = changes.to_string();
    if changes.is_empty() {
        picture.push_str("   nothing changes\n");
    } else {
        picture.push_str(&changes);
    }
    let mut actions = Table::default();
    actions.row(["Action", "result", "time", "fuel", "memory", "log"]);
    for report in &outcome.actions {
        action(&mut actions, report);
    }
    let _ = write!(picture, "\n{actions}");
    for report in &outcome.actions {
        picture.push_str(&requests(report));
        picture.push_str(&log(report));
    }
    picture.push('\n');
    picture
}

/// Where a failed Action's own code has failed, and what it was doing there: the lines under its
/// error.
pub(crate) fn trace(report: &ActionReport) -> String {
    let mut text = String::new();
    if let Some(place) = &report.place {
        let _ = writeln!(text, "    at {}", printable(&near(place)));
    }
    let mut frames: Vec<&Frame> = report.trace.iter().filter(|frame| frame.is_own()).collect();
    if frames.is_empty() {
        // Without symbols nobody can tell whose code it is; and where a loop begins, no line is
        // known.
        frames = report.trace.iter().filter(|frame| frame.place.is_none()).collect();
    }
    for frame in frames {
        let place = frame.place.as_ref().map(|place| format!(" ({})", near(place))).unwrap_or_default();
        let name = frame.function.clone().unwrap_or_else(|| frame.code());
        let _ = writeln!(text, "    in {}", printable(&format!("{name}{place}")));
    }
    text
}

/// A place, as a path from here where it lies below.
fn near(place: &Place) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    let file = std::path::Path::new(&place.file);
    let file = file.strip_prefix(&here).unwrap_or(file).display().to_string();
    Place { file, ..place.clone() }.to_string()
}

fn headline(event: &Event, outcome: &Outcome) -> String {
    let mut headline = format!("Login of {}", event.user.id);
    if let Some(organization) = &event.organization {
        let name = organization.display_name.as_ref().unwrap_or(&organization.name);
        let _ = write!(headline, " to organization {name}");
    }
    match &outcome.decision {
        Decision::Allow => headline.push_str(": allowed"),
        Decision::Deny { reason, action } => {
            let _ = write!(headline, ": denied by {}: {reason}", action.name());
        }
        Decision::Failed { action, .. } => {
            let _ = write!(headline, ": failed by {}, so nothing changes", action.name());
        }
    }
    printable(&headline)
}

/// Before and after of the session's metadata, and what else becomes of the session.
fn session(table: &mut Table, event: &Event, session: &SessionOutcome) {
    let before = event.session.as_ref().map(|session| &session.metadata);
    let mut keys: Vec<&str> = before.iter().flat_map(|metadata| metadata.iter()).map(|(key, _)| key.as_str()).collect();
    keys.extend(session.metadata.iter().map(|(key, _)| key.as_str()));
    keys.sort_unstable();
    keys.dedup();
    if event.session.is_none() {
        table.row(["session", "none in this login", "", ""]);
    } else if !keys.is_empty() {
        table.row(["session metadata", "before", "after", ""]);
    }
    for key in keys {
        let before = before.and_then(|metadata| metadata.get(key)).unwrap_or_default();
        let by = session.metadata_changes.get(key).map(|change| author(&change.action)).unwrap_or_default();
        let after = session.metadata.get(key).unwrap_or(if by.is_empty() { "" } else { "(deleted)" });
        table.row([key, before, after, &by]);
    }
    let times = [("session expires", session.expires_at), ("session expires if idle", session.idle_expires_at)];
    for (what, at) in times {
        if let Some(at) = at {
            table.row([what, "", &at.to_string(), ""]);
        }
    }
    if let Some(mode) = session.cookie_mode {
        table.row(["session cookie", "", &text(&serde_json::to_value(mode).unwrap_or_default()), ""]);
    }
    if let Some(revoked) = &session.revoked {
        let kept = if revoked.preserve_refresh_tokens { "refresh tokens live on" } else { "with its refresh tokens" };
        table.row(["session revoked", &revoked.reason, kept, &author(&revoked.action)]);
    }
}

fn token(table: &mut Table, what: &str, token: Option<&TokenOutcome>) {
    let Some(token) = token else { return };
    if token.claims.is_empty() && token.added_scopes.is_empty() && token.removed_scopes.is_empty() {
        return;
    }
    table.row([what, "", "", ""]);
    for (name, change) in &token.claims {
        table.row([name, "", &text(&change.value), &author(&change.action)]);
    }
    for (scope, action) in &token.added_scopes {
        table.row([&format!("+ {scope}"), "", "", &author(action)]);
    }
    for (scope, action) in &token.removed_scopes {
        table.row([&format!("- {scope}"), "", "", &author(action)]);
    }
}

fn members<'a>(table: &mut Table, what: &str, members: impl Iterator<Item = (&'a String, &'a Option<Value>, &'a ActionId)>) {
    let mut what = Some(what);
    for (name, value, action) in members {
        if let Some(what) = what.take() {
            table.row([what, "", "", ""]);
        }
        table.row([name, "", &value.as_ref().map_or("(removed)".to_owned(), text), &author(action)]);
    }
}

/// What fewer Actions ask for: of the refresh token, a second factor, the SAML response and the
/// cache.
fn rest(table: &mut Table, outcome: &Outcome) {
    if let Some(token) = &outcome.refresh_token {
        for (key, change) in &token.metadata_changes {
            let value = change.value.as_deref().unwrap_or("(deleted)");
            table.row([&format!("refresh token {key}"), "", value, &author(&change.action)]);
        }
        let times = [("refresh token expires", token.expires_at), ("refresh token expires if idle", token.idle_expires_at)];
        for (what, at) in times {
            if let Some(at) = at {
                table.row([what, "", &at.to_string(), ""]);
            }
        }
        if let Some(revoked) = &token.revoked {
            table.row(["refresh token revoked", "", &revoked.value, &author(&revoked.action)]);
        }
    }
    if let Some(Multifactor { provider, action, .. }) = &outcome.multifactor {
        let provider = text(&serde_json::to_value(provider).unwrap_or_default());
        table.row(["second factor required", "", &provider, &author(action)]);
    }
    if let Some(saml) = &outcome.saml_response {
        members(table, "SAML attributes", saml.attributes.iter().map(|(name, change)| (name, &change.value, &change.action)));
        if let Ok(Value::Object(asked)) = serde_json::to_value(&saml.response) {
            for (name, value) in &asked {
                table.row([&format!("SAML {}", name.replace('_', " ")), "", &text(value), ""]);
            }
        }
    }
    for (key, change) in &outcome.cache.changes {
        let value = change.value.as_ref().map_or("(deleted)", |entry| entry.value.as_str());
        table.row([&format!("cache {key}"), "", value, &author(&change.action)]);
    }
}

fn author(action: &ActionId) -> String {
    format!("← {}", action.name())
}

/// A string as it is, anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn action(table: &mut Table, report: &ActionReport) {
    let lines = match report.logs.len() {
        0 => "–".to_owned(),
        1 => "1 line".to_owned(),
        lines => format!("{lines} lines"),
    };
    let name = report.action.name();
    if report.result == ActionResult::NotRun {
        return table.row([name, "not run", "–", "–", "–", "–"]);
    }
    let time = format!("{} µs", thousands(u64::try_from(report.duration.as_micros()).unwrap_or(u64::MAX)));
    let fuel = report.fuel.map_or("–".to_owned(), thousands);
    table.row([name, report.result.name(), &time, &fuel, &megabytes(report.peak_memory_bytes), &lines]);
}

fn requests(report: &ActionReport) -> String {
    if report.requests.is_empty() {
        return String::new();
    }
    let mut table = Table::default();
    let mut errors = String::new();
    for request in &report.requests {
        let status = match (&request.status, &request.error) {
            (Some(status), _) => status.to_string(),
            (None, Some(_)) => "failed".to_owned(),
            (None, None) => "no answer yet".to_owned(),
        };
        let bytes = format!("{} sent, {} received", thousands(request.bytes_sent), thousands(request.bytes_received));
        let time = format!("{} µs", thousands(u64::try_from(request.duration.as_micros()).unwrap_or(u64::MAX)));
        table.row([&request.method, &request.origin, &status, &bytes, &time]);
        if let Some(error) = &request.error {
            let _ = writeln!(
                errors,
                "   → {} {}: {}",
                printable(&request.method),
                printable(&request.origin),
                printable(&error.to_string())
            );
        }
    }
    format!("\n   Requests of {}\n{table}{errors}", report.action.name())
}

fn log(report: &ActionReport) -> String {
    let mut text = String::new();
    if !report.logs.is_empty() {
        let _ = write!(text, "\n   Log of {}\n", report.action.name());
    }
    for line in &report.logs {
        let level = match line.level {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        };
        let _ = writeln!(text, "   {level:<5}  {}", printable(&line.message));
    }
    if report.logs_cut {
        text.push_str("   … the rest was cut: the log's budget is used up\n");
    }
    text
}
