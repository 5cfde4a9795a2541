//! How many lists a tenant reads at one time: the store's connections that read lists are few, and
//! all tenants share them.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;
use vestibule_sessions::StoreError;

use crate::error::ApiError;

/// Lists of one tenant that are read at one time.
const AT_ONCE: usize = 2;
/// Requests that wait for a turn; one more is refused.
const WAITING: usize = 16;
/// How long a request waits for a turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a list may take: less than the store gives a statement or a call, whose errors would say
/// that the store is busy or doesn't answer.
const DEADLINE: Duration = Duration::from_millis(2_500);

/// A tenant's turns at reading lists.
#[derive(Debug)]
pub(crate) struct ListTurns {
    running: Semaphore,
    waiting: Semaphore,
}

impl ListTurns {
    pub(crate) fn new() -> Self {
        Self { running: Semaphore::new(AT_ONCE), waiting: Semaphore::new(WAITING) }
    }

    /// Reads a list in the tenant's turn.
    ///
    /// # Errors
    /// When too many of the tenant's lists wait, the list takes too long, or the store fails.
    pub(crate) async fn read<T>(&self, list: impl Future<Output = Result<T, StoreError>>) -> Result<T, ApiError> {
        let _turn = self.turn().await?;
        let late = || ApiError::unavailable("list_too_slow", "the list took too long; ask for fewer entries", PATIENCE);
        Ok(timeout(DEADLINE, list).await.map_err(|_| late())??)
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, ApiError> {
        if let Ok(turn) = self.running.try_acquire() {
            return Ok(turn);
        }
        let many = || ApiError::too_many_requests(PATIENCE);
        let _waiting = self.waiting.try_acquire().map_err(|_| many())?;
        timeout(PATIENCE, self.running.acquire()).await.map_err(|_| many())?.map_err(|_| many())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_tenant_reads_two_lists_at_once_and_few_wait() {
        let turns = Arc::new(ListTurns::new());
        let held = (turns.turn().await.unwrap(), turns.turn().await.unwrap());
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let turns = Arc::clone(&turns);
                tokio::spawn(async move { turns.read(async { Ok(()) }).await.is_ok() })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(turns.read(async { Ok(()) }).await.is_err(), "one more is refused");
        drop(held);
        for list in waiting {
            assert!(list.await.unwrap());
        }
        assert!(turns.read(async { Ok(()) }).await.is_ok());
    }
}
