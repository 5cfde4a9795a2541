//! A case of an Action: a login event, the context that it is run in, and the outcome that is
//! expected.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use vestibule::model::{Event, Settings, Timestamp};
use vestibule::{Action, Binding, Context, Flow, Origin};

use crate::binding;
use crate::network::Network;

/// When a case's login is, unless its context says otherwise: 2026-01-01T00:00:00Z, as in native
/// tests.
const AT: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A case: the folder `cases/NAME` of an Action's crate.
pub(crate) struct Case {
    pub(crate) name: String,
    folder: PathBuf,
}

/// What is around the event: `context.json`. A case needs none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Surroundings {
    /// The time of the login.
    at: Option<Timestamp>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    #[serde(default)]
    configuration: BTreeMap<String, String>,
    /// Origins that requests may go to.
    #[serde(default)]
    allow: Vec<String>,
}

impl Case {
    /// The cases of a crate's folder, sorted by name.
    ///
    /// # Errors
    /// When there is none, or the folder can't be read.
    pub(crate) fn all(folder: &Path) -> Result<Vec<Self>> {
        let cases = folder.join("cases");
        let hint = "put a login event into cases/NAME/event.json, and run this with --bless";
        let entries = match std::fs::read_dir(&cases) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!("{} has no cases; {hint}", folder.display()),
            Err(error) => return Err(error).with_context(|| format!("can't read {}", cases.display())),
        };
        let mut all = Vec::new();
        for entry in entries {
            let entry = entry.with_context(|| format!("can't read {}", cases.display()))?;
            if entry.path().is_dir() {
                all.push(Self { name: entry.file_name().to_string_lossy().into_owned(), folder: entry.path() });
            }
        }
        if all.is_empty() {
            bail!("{} has no cases; {hint}", folder.display());
        }
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// The case that an event's file belongs to: one with something around it.
    pub(crate) fn around(event: &Path) -> Option<Self> {
        let folder = event.parent()?;
        let name = folder.file_name()?.to_string_lossy().into_owned();
        let is_case = event.file_name()? == "event.json" && folder.parent()?.file_name()? == "cases";
        is_case.then(|| Self { name, folder: folder.to_owned() })
    }

    /// The event, a flow of the Action alone, and the context of its run: the same each time.
    pub(crate) fn prepare(&self, action: &Action, network: &Network) -> Result<(Arc<Event>, Flow, Context)> {
        let event = binding::event(&self.event_file())?;
        let Surroundings { at, secrets, configuration, allow } = self.surroundings()?;
        let file = self.folder.join("context.json");
        let origin = |text: &String| text.parse::<Origin>().with_context(|| format!("`allow` in {}: {text}", file.display()));
        let allowed: Vec<Origin> = allow.iter().map(origin).collect::<Result<_>>()?;
        let binding = Binding::new(action.clone())
            .secrets(settings(secrets).with_context(|| format!("a secret in {}", file.display()))?)
            .configuration(settings(configuration).with_context(|| format!("{}", file.display()))?)
            .allow_requests(allowed.into_iter().chain(network.origins()));
        let flow = Flow::new(event.tenant.id.clone(), vec![binding]);
        Ok((Arc::new(event), flow, Context { now: at.unwrap_or(AT), seed: [0; 32] }))
    }

    pub(crate) fn event_file(&self) -> PathBuf {
        self.folder.join("event.json")
    }

    fn surroundings(&self) -> Result<Surroundings> {
        let file = self.folder.join("context.json");
        match std::fs::read(&file) {
            Ok(json) => {
                let help = "it can have `at`, `secrets`, `configuration` and `allow`";
                serde_json::from_slice(&json).with_context(|| format!("{} is wrong; {help}", file.display()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Surroundings::default()),
            Err(error) => Err(error).with_context(|| format!("can't read {}", file.display())),
        }
    }

    /// What is expected; `None` where nobody has said so yet.
    pub(crate) fn expected(&self) -> Result<Option<Value>> {
        let file = self.expected_file();
        match std::fs::read(&file) {
            Ok(json) => Ok(Some(serde_json::from_slice(&json).with_context(|| format!("{} is wrong", file.display()))?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("can't read {}", file.display())),
        }
    }

    /// Writes down what is expected from now on.
    pub(crate) fn expect(&self, seen: &Value) -> Result<()> {
        let file = self.expected_file();
        std::fs::write(&file, crate::seen::written(seen)).with_context(|| format!("can't write {}", file.display()))
    }

    fn expected_file(&self) -> PathBuf {
        self.folder.join("expected.json")
    }
}

fn settings(pairs: BTreeMap<String, String>) -> Result<Settings> {
    let mut settings = Settings::default();
    for (name, value) in pairs {
        settings.set(&name, value)?;
    }
    Ok(settings)
}
