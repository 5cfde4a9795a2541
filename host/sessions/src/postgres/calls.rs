//! The store's calls: each is tried until it is done, a bounded number of times.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use deadpool_postgres::Status;
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp, UserId};

use super::{PostgresStore, bytes, changes, clients, deliveries, lists, login, logouts, marks, outbox, search};
use crate::client::{Client, ClientCreated, ClientDeleted, ClientPage};
use crate::delivery::{
    Backlog, Claims, Delivery, DeliveryCursor, DeliveryPage, DeliveryState, DueReceiver, Held, ReceiverShare, Settled,
};
use crate::error::StoreError;
use crate::ids::{ClientId, TransactionId};
use crate::log::{LogEntry, LogFound, LogPosition, LogSearch};
use crate::login::{BeforeLogin, Committed, LoginCommit};
use crate::session::{Ended, Initiator, Session};
use crate::store::{ConnectionStats, EndedAll, EndsWritten, Page, Retention, SessionCursor, Store, StoredBytes, Swept};
use crate::tokens::{DeliveryId, Holder};

#[async_trait]
impl Store for PostgresStore {
    async fn before_login(
        &self,
        tenant: &TenantId,
        transaction: Option<&TransactionId>,
        session: Option<&SessionId>,
        now: Timestamp,
    ) -> Result<BeforeLogin, StoreError> {
        self.connections
            .attempt(true, |lease| async move { login::before(&lease, tenant, transaction, session, now).await })
            .await
    }

    async fn commit_login(&self, login: LoginCommit) -> Result<Committed, StoreError> {
        // A login with a transaction's id that was committed after all is found by the next
        // attempt.
        self.connections.attempt(login.transaction.is_some(), |lease| login::commit(lease, &login)).await
    }

    async fn session(&self, tenant: &TenantId, id: &SessionId, now: Timestamp) -> Result<Option<Session>, StoreError> {
        self.connections.attempt(true, |lease| async move { lists::session(&lease, tenant, id, now).await }).await
    }

    async fn sessions_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
        after: Option<&SessionCursor>,
        take: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        self.connections
            .attempt(true, |lease| async move { lists::sessions_of(&lease, tenant, user, after, take, now).await })
            .await
    }

    async fn replace_metadata(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        metadata: Metadata,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        self.connections.attempt(false, |lease| changes::replace_metadata(lease, tenant, id, &metadata, now)).await
    }

    async fn end(&self, tenant: &TenantId, id: &SessionId, initiator: Initiator, now: Timestamp) -> Result<bool, StoreError> {
        let ended = Ended { at: now, initiator };
        self.connections.attempt(false, |lease| logouts::end(lease, tenant, id, ended)).await
    }

    async fn end_all_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
        initiator: Initiator,
        now: Timestamp,
        at_once: usize,
    ) -> Result<EndedAll, StoreError> {
        let ended = Ended { at: now, initiator };
        self.connections.attempt(false, |lease| marks::end_all_of(lease, tenant, user, ended, at_once)).await
    }

    async fn write_ends(
        &self,
        after: Option<&TenantId>,
        now: Timestamp,
        at_most: usize,
    ) -> Result<Option<EndsWritten>, StoreError> {
        // What was written in an attempt whose answer was lost is not written again.
        self.connections.attempt(true, |lease| marks::write_ends(lease, after, now, at_most)).await
    }

    async fn log_after(&self, tenant: &TenantId, after: LogPosition, take: usize) -> Result<Vec<LogEntry>, StoreError> {
        lists::log_after(&self.connections, tenant, after, take).await
    }

    async fn latest_log(&self, tenant: &TenantId, skip: usize, take: usize) -> Result<Vec<LogEntry>, StoreError> {
        lists::latest_log(&self.connections, tenant, skip, take).await
    }

    async fn search_log(&self, tenant: &TenantId, search: LogSearch) -> Result<LogFound, StoreError> {
        search::log(&self.connections, tenant, &search).await
    }

    async fn log_entry(&self, tenant: &TenantId, position: LogPosition) -> Result<Option<LogEntry>, StoreError> {
        self.connections.attempt(true, |lease| async move { lists::log_entry(&lease, tenant, position).await }).await
    }

    async fn client(&self, tenant: &TenantId, id: &ClientId) -> Result<Option<Client>, StoreError> {
        self.connections.attempt(true, |lease| async move { clients::client(&lease, tenant, id).await }).await
    }

    async fn clients(&self, tenant: &TenantId, after: Option<&ClientId>, take: usize) -> Result<ClientPage, StoreError> {
        self.connections.attempt(true, |lease| async move { clients::clients(&lease, tenant, after, take).await }).await
    }

    async fn clients_from(&self, tenant: &TenantId, skip: usize, take: usize) -> Result<Vec<Client>, StoreError> {
        self.connections.attempt(true, |lease| async move { clients::clients_from(&lease, tenant, skip, take).await }).await
    }

    async fn count_clients(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        self.connections.attempt(true, |lease| async move { clients::count(&lease, tenant).await }).await
    }

    async fn create_client(&self, tenant: &TenantId, client: Client, at_most: u64) -> Result<ClientCreated, StoreError> {
        self.connections.attempt(false, |lease| clients::create(lease, tenant, &client, at_most)).await
    }

    async fn replace_client(&self, tenant: &TenantId, client: Client) -> Result<bool, StoreError> {
        let deadline = self.connections.deadline();
        let replace = |lease| clients::replace(lease, tenant, &client);
        let (is_done, lost) = self.connections.attempt_until(deadline, false, replace).await?;
        clients::unsubscribe(&self.connections, tenant, lost, deadline).await;
        Ok(is_done)
    }

    async fn delete_client(&self, tenant: &TenantId, id: &ClientId) -> Result<ClientDeleted, StoreError> {
        let deadline = self.connections.deadline();
        let delete = |lease| clients::delete(lease, tenant, id);
        let (deleted, lost) = self.connections.attempt_until(deadline, false, delete).await?;
        clients::unsubscribe(&self.connections, tenant, lost, deadline).await;
        Ok(deleted)
    }

    async fn configure_clients(&self, tenant: &TenantId, clients: Vec<Client>, now: Timestamp) -> Result<(), StoreError> {
        // What was declared already is not declared anew.
        let deadline = self.connections.deadline();
        let configure = |lease| clients::configure(lease, tenant, &clients, now);
        let lost = self.connections.attempt_until(deadline, true, configure).await?;
        clients::unsubscribe(&self.connections, tenant, lost, deadline).await;
        Ok(())
    }

    async fn due_receivers(&self, now: Timestamp, at_most: usize) -> Result<Vec<DueReceiver>, StoreError> {
        self.connections.attempt(true, |lease| async move { deliveries::due(&lease, now, at_most).await }).await
    }

    async fn claim_deliveries(&self, shares: &[ReceiverShare], now: Timestamp, until: Timestamp) -> Result<Claims, StoreError> {
        // What was claimed in an attempt whose answer was lost is due again when its lease is over.
        self.connections.attempt(true, |lease| deliveries::claim(lease, shares, now, until)).await
    }

    async fn settle_deliveries(&self, settled: Vec<Settled>, now: Timestamp) -> Result<Vec<bool>, StoreError> {
        self.connections.attempt(false, |lease| deliveries::settle(lease, &settled, now)).await
    }

    async fn release_deliveries(&self, held: &[Held<'_>], now: Timestamp) -> Result<(), StoreError> {
        self.connections.attempt(true, |lease| deliveries::release(lease, held, now)).await
    }

    async fn deliveries(
        &self,
        tenant: Option<&TenantId>,
        state: Option<DeliveryState>,
        after: Option<&DeliveryCursor>,
        take: usize,
    ) -> Result<DeliveryPage, StoreError> {
        self.connections.attempt(true, |lease| async move { outbox::deliveries(&lease, tenant, state, after, take).await }).await
    }

    async fn delivery(&self, tenant: &TenantId, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.connections.attempt(true, |lease| async move { outbox::delivery(&lease, tenant, id).await }).await
    }

    async fn retry_delivery(&self, tenant: &TenantId, id: DeliveryId, now: Timestamp) -> Result<bool, StoreError> {
        self.connections.attempt(true, |lease| deliveries::retry(lease, tenant, id, now)).await
    }

    async fn drop_delivery(&self, tenant: &TenantId, id: DeliveryId) -> Result<bool, StoreError> {
        self.connections.attempt(false, |lease| deliveries::forget(lease, tenant, id)).await
    }

    async fn delivery_backlog(&self) -> Result<Backlog, StoreError> {
        self.connections.attempt(true, |lease| async move { outbox::backlog(&lease).await }).await
    }

    async fn stream_claim(
        &self,
        tenant: &TenantId,
        name: &str,
        holder: Holder,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LogPosition>, StoreError> {
        self.connections.attempt(true, |lease| outbox::claim_stream(lease, (tenant, name), holder, now, until)).await
    }

    async fn stream_advance(
        &self,
        tenant: &TenantId,
        name: &str,
        holder: Holder,
        position: LogPosition,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.connections.attempt(true, |lease| outbox::advance_stream(lease, (tenant, name), holder, position, until)).await
    }

    async fn stream_release(&self, tenant: &TenantId, name: &str, holder: Holder) -> Result<(), StoreError> {
        self.connections.attempt(true, |lease| outbox::release_stream(lease, (tenant, name), holder)).await
    }

    async fn sweep(&self, now: Timestamp, keep: Retention, at_most: usize) -> Result<Swept, StoreError> {
        changes::sweep(&self.connections, now, keep, at_most).await
    }

    async fn add_up_bytes(&self, at_most: usize) -> Result<bool, StoreError> {
        // What was added up in an attempt whose answer was lost is not there to be added up again.
        self.connections.attempt(true, |lease| bytes::add_up(lease, at_most)).await
    }

    async fn stored_bytes(&self, at_least: u64, at_most: usize) -> Result<Vec<StoredBytes>, StoreError> {
        self.connections.attempt(true, |lease| async move { bytes::beyond(&lease, at_least, at_most).await }).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.connections.attempt(true, changes::check).await
    }

    fn connections(&self) -> Option<ConnectionStats> {
        let Status { max_size, size, available, waiting } = self.connections.pool.status();
        Some(ConnectionStats { limit: max_size, open: size, idle: available, waiting })
    }

    fn timed_out(&self) -> u64 {
        self.connections.deadlines.load(Ordering::Relaxed)
    }

    async fn close(&self) {
        // Whoever has a connection keeps it until the call is done.
        self.connections.pool.close();
        self.notices.close().await;
    }
}
