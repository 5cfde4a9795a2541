//! A case of an Action: a login event, the context that it is run in, and the outcome that is
//! expected.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vestibule::http::Origin;
use vestibule::model::{Event, Timestamp, Values, json};
use vestibule::{Action, Binding, Flow, RunContext};

use crate::network::Network;
use crate::seen::written;

/// When a case's login is, unless the case says otherwise: 2026-01-01T00:00:00Z, as in native
/// tests.
const AT: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A case of an Action's crate.
pub(crate) struct Case {
    pub(crate) name: String,
    place: Place,
}

/// Where a case is written down.
enum Place {
    /// `cases/NAME.json`: a [`Written`].
    File(PathBuf),
    /// `cases/NAME`: `event.json`, and where there are any, `context.json` and `expected.json`.
    Folder(PathBuf),
}

/// A case in one file. Its members are written in this order.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    event: Login,
    /// What differs from that event: merged into it (RFC 7396).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    with: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    secrets: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    configuration: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allow: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect: Option<Value>,
}

/// The event of a case.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Login {
    /// The path of an event's file, from the case's folder.
    File(PathBuf),
    Whole(json::Object),
}

/// What is around the event of a case. A case needs none.
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
    /// When the folder has no case, two cases have one name, or the folder can't be read.
    pub(crate) fn all(folder: &Path) -> Result<Vec<Self>> {
        let cases = folder.join("cases");
        let hint = "put a login event into cases/NAME/event.json, and run this with --bless";
        let entries = match std::fs::read_dir(&cases) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!("{} has no cases; {hint}", folder.display()),
            Err(error) => return Err(error).with_context(|| format!("can't read {}", cases.display())),
        };
        let mut all = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("can't read {}", cases.display()))?.path();
            all.extend(Self::at(&path));
        }
        if all.is_empty() {
            bail!("{} has no cases; {hint}", folder.display());
        }
        all.sort_by(|a: &Self, b| a.name.cmp(&b.name));
        if let Some([case, ..]) = all.windows(2).find(|pair| matches!(pair, [a, b] if a.name == b.name)) {
            bail!("{} has the case {} twice, as a file and as a folder; remove one", folder.display(), case.name);
        }
        Ok(all)
    }

    /// The case at a path within a folder of cases.
    fn at(path: &Path) -> Option<Self> {
        let is_file = path.extension().is_some_and(|extension| extension == "json") && path.is_file();
        let name = if is_file { path.file_stem()? } else { path.file_name()? }.to_string_lossy().into_owned();
        let place = if is_file { Place::File(path.to_owned()) } else { Place::Folder(path.to_owned()) };
        (is_file || path.is_dir()).then_some(Self { name, place })
    }

    /// The case that a file belongs to: its only file, or the event of a folder.
    pub(crate) fn of(file: &Path) -> Option<Self> {
        let is_in_cases = |path: &Path| path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "cases");
        let path = if is_in_cases(file) {
            file
        } else {
            file.parent().filter(|folder| is_in_cases(folder) && file.file_name().is_some_and(|name| name == "event.json"))?
        };
        Self::at(path)
    }

    /// The event, a flow of the Action alone, and the context of its run: the same each time.
    pub(crate) fn prepare(&self, action: &Action, network: &Network) -> Result<(Arc<Event>, Flow, RunContext)> {
        let event = self.event()?;
        let (Surroundings { at, secrets, configuration, allow }, file) = self.surroundings()?;
        let origin = |text: &String| text.parse::<Origin>().with_context(|| format!("`allow` in {}: {text}", file.display()));
        let allowed: Vec<Origin> = allow.iter().map(origin).collect::<Result<_>>()?;
        let binding = Binding::new(action.clone())
            .secrets(settings(secrets).with_context(|| format!("a secret in {}", file.display()))?)
            .configuration(settings(configuration).with_context(|| format!("{}", file.display()))?)
            .allow_requests(allowed.into_iter().chain(network.origins()));
        let flow = Flow::new(event.tenant.id.clone(), vec![binding]);
        Ok((Arc::new(event), flow, RunContext { now: at.unwrap_or(AT), seed: [0; 32] }))
    }

    /// The file that has the event, or names it.
    pub(crate) fn event_file(&self) -> PathBuf {
        match &self.place {
            Place::File(file) => file.clone(),
            Place::Folder(folder) => folder.join("event.json"),
        }
    }

    /// The files beside [`event_file`](Self::event_file) that the case's run depends on.
    pub(crate) fn other_files(&self) -> Vec<PathBuf> {
        match &self.place {
            // A case that can't be read is reported when it runs.
            Place::File(file) => match written_in(file) {
                Ok(Written { event: Login::File(name), .. }) => vec![file.with_file_name(name)],
                Ok(_) | Err(_) => Vec::new(),
            },
            Place::Folder(folder) => vec![folder.join("context.json")],
        }
    }

    /// The login of this case.
    ///
    /// # Errors
    /// When a file can't be read, or has no event: which file, what is wrong.
    pub(crate) fn event(&self) -> Result<Event> {
        let file = match &self.place {
            Place::File(file) => file,
            Place::Folder(folder) => return event(&folder.join("event.json")),
        };
        let Written { event: login, with, .. } = written_in(file)?;
        let mut login = match login {
            Login::Whole(members) => Value::Object(members),
            Login::File(name) => {
                let named = file.with_file_name(name);
                let missing = || format!("{} names the event {}, which doesn't exist", file.display(), named.display());
                read(&named, "a case names a login event")?.with_context(missing)?
            }
        };
        json::merge(&mut login, with.unwrap_or(Value::Object(json::Object::new())));
        Event::from_json(login.to_string().as_bytes()).with_context(|| format!("the event of {}", file.display()))
    }

    /// What is around the event, and the file that says it.
    fn surroundings(&self) -> Result<(Surroundings, PathBuf)> {
        match &self.place {
            Place::File(file) => {
                let Written { at, secrets, configuration, allow, .. } = written_in(file)?;
                Ok((Surroundings { at, secrets, configuration, allow }, file.clone()))
            }
            Place::Folder(folder) => {
                let file = folder.join("context.json");
                Ok((read(&file, "it can have `at`, `secrets`, `configuration` and `allow`")?.unwrap_or_default(), file))
            }
        }
    }

    /// What is expected; `None` where the case doesn't say it yet.
    pub(crate) fn expected(&self) -> Result<Option<Value>> {
        match &self.place {
            Place::File(file) => Ok(written_in(file)?.expect),
            Place::Folder(folder) => read(&folder.join("expected.json"), "`--bless` writes it"),
        }
    }

    /// Writes down what is expected from now on.
    pub(crate) fn expect(&self, seen: &Value) -> Result<()> {
        let (file, text) = match &self.place {
            Place::File(file) => {
                let case = Written { expect: Some(seen.clone()), ..written_in(file)? };
                // It was read from JSON.
                let text = serde_json::to_string_pretty(&case).unwrap_or_default() + "\n";
                (file.clone(), text)
            }
            Place::Folder(folder) => (folder.join("expected.json"), written(seen)),
        };
        std::fs::write(&file, text).with_context(|| format!("can't write {}", file.display()))
    }

    /// The file that has what is expected, for messages.
    pub(crate) fn expected_in(&self) -> &'static str {
        match self.place {
            Place::File(_) => "`expect` of its file",
            Place::Folder(_) => "its expected.json",
        }
    }
}

/// Reads a login event from its file, or the event of the case that the file is.
pub(crate) fn event(file: &Path) -> Result<Event> {
    if let Some(case @ Case { place: Place::File(_), .. }) = Case::of(file) {
        return case.event();
    }
    let json = std::fs::read(file).with_context(|| format!("can't read the event {}", file.display()))?;
    Event::from_json(&json).with_context(|| file.display().to_string())
}

fn written_in(file: &Path) -> Result<Written> {
    let help = "a case has `event`, and can have `with`, `at`, `secrets`, `configuration`, `allow` and `expect`";
    read(file, help)?.with_context(|| format!("{} doesn't exist", file.display()))
}

/// What a file of JSON has; `None` where it is missing. An error says with `help` what it may have.
fn read<T: DeserializeOwned>(file: &Path, help: &str) -> Result<Option<T>> {
    match std::fs::read(file) {
        Ok(json) => Ok(Some(serde_json::from_slice(&json).with_context(|| format!("{} is wrong; {help}", file.display()))?)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("can't read {}", file.display())),
    }
}

fn settings(pairs: BTreeMap<String, String>) -> Result<Values> {
    let mut settings = Values::default();
    for (name, value) in pairs {
        settings.set(&name, value)?;
    }
    Ok(settings)
}
