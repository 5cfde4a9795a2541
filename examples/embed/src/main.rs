//! An identity platform that runs Actions in its own process.
//!
//! `cargo run -p embed -- ACTION.wasm EVENT.json` deploys an Action to a tenant, runs one login of
//! that tenant, and does what a platform does with the outcome.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use vestibule::model::outcome::{Decision, Outcome};
use vestibule::model::{Event, TenantId, Values};
use vestibule::{Binding, Config, Flow, OnFailure, RunContext, Runtime};

struct Platform {
    runtime: Runtime,
    flows: HashMap<TenantId, Flow>,
}

impl Platform {
    /// Deployment: compile, review what the Action may do, bind it with its secrets. Components of
    /// untrusted authors go through `Runtime::loader`.
    fn deploy(&mut self, tenant: TenantId, component: &[u8]) -> Result<()> {
        let action = self.runtime.load("action", component)?;
        for capability in &action.capabilities().capabilities {
            println!("{} asks for {capability}", action.id());
        }
        let mut secrets = Values::default();
        secrets.set("API_KEY", std::env::var("API_KEY").unwrap_or_default())?;
        let binding = Binding::new(action).secrets(secrets).on_failure(OnFailure::FailLogin);
        self.flows.insert(tenant.clone(), Flow::new(tenant, vec![binding]));
        Ok(())
    }

    /// Login: the tenant comes from the platform's routing, never from the event. A flow refuses an
    /// event of another tenant.
    async fn login(&self, tenant: &TenantId, event: Event) -> Result<Outcome> {
        let flow = self.flows.get(tenant).context("no such tenant")?;
        Ok(self.runtime.run(flow, Arc::new(event), &RunContext::live()).await?)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let component = std::fs::read(arguments.next().context("give an Action's component")?)?;
    let json = std::fs::read(arguments.next().context("give a login event")?)?;

    let mut platform = Platform { runtime: Runtime::new(Config::default())?, flows: HashMap::new() };
    // As the platform's routing has it: `acme.example.com` is the tenant `acme`.
    let tenant: TenantId = "acme".parse()?;
    platform.deploy(tenant.clone(), &component)?;

    let outcome = platform.login(&tenant, Event::from_json(&json)?).await?;
    match &outcome.decision {
        Decision::Allow => println!("issue tokens"),
        Decision::Deny { reason, .. } => println!("show the user: {reason}"),
        Decision::Failed { error, action } => println!("log for the tenant: {action} failed: {error}"),
    }
    for (key, change) in &outcome.session.metadata_changes {
        println!("session metadata: {key} = {}", change.value.as_deref().unwrap_or("(deleted)"));
    }
    Ok(())
}
