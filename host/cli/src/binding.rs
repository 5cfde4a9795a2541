//! What is given to Actions on the command line: secrets, configuration, the network, and the time
//! of the login.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use vestibule::http::HttpSettings;
use vestibule::model::{self, Event, Timestamp};
use vestibule::{Action, Binding, Flow, RunContext};

use crate::network::Network;

/// What is given to Actions.
#[derive(Clone, Debug, Args)]
pub(crate) struct Given {
    /// A secret that the Actions can read
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    secret: Vec<(String, String)>,
    /// A configuration value that the Actions can read
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    configuration: Vec<(String, String)>,
    /// The time of the login, in ISO 8601 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    #[command(flatten)]
    network: Network,
}

impl Given {
    /// These Actions as one flow of the event's tenant, each with all that is given, and the
    /// context of a run.
    pub(crate) fn flow(&self, event: &Arc<Event>, actions: Vec<Action>) -> Result<(Flow, RunContext)> {
        let secrets = settings(&self.secret, "secret")?;
        let configuration = settings(&self.configuration, "configuration value")?;
        let binding = |action| {
            let binding = Binding::new(action).secrets(secrets.clone()).configuration(configuration.clone());
            binding.allow_requests(self.network.origins())
        };
        let flow = Flow::new(event.tenant.id.clone(), actions.into_iter().map(binding).collect());
        Ok((flow, RunContext { now: self.at.unwrap_or_else(Timestamp::now), ..RunContext::live() }))
    }

    /// Whether anything is given that a case may say otherwise.
    pub(crate) fn is_empty(&self) -> bool {
        self.secret.is_empty() && self.configuration.is_empty() && self.at.is_none()
    }

    /// Where requests may go.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// How the host sends their requests.
    pub(crate) fn http(&self) -> HttpSettings {
        self.network.settings()
    }

    /// Whether all of it can be given: to be asked before anything is built.
    pub(crate) fn check(&self) -> Result<()> {
        settings(&self.secret, "secret")?;
        settings(&self.configuration, "configuration value").map(drop)
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    // The text may be a secret, so the error must not repeat it.
    let (name, value) = text.split_once('=').ok_or("it has no `=`; write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn settings(pairs: &[(String, String)], what: &str) -> Result<model::Values> {
    let mut settings = model::Values::default();
    for (name, value) in pairs {
        settings.set(name, value.clone()).with_context(|| format!("a {what} can't be like this"))?;
    }
    Ok(settings)
}
