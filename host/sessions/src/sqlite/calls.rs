//! The store's calls: those that write go to the writer, and those that read to the readers.

use async_trait::async_trait;
use vestibule_model::{Metadata, SessionId, TenantId, Timestamp, UserId};

use super::{Errors, SqliteStore, changes, clients, deliveries, lists, login, logouts, marks, outbox, search};
use crate::client::{Client, ClientCreated, ClientDeleted, ClientPage};
use crate::columns;
use crate::delivery::{
    Backlog, Claims, Delivery, DeliveryCursor, DeliveryPage, DeliveryState, DueReceiver, Held, ReceiverShare, Settled,
};
use crate::error::StoreError;
use crate::ids::{ClientId, TransactionId};
use crate::log::{LogEntry, LogFound, LogPosition, LogSearch};
use crate::login::{BeforeLogin, Committed, LoginCommit};
use crate::session::{Ended, Initiator, Session};
use crate::store::{EndedAll, EndsWritten, Page, Retention, SessionCursor, Store, StoredBytes, Swept, ThreadState};
use crate::tokens::{DeliveryId, Holder};

#[async_trait]
impl Store for SqliteStore {
    async fn before_login(
        &self,
        tenant: &TenantId,
        transaction: Option<&TransactionId>,
        session: Option<&SessionId>,
        now: Timestamp,
    ) -> Result<BeforeLogin, StoreError> {
        let (tenant, transaction, session) = (tenant.clone(), transaction.cloned(), session.cloned());
        self.look_up(move |connection, errors| {
            login::before(connection, errors, &tenant, transaction.as_ref(), session.as_ref(), now)
        })
        .await
    }

    async fn commit_login(&self, login: LoginCommit) -> Result<Committed, StoreError> {
        let mut login = login::ToCommit::from(login);
        self.write(move |connection, errors| login::commit(connection, errors, &mut login)).await
    }

    async fn session(&self, tenant: &TenantId, id: &SessionId, now: Timestamp) -> Result<Option<Session>, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.look_up(move |connection, errors| lists::session(connection, errors, &tenant, &id, now)).await
    }

    async fn sessions_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
        after: Option<&SessionCursor>,
        take: usize,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        let (tenant, user, after) = (tenant.clone(), user.clone(), after.cloned());
        self.list(move |connection, errors| lists::sessions_of(connection, errors, &tenant, &user, after.as_ref(), take, now))
            .await
    }

    async fn replace_metadata(
        &self,
        tenant: &TenantId,
        id: &SessionId,
        metadata: Metadata,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.write(move |connection, errors| changes::replace_metadata(connection, errors, &tenant, &id, &metadata, now)).await
    }

    async fn end(&self, tenant: &TenantId, id: &SessionId, initiator: Initiator, now: Timestamp) -> Result<bool, StoreError> {
        let (tenant, id, ended) = (tenant.clone(), id.clone(), Ended { at: now, initiator });
        self.write(move |connection, errors| logouts::end(connection, errors, &tenant, &id, ended)).await
    }

    async fn end_all_of(
        &self,
        tenant: &TenantId,
        user: &UserId,
        initiator: Initiator,
        now: Timestamp,
        at_once: usize,
    ) -> Result<EndedAll, StoreError> {
        let (tenant, user, ended) = (tenant.clone(), user.clone(), Ended { at: now, initiator });
        self.write(move |connection, errors| marks::end_all_of(connection, errors, &tenant, &user, ended, at_once)).await
    }

    async fn write_ends(
        &self,
        after: Option<&TenantId>,
        now: Timestamp,
        at_most: usize,
    ) -> Result<Option<EndsWritten>, StoreError> {
        let (after, deadline) = (after.cloned(), self.deadline());
        // Most of the time there are none, and the writer isn't asked.
        let next = after.clone();
        if !self.read_for_worker(move |connection, errors| marks::is_any(connection, errors, next.as_ref())).await? {
            return Ok(None);
        }
        let write = move |connection: &_, errors: Errors<'_>| marks::write_ends(connection, errors, after.as_ref(), now, at_most);
        self.write_until(deadline, write).await
    }

    async fn log_after(&self, tenant: &TenantId, after: LogPosition, take: usize) -> Result<Vec<LogEntry>, StoreError> {
        let tenant = tenant.clone();
        self.list(move |connection, errors| lists::log_after(connection, errors, &tenant, after, take)).await
    }

    async fn stream_log(&self, tenant: &TenantId, after: LogPosition, take: usize) -> Result<Vec<LogEntry>, StoreError> {
        let tenant = tenant.clone();
        self.read_for_worker(move |connection, errors| lists::log_after(connection, errors, &tenant, after, take)).await
    }

    async fn latest_log(&self, tenant: &TenantId, skip: usize, take: usize) -> Result<Vec<LogEntry>, StoreError> {
        let tenant = tenant.clone();
        self.list(move |connection, errors| lists::latest_log(connection, errors, &tenant, skip, take)).await
    }

    async fn search_log(&self, tenant: &TenantId, search: LogSearch) -> Result<LogFound, StoreError> {
        let tenant = tenant.clone();
        self.list(move |connection, errors| search::log(connection, errors, &tenant, &search)).await
    }

    async fn log_entry(&self, tenant: &TenantId, position: LogPosition) -> Result<Option<LogEntry>, StoreError> {
        let tenant = tenant.clone();
        self.look_up(move |connection, errors| lists::log_entry(connection, errors, &tenant, position)).await
    }

    async fn client(&self, tenant: &TenantId, id: &ClientId) -> Result<Option<Client>, StoreError> {
        let (tenant, id) = (tenant.clone(), id.clone());
        self.look_up(move |connection, errors| clients::client(connection, errors, &tenant, &id)).await
    }

    async fn clients(&self, tenant: &TenantId, after: Option<&ClientId>, take: usize) -> Result<ClientPage, StoreError> {
        let (tenant, after) = (tenant.clone(), after.cloned());
        self.list(move |connection, errors| clients::clients(connection, errors, &tenant, after.as_ref(), take)).await
    }

    async fn clients_from(&self, tenant: &TenantId, skip: usize, take: usize) -> Result<Vec<Client>, StoreError> {
        let tenant = tenant.clone();
        self.list(move |connection, errors| clients::clients_from(connection, errors, &tenant, skip, take)).await
    }

    async fn count_clients(&self, tenant: &TenantId) -> Result<u64, StoreError> {
        let tenant = tenant.clone();
        self.list(move |connection, errors| clients::count(connection, errors, &tenant)).await
    }

    async fn create_client(&self, tenant: &TenantId, client: Client, at_most: u64) -> Result<ClientCreated, StoreError> {
        let tenant = tenant.clone();
        self.write(move |connection, errors| clients::create(connection, errors, &tenant, &client, at_most)).await
    }

    async fn replace_client(&self, tenant: &TenantId, client: Client) -> Result<bool, StoreError> {
        let (of, deadline) = (tenant.clone(), self.deadline());
        let replace = move |connection: &_, errors: Errors<'_>| clients::replace(connection, errors, &of, &client);
        let (is_done, lost) = self.write_until(deadline, replace).await?;
        clients::unsubscribe(self, tenant, lost, deadline).await;
        Ok(is_done)
    }

    async fn delete_client(&self, tenant: &TenantId, id: &ClientId) -> Result<ClientDeleted, StoreError> {
        let (of, id, deadline) = (tenant.clone(), id.clone(), self.deadline());
        let delete = move |connection: &_, errors: Errors<'_>| clients::delete(connection, errors, &of, &id);
        let (deleted, lost) = self.write_until(deadline, delete).await?;
        clients::unsubscribe(self, tenant, lost, deadline).await;
        Ok(deleted)
    }

    async fn configure_clients(&self, tenant: &TenantId, clients: Vec<Client>, now: Timestamp) -> Result<(), StoreError> {
        let (of, deadline) = (tenant.clone(), self.deadline());
        let configure = move |connection: &_, errors: Errors<'_>| clients::configure(connection, errors, &of, &clients, now);
        let lost = self.write_until(deadline, configure).await?;
        clients::unsubscribe(self, tenant, lost, deadline).await;
        Ok(())
    }

    async fn due_receivers(&self, now: Timestamp, at_most: usize) -> Result<Vec<DueReceiver>, StoreError> {
        self.read_for_worker(move |connection, errors| deliveries::due(connection, errors, now, at_most)).await
    }

    async fn claim_deliveries(&self, shares: &[ReceiverShare], now: Timestamp, until: Timestamp) -> Result<Claims, StoreError> {
        let shares = shares.to_vec();
        self.write(move |connection, errors| deliveries::claim(connection, errors, &shares, now, until)).await
    }

    async fn settle_deliveries(&self, settled: Vec<Settled>, now: Timestamp) -> Result<Vec<bool>, StoreError> {
        let body = |settled: &Settled| settled.log.as_ref().map(|line| columns::body(&line.body));
        let settled: Vec<_> = settled.into_iter().map(|settled| (body(&settled), settled)).map(|(body, it)| (it, body)).collect();
        self.write(move |connection, errors| deliveries::settle(connection, errors, &settled, now)).await
    }

    async fn release_deliveries(&self, held: &[Held<'_>], now: Timestamp) -> Result<(), StoreError> {
        let held: Vec<_> = held.iter().map(|held| (held.tenant.clone(), held.id, held.claim)).collect();
        self.write(move |connection, errors| {
            let held: Vec<_> = held.iter().map(|(tenant, id, claim)| Held { tenant, id: *id, claim: *claim }).collect();
            deliveries::release(connection, errors, &held, now)
        })
        .await
    }

    async fn deliveries(
        &self,
        tenant: Option<&TenantId>,
        state: Option<DeliveryState>,
        after: Option<&DeliveryCursor>,
        take: usize,
    ) -> Result<DeliveryPage, StoreError> {
        let (tenant, after) = (tenant.cloned(), after.cloned());
        self.list(move |connection, errors| outbox::deliveries(connection, errors, tenant.as_ref(), state, after.as_ref(), take))
            .await
    }

    async fn delivery(&self, tenant: &TenantId, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        let tenant = tenant.clone();
        self.look_up(move |connection, errors| outbox::delivery(connection, errors, &tenant, id)).await
    }

    async fn retry_delivery(&self, tenant: &TenantId, id: DeliveryId, now: Timestamp) -> Result<bool, StoreError> {
        let tenant = tenant.clone();
        self.write(move |connection, errors| deliveries::retry(connection, errors, &tenant, id, now)).await
    }

    async fn drop_delivery(&self, tenant: &TenantId, id: DeliveryId) -> Result<bool, StoreError> {
        let tenant = tenant.clone();
        self.write(move |connection, errors| deliveries::forget(connection, errors, &tenant, id)).await
    }

    async fn delivery_backlog(&self) -> Result<Backlog, StoreError> {
        self.read_for_worker(outbox::backlog).await
    }

    async fn stream_claim(
        &self,
        tenant: &TenantId,
        name: &str,
        holder: Holder,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<LogPosition>, StoreError> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        self.write(move |connection, errors| outbox::claim_stream(connection, errors, (&tenant, &name), holder, now, until)).await
    }

    async fn stream_advance(
        &self,
        tenant: &TenantId,
        name: &str,
        holder: Holder,
        position: LogPosition,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        self.write(move |connection, errors| {
            outbox::advance_stream(connection, errors, (&tenant, &name), holder, position, until)
        })
        .await
    }

    async fn stream_release(&self, tenant: &TenantId, name: &str, holder: Holder) -> Result<(), StoreError> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        self.write(move |connection, errors| outbox::release_stream(connection, errors, (&tenant, &name), holder)).await
    }

    async fn sweep(&self, now: Timestamp, keep: Retention, at_most: usize) -> Result<Swept, StoreError> {
        changes::sweep(self, now, keep, at_most).await
    }

    async fn add_up_bytes(&self, _at_most: usize) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn stored_bytes(&self, at_least: u64, at_most: usize) -> Result<Vec<StoredBytes>, StoreError> {
        self.bytes_beyond(at_least, at_most).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        // A transaction that holds the write lock, and writes nothing.
        self.write(|_, _| Ok(())).await
    }

    fn timed_out(&self) -> u64 {
        self.database.given_up() + self.executions.given_up()
    }

    fn threads(&self) -> Vec<ThreadState> {
        vec![
            self.database.writer_state("sqlite_writer"),
            self.executions.writer_state("sqlite_execution_writer"),
            self.components.writer_state("sqlite_component_writer"),
        ]
    }

    async fn close(&self) {
        self.database.close().await;
        self.executions.close().await;
        self.components.close().await;
    }
}
