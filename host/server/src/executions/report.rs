//! From a login's outcome to what is kept of it.

use std::time::Duration;

use serde_json::{Map, Value, json};
use vestibule::model::outcome::{ActionReport, ActionResult, Decision, LogLine};
use vestibule::model::{ActionId, Outcome, SessionId, TenantId, Timestamp, UserId};
use vestibule_sessions::{Execution, ExecutionStatus, ExecutionUid, Trigger};

use super::Executed;

/// Bytes of the log of one Action, and of all of them: what an execution takes of its tenant's
/// disk.
const ACTION_LOG: usize = 4 << 10;
const ALL_LOGS: usize = 16 << 10;
/// Bytes that a line takes beside its text.
const LINE: usize = 16;
/// Characters of an Action's own words.
const MESSAGE: usize = 1_000;

/// What is kept of a login's Actions, as it waits to be written: no more of its outcome than that,
/// since thousands may wait.
#[derive(Debug)]
pub(super) struct Kept {
    id: ExecutionUid,
    tenant: TenantId,
    user: UserId,
    session: Option<SessionId>,
    status: ExecutionStatus,
    decision: &'static str,
    started: Timestamp,
    actions: Vec<Ran>,
}

/// What is kept of one Action.
#[derive(Debug)]
struct Ran {
    action: ActionId,
    result: &'static str,
    has_run: bool,
    /// Why it has failed: a word, and a text.
    error: Option<(&'static str, String)>,
    duration: Duration,
    fuel: Option<u64>,
    peak_memory_bytes: usize,
    log: Vec<LogLine>,
    log_cut: bool,
}

impl Kept {
    /// Takes what is kept. It is done where a login is answered: nothing is written out.
    pub(super) fn of(executed: Executed) -> Self {
        let Executed { id, tenant, user, outcome, started } = executed;
        let (status, decision) = (status(&outcome), crate::metrics::decision(&outcome.decision));
        let Outcome { actions, session, .. } = *outcome;
        let mut left = ALL_LOGS;
        let actions = actions.into_iter().map(|report| Ran::of(report, &mut left)).collect();
        Self { id, tenant, user, session: session.id, status, decision, started, actions }
    }

    /// Whether somebody may look for it: the login was not allowed, or an Action has failed.
    pub(super) fn has_failed(executed: &Executed) -> bool {
        let outcome = &executed.outcome;
        !matches!(outcome.decision, Decision::Allow) || outcome.actions.iter().any(|report| report.failure().is_some())
    }

    /// As it is written.
    pub(super) fn execution(self) -> Execution {
        let Self { id, tenant, user, session, status, decision, started, actions } = self;
        let mut results = Vec::with_capacity(actions.len());
        let mut at = started;
        for action in &actions {
            let ended = at.plus(action.duration);
            results.push(action.shown(at, ended));
            at = ended;
        }
        let ran = actions.iter().filter(|action| action.has_run);
        let actions = ran.map(|action| action.action.name().to_owned()).collect();
        let mut body = Map::new();
        body.insert("results".to_owned(), results.into());
        body.insert("decision".to_owned(), decision.into());
        body.insert("user_id".to_owned(), user.as_str().into());
        body.extend(session.as_ref().map(|session| ("session_id".to_owned(), session.as_str().into())));
        Execution { tenant, id, trigger: Trigger::PostLogin, status, started_at: started, ended_at: at, actions, body }
    }
}

/// Whether the flow has come to its end: as a whole, with an Action that has failed, or not, since
/// an Action has stopped it.
fn status(outcome: &Outcome) -> ExecutionStatus {
    let has_failed = outcome.actions.iter().any(|report| report.failure().is_some());
    match outcome.decision {
        _ if has_failed => ExecutionStatus::Partial,
        Decision::Failed { .. } => ExecutionStatus::Partial,
        Decision::Deny { .. } => ExecutionStatus::Canceled,
        Decision::Allow => ExecutionStatus::Final,
    }
}

impl Ran {
    fn of(report: ActionReport, left: &mut usize) -> Self {
        let error = report.failure().map(|failure| (failure.kind(), failure.to_string().chars().take(MESSAGE).collect()));
        let ActionReport { action, result, duration, fuel, peak_memory_bytes, logs: mut log, logs_cut, .. } = report;
        let log_cut = cut(&mut log, left) || logs_cut;
        let (has_run, result) = (result != ActionResult::NotRun, result.name());
        Self { action, result, has_run, error, duration, fuel, peak_memory_bytes, log, log_cut }
    }

    fn shown(&self, started: Timestamp, ended: Timestamp) -> Value {
        let mut shown = Map::new();
        shown.insert("action_name".to_owned(), self.action.name().into());
        shown.insert("version".to_owned(), self.action.version().into());
        shown.insert("result".to_owned(), self.result.into());
        shown.insert("started_at".to_owned(), started.to_string().into());
        shown.insert("ended_at".to_owned(), ended.to_string().into());
        shown.extend(self.error.as_ref().map(|(id, message)| ("error".to_owned(), json!({ "id": id, "msg": message }))));
        shown.insert("fuel".to_owned(), self.fuel.into());
        shown.insert("peak_memory_bytes".to_owned(), self.peak_memory_bytes.into());
        let log = self.log.iter().map(|line| json!({ "level": line.level, "message": line.message }));
        shown.insert("log".to_owned(), log.collect());
        shown.insert("log_cut".to_owned(), self.log_cut.into());
        Value::Object(shown)
    }
}

/// Leaves of a log as much as fits, from its first line on; of the line that doesn't, its
/// beginning. Whether there was more.
fn cut(lines: &mut Vec<LogLine>, left: &mut usize) -> bool {
    let room = ACTION_LOG.min(*left);
    let mut used = 0;
    for at in 0..lines.len() {
        let Some(line) = lines.get_mut(at) else { break };
        let bytes = line.message.len() + LINE;
        if used + bytes <= room {
            used += bytes;
            continue;
        }
        let fits = line.message.floor_char_boundary((room - used).saturating_sub(LINE));
        line.message.truncate(fits);
        line.message.shrink_to_fit();
        used += if fits > 0 { fits + LINE } else { 0 };
        lines.truncate(if fits > 0 { at + 1 } else { at });
        lines.shrink_to_fit();
        *left -= used;
        return true;
    }
    *left -= used;
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use vestibule::model::outcome::{Failure, Level};
    use vestibule::model::{Event, Login, SessionLifetimes};

    fn line(length: usize) -> LogLine {
        LogLine { level: Level::Info, message: "x".repeat(length) }
    }

    #[test]
    fn a_log_is_kept_as_far_as_it_fits() {
        let mut left = 250;
        let mut lines = vec![line(84), line(84), line(84)];
        assert!(cut(&mut lines, &mut left));
        let lengths: Vec<usize> = lines.iter().map(|line| line.message.len()).collect();
        assert_eq!((lengths, left), (vec![84, 84, 34], 0));
        let mut lines = vec![line(4)];
        assert!(cut(&mut lines, &mut left) && lines.is_empty());
        let mut left = 50;
        assert!(!cut(&mut vec![line(4)], &mut left));
        assert_eq!(left, 30);
    }

    /// A login that is allowed, with these reports.
    fn executed(reports: Vec<ActionReport>) -> Executed {
        let event = Event::from_json(include_bytes!("../../../../examples/events/organization-login.json")).unwrap();
        let user = event.user.id.clone();
        let login = Login::new(Arc::new(event), Timestamp::from_millis(0), SessionLifetimes::default());
        let outcome = Box::new(Outcome::new(&login, reports, None));
        let id = ExecutionUid::random().unwrap();
        Executed { id, tenant: "acme".parse().unwrap(), user, outcome, started: Timestamp::from_millis(0) }
    }

    fn report(name: &str, result: ActionResult) -> ActionReport {
        ActionReport { result, ..ActionReport::not_run(ActionId::new(name, "1").unwrap()) }
    }

    #[test]
    fn a_login_that_goes_on_without_an_action_that_has_failed_is_one_that_somebody_looks_for() {
        let failed = Failure::Returned { message: "x".repeat(1 << 20) };
        let went_on = executed(vec![report("gate", ActionResult::Ok), report("crm", ActionResult::Failed(failed))]);
        assert!(Kept::has_failed(&went_on));
        assert!(!Kept::has_failed(&executed(vec![report("gate", ActionResult::Ok)])));
        let kept = Kept::of(went_on);
        let bytes = kept.actions[1].error.as_ref().map(|(_, message)| message.capacity());
        assert!(bytes.is_some_and(|bytes| bytes <= 2 * MESSAGE), "a long message does not wait as a whole: {bytes:?}");
        let execution = kept.execution();
        assert_eq!((execution.status, execution.actions.len()), (ExecutionStatus::Partial, 2));
    }

    #[test]
    fn of_a_line_that_is_too_long_its_beginning_is_kept() {
        let mut left = ALL_LOGS;
        let mut lines = vec![LogLine { level: Level::Info, message: "🦀".repeat(4_000) }, line(1)];
        assert!(cut(&mut lines, &mut left));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].message.len() > ACTION_LOG - LINE - 4 && lines[0].message.len() <= ACTION_LOG - LINE);
        assert!(lines[0].message.capacity() <= ACTION_LOG, "what is cut is in memory no longer");
    }
}
