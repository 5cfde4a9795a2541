//! From a login's outcome to what is kept of it.

use serde_json::{Map, Value, json};
use vestibule::model::Outcome;
use vestibule::model::Timestamp;
use vestibule::model::outcome::{ActionReport, ActionResult, Decision, LogLine};
use vestibule_sessions::{Execution, ExecutionStatus, Trigger};

use super::Executed;

/// Bytes of the log of one Action, and of all of them: what an execution takes of its tenant's disk.
const ACTION_LOG: usize = 4 << 10;
const ALL_LOGS: usize = 16 << 10;
/// Characters of an Action's own words.
const MESSAGE: usize = 1_000;

/// What is kept of a login's Actions.
pub(super) fn execution(executed: Executed) -> Execution {
    let Executed { id, tenant, user, outcome, started } = executed;
    let mut results = Vec::with_capacity(outcome.actions.len());
    let mut at = started;
    let mut left = ALL_LOGS;
    for report in &outcome.actions {
        let ended = at.plus(report.duration);
        results.push(result(report, at, ended, &mut left));
        at = ended;
    }
    let has_run = |report: &&ActionReport| report.result != ActionResult::NotRun;
    let actions = outcome.actions.iter().filter(has_run).map(|report| report.action.name().to_owned()).collect();
    let mut body = Map::new();
    body.insert("results".to_owned(), results.into());
    body.insert("decision".to_owned(), crate::metrics::decision(&outcome.decision).into());
    body.insert("user_id".to_owned(), user.as_str().into());
    body.extend(outcome.session.id.as_ref().map(|session| ("session_id".to_owned(), session.as_str().into())));
    Execution {
        tenant,
        id,
        trigger: Trigger::PostLogin,
        status: status(&outcome),
        started_at: started,
        ended_at: at,
        actions,
        body,
    }
}

/// Whether the flow has come to its end: as a whole, with an Action that has failed, or not, since an Action has stopped it.
fn status(outcome: &Outcome) -> ExecutionStatus {
    let has_failed = outcome.actions.iter().any(|report| report.failure().is_some());
    match outcome.decision {
        _ if has_failed => ExecutionStatus::Partial,
        Decision::Failed { .. } => ExecutionStatus::Partial,
        Decision::Deny { .. } => ExecutionStatus::Canceled,
        Decision::Allow => ExecutionStatus::Final,
    }
}

fn result(report: &ActionReport, started: Timestamp, ended: Timestamp, left: &mut usize) -> Value {
    let mut shown = Map::new();
    shown.insert("action_name".to_owned(), report.action.name().into());
    shown.insert("version".to_owned(), report.action.version().into());
    shown.insert("result".to_owned(), report.result.name().into());
    shown.insert("started_at".to_owned(), started.to_string().into());
    shown.insert("ended_at".to_owned(), ended.to_string().into());
    if let ActionResult::Failed(failure) = &report.result {
        let message: String = failure.to_string().chars().take(MESSAGE).collect();
        shown.insert("error".to_owned(), json!({ "id": failure.kind(), "msg": message }));
    }
    shown.insert("fuel".to_owned(), report.fuel.into());
    shown.insert("peak_memory_bytes".to_owned(), report.peak_memory_bytes.into());
    let (log, is_cut) = log(&report.logs, ACTION_LOG.min(*left), left);
    shown.insert("log".to_owned(), log);
    shown.insert("log_cut".to_owned(), (is_cut || report.logs_cut).into());
    Value::Object(shown)
}

/// As many lines as fit, from the first one on; and whether there were more.
fn log(lines: &[LogLine], most: usize, left: &mut usize) -> (Value, bool) {
    let mut used = 0;
    let mut log = Vec::new();
    for line in lines {
        let bytes = line.message.len() + 16;
        if used + bytes > most {
            *left -= used;
            return (log.into(), true);
        }
        used += bytes;
        log.push(json!({ "level": line.level, "message": line.message }));
    }
    *left -= used;
    (log.into(), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule::model::outcome::Level;

    #[test]
    fn a_log_is_kept_as_far_as_it_fits() {
        let line = |length: usize| LogLine { level: Level::Info, message: "x".repeat(length) };
        let mut left = 250;
        let (kept, is_cut) = log(&[line(84), line(84), line(84)], 200, &mut left);
        assert_eq!((kept.as_array().unwrap().len(), is_cut, left), (2, true, 50));
        let (kept, is_cut) = log(&[line(4)], left, &mut left);
        assert_eq!((kept.as_array().unwrap().len(), is_cut, left), (1, false, 30));
    }
}
