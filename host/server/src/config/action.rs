//! An Action at its place in a tenant's flow.

use std::path::PathBuf;

use vestibule::OnFailure;
use vestibule::http::Origin;
use vestibule::limits::Limits;

use super::host::{exists, tell};
use super::reference::Reference;
use super::section::Section;

/// An Action at its place in a tenant's flow.
#[derive(Clone, Debug)]
pub struct ActionSettings {
    /// Where its component is.
    pub component: ComponentSource,
    /// What becomes of a login when it fails.
    pub on_failure: OnFailure,
    /// Its limits, where they are lower than its tenant's.
    pub limits: Option<Limits>,
    /// Origins that it may send HTTP requests to.
    pub requests: Vec<Origin>,
    /// Values that it reads by name.
    pub configuration: Vec<(String, String)>,
    /// Secrets that it reads by name.
    pub secrets: Vec<(String, Reference)>,
}

/// Where an Action's component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentSource {
    /// The component's file, or the folder of a crate.
    pub path: PathBuf,
    /// Where it stands in the configuration, for whoever has to mend it: the line.
    pub line: usize,
}

/// None only where a mistake has been told.
pub(super) fn read(action: &Section<'_>, tenant: &Limits) -> Option<ActionSettings> {
    let remedy = "write the path of the Action's component, or of its folder: `component = \"actions/my-action.wasm\"`";
    let path = action.required::<String>("component", remedy);
    let component = path.map(|path| {
        let found = action.source.path(&path.value);
        exists(action, &found, &path.span);
        let (line, _) = super::mistake::place(action.source.text, path.span.start);
        ComponentSource { path: found, line }
    });
    let on_failure = match action.text("on_failure") {
        None => OnFailure::default(),
        Some(text) if text.value == "fail-login" => OnFailure::FailLogin,
        Some(text) if text.value == "continue" => OnFailure::Continue,
        Some(text) => {
            let remedy = "write \"fail-login\" or \"continue\"";
            action.source.mistake(&text.span, format!("`on_failure` can't be {:?}", text.value), remedy);
            OnFailure::default()
        }
    };
    let limits = action.section("limits").map(|section| {
        let mut limits = tenant.clone();
        for (name, member) in section.members() {
            let Some(amount) = member.amount() else { continue };
            tell(&section, &name.span, &amount.span, limits.lower(name.value, &amount.value, tenant));
        }
        limits
    });
    let requests = action.list::<Origin>("requests").into_iter().map(|origin| origin.value).collect();
    let mut configuration = Vec::new();
    if let Some(section) = action.section("configuration") {
        for (name, member) in section.members() {
            let Some(value) = member.text() else { continue };
            check(&section, &name.span, name.value, value.value);
            configuration.push((name.value.to_owned(), value.value.to_owned()));
        }
    }
    let mut secrets = Vec::new();
    if let Some(section) = action.section("secrets") {
        for (name, member) in section.members() {
            check(&section, &name.span, name.value, "");
            let reference = member.section().and_then(|reference| Reference::read(&reference));
            secrets.extend(reference.map(|reference| (name.value.to_owned(), reference)));
        }
    }
    action.finish();
    Some(ActionSettings { component: component?, on_failure, limits, requests, configuration, secrets })
}

/// Says so where a value can't be called or can't be like this.
fn check(section: &Section<'_>, span: &std::ops::Range<usize>, name: &str, value: &str) {
    if let Err(error) = vestibule::model::Values::default().set(name, value.to_owned()) {
        section.source.mistake(span, error.to_string(), "");
    }
}
