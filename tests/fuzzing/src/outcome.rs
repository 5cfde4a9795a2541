//! What holds for the outcome of a login with one Action, whatever the Action did.

use vestibule::limits::Limits;
use vestibule::model::outcome::{ActionResult, Decision, Failure};
use vestibule::model::{Event, Outcome};

/// Holds an outcome against what every outcome promises.
pub(crate) fn check(outcome: &Outcome, event: &Event, limits: &Limits) {
    let [report] = outcome.actions.as_slice() else { panic!("one Action has {} reports", outcome.actions.len()) };
    assert!(report.peak_memory_bytes <= limits.memory, "{} bytes of memory", report.peak_memory_bytes);
    assert!(report.logs.len() <= limits.log_lines, "{} lines of log", report.logs.len());
    let log_bytes: usize = report.logs.iter().map(|line| line.message.len()).sum();
    assert!(log_bytes <= limits.log_bytes, "{log_bytes} bytes of log");
    let is_one_line = report.logs.iter().all(|line| !line.message.chars().any(char::is_control));
    assert!(is_one_line, "a line of log with control characters: {:?}", report.logs);
    match &outcome.decision {
        Decision::Allow => assert_eq!(report.result, ActionResult::Ok),
        Decision::Deny { action, .. } => {
            assert_eq!(action, &report.action);
            assert!(matches!(report.result, ActionResult::Denied | ActionResult::Revoked), "{:?}", report.result);
            assert!(outcome.access_token.is_none() && outcome.id_token.is_none(), "a denied login issues tokens");
        }
        Decision::Failed { action, error } => {
            assert_eq!(action, &report.action);
            assert_eq!(Some(error), report.failure());
            assert!(!matches!(error, Failure::HostPanicked | Failure::Busy), "the host failed, and not the Action: {error}");
            changes_nothing(outcome, event);
        }
    }
    serde_json::to_string(outcome).expect("an outcome is JSON");
}

/// A failed login leaves everything as it was.
fn changes_nothing(outcome: &Outcome, event: &Event) {
    let metadata = event.session.as_ref().map(|session| session.metadata.clone());
    assert_eq!(outcome.session.metadata, metadata.unwrap_or_default(), "other session metadata");
    assert!(outcome.session.metadata_changes.is_empty() && !outcome.session.metadata_evicted, "changed session metadata");
    assert!(outcome.session.revoked.is_none() && outcome.session.cookie_mode.is_none(), "a changed session");
    assert!(outcome.session.expires_at.is_none() && outcome.session.idle_expires_at.is_none(), "another end of the session");
    assert!(outcome.access_token.is_none() && outcome.id_token.is_none(), "tokens are issued");
    assert!(outcome.user.user_metadata.is_empty() && outcome.user.app_metadata.is_empty(), "a changed user");
    assert!(outcome.refresh_token.is_none() && outcome.multifactor.is_none(), "a changed refresh token, or a second factor");
    assert!(outcome.saml_response.is_none() && outcome.cache.changes.is_empty(), "a SAML response, or a changed cache");
    let metadata = event.transaction.as_ref().map(|transaction| transaction.metadata.clone());
    assert_eq!(outcome.transaction.metadata, metadata.unwrap_or_default(), "other transaction metadata");
}
