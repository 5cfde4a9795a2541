//! An identity platform that runs Actions in its own process.
//!
//! `cargo run -p embed -- ACTION.wasm EVENT.json` loads an Action, runs it over a login, and does
//! what a platform does with the outcome.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use vestibule::model::Event;
use vestibule::model::outcome::Decision;
use vestibule::{Binding, Context, Flow, Runtime, Settings};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let component = std::fs::read(arguments.next().context("give an Action's component")?)?;
    let json = std::fs::read(arguments.next().context("give a login event")?)?;

    // Once, when the platform starts.
    let runtime = Runtime::new(Settings::default())?;
    // When a tenant deploys an Action: this is where compiling happens, and where what it can see
    // and do is known.
    let action = runtime.load("action", &component)?;
    for capability in &action.capabilities().capabilities {
        println!("{} asks for {capability}", action.id());
    }

    // At each login. The event names its tenant; the flow is that tenant's.
    let event = Event::from_json(&json)?;
    let flow = Flow::new(event.tenant.id.clone(), vec![Binding::new(action)]);
    let outcome = runtime.run(&flow, Arc::new(event), &Context::live()).await?;
    match &outcome.decision {
        Decision::Allow => println!("issue tokens"),
        Decision::Deny { reason, .. } => println!("tell the user: {reason}"),
        Decision::Failed { error, action } => println!("tell the tenant that {action} failed: {error}"),
    }
    for (key, change) in &outcome.session.metadata_changes {
        println!("session metadata: {key} = {}", change.value.as_deref().unwrap_or("(deleted)"));
    }
    Ok(())
}
