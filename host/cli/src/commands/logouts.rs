//! `vestibule logouts`: what is still to be sent to applications, and what nobody wanted.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use vestibule::model::{TenantId, Timestamp};
use vestibule_server::{Configuration, open_store};
use vestibule_sessions::{Delivery, DeliveryId, DeliveryPage, DeliveryState, Store, Unreadable};

use crate::table::{Table, thousands};

/// See and mend what is to be told to applications of ended sessions
///
/// It works on the store itself, also while servers run: they see at once what was changed. What has been delivered is in the tenant's log alone.
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
    /// Its id, `jti` in its tokens
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
                } else {
                    print!("{}", listed(&page));
                    if page.next.is_some() {
                        println!("   and more: see --take");
                    }
                    let backlog = store.delivery_backlog().await?;
                    println!("   to be sent, of all tenants: {}", thousands(backlog.pending));
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
                let was_there = store.retry_delivery(&one.tenant, one.id, Timestamp::now()).await?;
                store.close().await;
                one.done(was_there, "it is due now")?;
            }
            Self::Drop(one) => {
                let store = one.place.open().await?;
                let was_there = store.drop_delivery(&one.tenant, one.id).await?;
                store.close().await;
                one.done(was_there, "it is forgotten")?;
            }
        }
        Ok(())
    }
}

impl Place {
    async fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(open_store(&Configuration::read(&self.config)?.store).await?)
    }
}

impl One {
    fn missing(&self) -> String {
        format!(
            "tenant {} has no logout {} that was not delivered; `vestibule logouts list` shows those there are",
            self.tenant, self.id
        )
    }

    fn done(&self, was_there: bool, what: &str) -> Result<()> {
        if !was_there {
            bail!("{}", self.missing());
        }
        println!("{}: {what}", self.id);
        Ok(())
    }
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

/// All that is known, but for the URL's path and the metadata's values, which may be nobody's business.
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
