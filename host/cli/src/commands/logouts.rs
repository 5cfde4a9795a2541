//! `vestibule logouts`: what is still to be sent to applications, and what nobody wanted.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use vestibule::model::{TenantId, Timestamp};
use vestibule_server::{Configuration, open_store};
use vestibule_sessions::{Backlog, Delivery, DeliveryId, DeliveryPage, DeliveryState, Store, Unreadable};

use crate::table::{Table, thousands};

/// See and mend what is to be told to applications of ended sessions
///
/// It works on the store itself, also while servers run: they see at once what was changed. What
/// has been delivered is in the tenant's log alone.
#[derive(Debug, Args)]
pub(crate) struct Logouts {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show what is to be sent, what was refused, and what was given up, the oldest first
    List {
        #[command(flatten)]
        place: Place,
        /// Of this tenant alone
        #[arg(long, value_name = "ID")]
        tenant: Option<TenantId>,
        /// In this state alone
        #[arg(long)]
        state: Option<State>,
        /// So many at most
        #[arg(long, value_name = "NUMBER", default_value_t = 50)]
        take: usize,
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Show one with everything that is known of it
    Show(One),
    /// Send one again now: once, where the time is over for which it is tried
    Retry(One),
    /// Forget one: its application is not told
    Drop(One),
}

#[derive(Debug, Args)]
struct One {
    #[command(flatten)]
    place: Place,
    /// Whose
    #[arg(long, value_name = "ID")]
    tenant: TenantId,
    /// Its id, `delivery_id` in its tokens
    #[arg(value_name = "ID")]
    id: DeliveryId,
}

#[derive(Debug, Args)]
struct Place {
    /// The server's configuration
    #[arg(long, value_name = "FILE", default_value = "vestibule.toml")]
    config: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Pending,
    Refused,
    GivenUp,
}

impl From<State> for DeliveryState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Refused => Self::Refused,
            State::GivenUp => Self::GivenUp,
        }
    }
}

impl Logouts {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let executor = tokio::runtime::Builder::new_current_thread().enable_all().build().context("can't start")?;
        executor.block_on(self.what.execute())?;
        Ok(ExitCode::SUCCESS)
    }
}

impl What {
    async fn execute(self) -> Result<()> {
        match self {
            Self::List { place, tenant, state, take, json } => {
                let store = place.open().await?;
                let page = store.deliveries(tenant.as_ref(), state.map(Into::into), None, take).await?;
                if json {
                    let all = page.deliveries.iter().map(shown).chain(page.unreadable.iter().map(unreadable));
                    println!("{}", serde_json::to_string_pretty(&all.collect::<Value>())?);
                    if page.next.is_some() {
                        eprintln!("There are more than these: see --take");
                    }
                } else {
                    print!("{}", listed(&page));
                    if page.next.is_some() {
                        println!("   and more: see --take");
                    }
                    let backlog = store.delivery_backlog().await?;
                    println!("   to be sent, of all tenants: {}", counted(backlog));
                }
                store.close().await;
            }
            Self::Show(one) => {
                let store = one.place.open().await?;
                let found = store.delivery(&one.tenant, one.id).await?;
                store.close().await;
                let found = found.with_context(|| one.missing())?;
                println!("{}", serde_json::to_string_pretty(&shown(&found))?);
            }
            Self::Retry(one) => {
                let store = one.place.open().await?;
                let was_there = one.retry(&*store).await;
                store.close().await;
                one.done(was_there?, "it is due now")?;
            }
            Self::Drop(one) => {
                let store = one.place.open().await?;
                // One that can't be read is dropped like any other.
                let found = store.delivery(&one.tenant, one.id).await.unwrap_or_default();
                let was_there = store.drop_delivery(&one.tenant, one.id).await?;
                store.close().await;
                let in_hand = "it is forgotten; but a server has it in hand, and may send it all the same";
                let is_in_hand = found.is_some_and(|found| found.is_claimed);
                one.done(was_there, if is_in_hand { in_hand } else { "it is forgotten" })?;
            }
        }
        Ok(())
    }
}

impl Place {
    async fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(open_store(&Configuration::read(&self.config)?.store.for_command()).await?)
    }
}

impl One {
    fn missing(&self) -> String {
        format!(
            "tenant {} has no logout {} that was not delivered; `vestibule logouts list` shows those there are",
            self.tenant, self.id
        )
    }

    /// Makes it due, where its application still hears at its URL: what else is due is dropped, and
    /// nobody is told. Whether it was there.
    async fn retry(&self, store: &dyn Store) -> Result<bool> {
        let Some(found) = store.delivery(&self.tenant, self.id).await? else { return Ok(false) };
        // Where nobody can read what it wants to hear, it is sent.
        if let Ok(client) = store.client(&self.tenant, &found.client).await {
            let Some(client) = client else {
                bail!("{}: there is no client {} any more, so nobody would be told; drop it", self.id, found.client);
            };
            if !client.logout.is_some_and(|logout| logout.urls.contains(&found.url)) {
                bail!(
                    "{}: client {} does not hear at this URL of {} any more, so nobody would be told; drop it, or give the \
                     client its URL back",
                    self.id,
                    found.client,
                    found.receiver
                );
            }
        }
        Ok(store.retry_delivery(&self.tenant, self.id, Timestamp::now()).await?)
    }

    fn done(&self, was_there: bool, what: &str) -> Result<()> {
        if !was_there {
            bail!("{}", self.missing());
        }
        println!("{}: {what}", self.id);
        Ok(())
    }
}

/// Nobody counts a backlog to its end.
fn counted(backlog: Backlog) -> String {
    let more = if backlog.pending >= Backlog::MOST { " or more" } else { "" };
    format!("{}{more}", thousands(backlog.pending))
}

fn listed(page: &DeliveryPage) -> Table {
    let mut table = Table::default();
    table.row(["id", "tenant", "client", "session", "state", "attempts", "next attempt", "last error"]);
    for delivery in &page.deliveries {
        let next = match delivery.state {
            DeliveryState::Pending => delivery.due_at.to_string(),
            _ => String::new(),
        };
        table.row([
            &delivery.id.to_string(),
            delivery.tenant.as_str(),
            delivery.client.as_str(),
            delivery.session.as_str(),
            delivery.state.as_str(),
            &delivery.attempts.to_string(),
            &next,
            delivery.last_error.as_deref().unwrap_or_default(),
        ]);
    }
    for Unreadable { tenant, id, error } in &page.unreadable {
        table.row([id.as_str(), tenant, "", "", "unreadable", "", "", error]);
    }
    table
}

/// One whose row can't be read: enough to drop it.
fn unreadable(Unreadable { tenant, id, error }: &Unreadable) -> Value {
    json!({ "id": id, "tenant": tenant, "state": "unreadable", "last_error": error })
}

/// All that is known, but for the URL's path and the metadata's values, which may be nobody's
/// business.
fn shown(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id.to_string(),
        "tenant": delivery.tenant.as_str(),
        "client_id": delivery.client.as_str(),
        "session_id": delivery.session.as_str(),
        "user_id": delivery.user.as_str(),
        "receiver": delivery.receiver.as_str(),
        "initiator": delivery.initiator.as_str(),
        "ended_at": delivery.ended_at.to_string(),
        "session_metadata": delivery.metadata.is_some(),
        "state": delivery.state.as_str(),
        "attempts": delivery.attempts,
        "due_at": (delivery.state == DeliveryState::Pending).then(|| delivery.due_at.to_string()),
        "is_in_hand": delivery.is_claimed,
        "last_error": delivery.last_error,
        "finished_at": delivery.finished_at.map(|at| at.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_that_nobody_has_counted_to_its_end_is_so_many_or_more() {
        let told = |pending| counted(Backlog { pending, oldest: None });
        assert_eq!([told(0), told(99_999), told(100_000)], ["0", "99,999", "100,000 or more"]);
    }
}
