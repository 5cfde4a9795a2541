//! `vestibule inspect`: what an Action can see and do.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use vestibule::capability::{CONTRACT, Capabilities, Kind, phrase};
use vestibule::{Action, Config, Runtime};

use crate::actions;
use crate::loading::Caching;
use crate::table::{Table, kilobytes};

/// Show what an Action can see and do, as its imports prove it
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// A component file, or the folder of an Action's crate
    #[arg(default_value = ".")]
    action: PathBuf,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    caching: Caching,
}

#[derive(Serialize)]
struct Inspection<'a> {
    name: &'a str,
    version: &'a str,
    bytes: usize,
    contract: &'a str,
    #[serde(flatten)]
    capabilities: &'a Capabilities,
}

impl Inspect {
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let runtime = Runtime::new(Config::default().for_loading())?;
        let action = actions::deployed(&self.action)?.load(&self.caching.loader(&runtime)?)?;
        if self.json {
            let inspection = Inspection {
                name: action.id().name(),
                version: action.id().version(),
                bytes: action.bytes(),
                contract: CONTRACT,
                capabilities: action.capabilities(),
            };
            println!("{}", serde_json::to_string_pretty(&inspection)?);
        } else {
            print(&action);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(action: &Action) {
    let (id, size) = (action.id(), kilobytes(action.bytes()));
    println!(" {} {}    {size}    contract vestibule:actions {CONTRACT}\n", id.name(), id.version());
    let Capabilities { capabilities, plumbing } = action.capabilities();
    let mut table = Table::default();
    for (kind, label) in [(Kind::Sees, "sees"), (Kind::Does, "does")] {
        let mut label = label;
        for capability in capabilities {
            if let Some(phrase) = phrase(&capability.interface, &capability.function).filter(|phrase| phrase.kind == kind) {
                table.row([label, phrase.words, &capability.to_string()]);
                label = "";
            }
        }
        if !label.is_empty() {
            table.row([label, "nothing", ""]);
        }
    }
    let (words, interfaces) = plumbing_in_words(plumbing);
    table.row(["plumbing", &words, &interfaces]);
    println!("{table}");
    println!(" {}", rest(action.capabilities()));
}

/// What it can't do. The words hold for what it imports.
fn rest(capabilities: &Capabilities) -> &'static str {
    if capabilities.sends_requests() {
        "It can see nothing else of the login, nothing of the network but by these requests, and nothing of the file system."
    } else {
        "It can see nothing else of the login, and nothing of the network or the file system."
    }
}

/// What the standard library's interfaces give, in words, and which they are.
fn plumbing_in_words(plumbing: &std::collections::BTreeSet<String>) -> (String, String) {
    const WORDS: [(&str, &str); 7] = [
        ("wasi:io/", "standard streams (to the log)"),
        ("wasi:cli/exit", "exit"),
        ("wasi:cli/environment", "environment (empty)"),
        ("wasi:clocks/wall-clock", "time of day (of the login)"),
        ("wasi:clocks/monotonic-clock", "timer (of the run)"),
        ("wasi:http/types", "HTTP messages"),
        ("wasi:random/", "random numbers (of the run)"),
    ];
    let has = |start: &str| plumbing.iter().any(|interface| interface.starts_with(start));
    let words: Vec<&str> = WORDS.iter().filter(|(start, _)| has(start)).map(|(_, words)| *words).collect();
    let mut packages: Vec<&str> = plumbing.iter().filter_map(|interface| interface.split('/').next()).collect();
    packages.dedup();
    (if words.is_empty() { "none".to_owned() } else { words.join(", ") }, packages.join(", "))
}
