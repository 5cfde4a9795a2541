//! Whether the server can do its work: one question to the store a second at most, with a deadline,
//! shared by all who ask.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use vestibule_sessions::StoreError;

use crate::app::App;
use crate::error::ApiError;
use crate::workers::Late;

/// How long the store may take to answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(1);

/// The last answer, or the question that is under way.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Option<Asked>>);

/// A question: its answer, with when that came.
type Asked = watch::Receiver<Option<(Instant, Result<(), StoreError>)>>;

/// Whether no other question is to be asked yet: this one is under way, or its answer is fresh.
fn counts(asked: &Asked) -> bool {
    match &*asked.borrow() {
        Some((at, _)) => at.elapsed() < FRESH,
        None => asked.has_changed().is_ok(),
    }
}

impl Readiness {
    /// Whether the server can do its work.
    ///
    /// # Errors
    /// What is wrong: the store, workers that are late, or both.
    pub(crate) async fn ask(&self, app: &App) -> Result<(), ApiError> {
        let mut asked = self.asked(app);
        let answered = match tokio::time::timeout(DEADLINE * 2, asked.wait_for(Option::is_some)).await {
            Ok(Ok(answer)) => answer.as_ref().map(|(_, answer)| answer.clone()),
            // The question has panicked, or no thread had time for it.
            Ok(Err(_)) | Err(_) => None,
        };
        let answered = answered.unwrap_or_else(|| Err(unanswered()));
        let late = app.workers().late(&app.store().threads(), Instant::now());
        let names = late.iter().map(Late::to_string).collect::<Vec<_>>().join(", ");
        match answered {
            Ok(()) if late.is_empty() => Ok(()),
            Ok(()) => {
                let message = format!("background workers are late: {names}");
                Err(ApiError::unavailable("worker_late", message, FRESH))
            }
            Err(error) if late.is_empty() => Err(error.into()),
            Err(error) => Err(ApiError::from(error).and(&format!("background workers are late: {names}"))),
        }
    }

    fn asked(&self, app: &App) -> Asked {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asked) = last.as_ref().filter(|asked| counts(asked)) {
            return asked.clone();
        }
        let (sender, asked) = watch::channel(None);
        let app = app.clone();
        // By itself: a caller that hangs up doesn't break it off, to be asked once more by the next
        // one.
        tokio::spawn(async move {
            let checked = tokio::time::timeout(DEADLINE, app.store().check()).await;
            sender.send_replace(Some((Instant::now(), checked.unwrap_or_else(|_| Err(unanswered())))));
        });
        *last = Some(asked.clone());
        asked
    }
}

fn unanswered() -> StoreError {
    let reason = format!("it has not answered within {} s", DEADLINE.as_secs());
    StoreError::Unreachable { database: "of the sessions".to_owned(), reason }
}
