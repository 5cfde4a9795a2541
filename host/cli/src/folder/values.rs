//! The values of secrets that a folder names: from a file, or from the environment.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use zeroize::Zeroizing;

use super::plan::{Plan, Step};
use crate::input;

/// Values of secrets, by Action and name.
#[derive(Default)]
pub(crate) struct Values(BTreeMap<String, BTreeMap<String, Zeroizing<String>>>);

impl Values {
    /// Reads them: `[ACTION]`, and below it `NAME = "value"`.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map(Zeroizing::new);
        let text = text.with_context(|| format!("can't read the secrets {}", file.display()))?;
        let help = "write `[ACTION]`, and below it `NAME = \"value\"`";
        let values = input::secretive(&text).with_context(|| format!("can't read the secrets {}; {help}", file.display()))?;
        Ok(Self(values))
    }

    /// The value of a secret: that of the file, or that of the environment.
    pub(crate) fn get(&self, action: &str, name: &str) -> Option<Zeroizing<String>> {
        let in_file = self.in_file(action, name).cloned();
        in_file.or_else(|| std::env::var(variable(action, name)).ok().map(Zeroizing::new))
    }

    fn in_file(&self, action: &str, name: &str) -> Option<&Zeroizing<String>> {
        self.0.get(action).and_then(|of| of.get(name))
    }

    /// What the file has and a plan doesn't set: whoever has written it there has meant something
    /// by it.
    pub(crate) fn left_over(&self, plan: &Plan) -> Vec<String> {
        let is_set = |action: &str, name: &str| {
            plan.steps.iter().any(|step| matches!(step, Step::Secret { action: of, secret } if of == action && secret == name))
        };
        let all = self.0.iter().flat_map(|(action, of)| of.keys().map(move |name| (action, name)));
        let left = all.filter(|(action, name)| !is_set(action, name));
        left.map(|(action, name)| {
            format!("{name} of {action} is not set from the file: it is there already, or actions.toml doesn't name it; `vestibule secrets set` changes one")
        })
        .collect()
    }
}

/// What the environment calls the value: `VESTIBULE_SECRET_CRM_SYNC_API_KEY`.
fn variable(action: &str, name: &str) -> String {
    let letters = |text: &str| -> String {
        text.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' }).collect()
    };
    format!("VESTIBULE_SECRET_{}_{}", letters(action), letters(name))
}

/// What is to be given before a plan can be carried out; empty where nothing is missing.
pub(crate) fn wanted(plan: &Plan, values: &Values) -> Vec<String> {
    let not_in_file = plan.steps.iter().filter_map(|step| match step {
        Step::Secret { action, secret } if values.in_file(action, secret).is_none() => Some((action, secret)),
        _ => None,
    });
    let asked: Vec<(&String, &String, String)> =
        not_in_file.map(|(action, secret)| (action, secret, variable(action, secret))).collect();
    let missing = asked.iter().filter_map(|(action, secret, variable)| {
        // One of them would be given to the other's Action.
        if asked.iter().filter(|(_, _, other)| other == variable).count() > 1 {
            return Some(format!("{secret} of {action}, in the file: {variable} could be another one's as well"));
        }
        values.get(action, secret).is_none().then(|| format!("{secret} of {action}, as {variable} or in the file"))
    });
    missing.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_values_and_its_mistakes_are_told_without_them() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secrets.toml");
        std::fs::write(&file, "[crm-sync]\nAPI_KEY = \"hunter2\"\n").unwrap();
        let values = Values::read(&file).unwrap();
        assert_eq!(values.get("crm-sync", "API_KEY").unwrap().as_str(), "hunter2");
        assert!(values.get("crm-sync", "OTHER").is_none() && values.get("gate", "API_KEY").is_none());
        std::fs::write(&file, "API_KEY = \"hunter2\"\n").unwrap();
        let error = format!("{:#}", Values::read(&file).err().unwrap());
        assert!(error.contains("write `[ACTION]`") && error.contains("line 1 is wrong") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn the_environment_calls_a_value_by_its_action_and_name() {
        assert_eq!(variable("crm-sync", "api.key"), "VESTIBULE_SECRET_CRM_SYNC_API_KEY");
    }

    #[test]
    fn what_is_missing_is_named_with_where_it_can_come_from() {
        let step = Step::Secret { action: "crm-sync".into(), secret: "API_KEY".into() };
        let plan = Plan { steps: vec![step], notes: Vec::new() };
        assert_eq!(
            wanted(&plan, &Values::default()),
            ["API_KEY of crm-sync, as VESTIBULE_SECRET_CRM_SYNC_API_KEY or in the file"]
        );
    }

    fn plan(secrets: &[(&str, &str)]) -> Plan {
        let step = |(action, secret): &(&str, &str)| Step::Secret { action: (*action).into(), secret: (*secret).into() };
        Plan { steps: secrets.iter().map(step).collect(), notes: Vec::new() }
    }

    #[test]
    fn no_secret_is_given_to_another_action_since_their_variables_have_one_name() {
        let mut values = Values::default();
        let both = plan(&[("crm", "SYNC_KEY"), ("crm-sync", "KEY")]);
        let told = wanted(&both, &values);
        assert_eq!(told[0], "SYNC_KEY of crm, in the file: VESTIBULE_SECRET_CRM_SYNC_KEY could be another one's as well");
        assert_eq!(told.len(), 2);
        values.0.entry("crm".into()).or_default().insert("SYNC_KEY".into(), Zeroizing::new("hunter2".into()));
        assert_eq!(wanted(&both, &values), ["KEY of crm-sync, as VESTIBULE_SECRET_CRM_SYNC_KEY or in the file"]);
    }

    #[test]
    fn what_the_file_has_and_nobody_sets_is_told_without_its_value() {
        let mut values = Values::default();
        values.0.entry("crm".into()).or_default().insert("KEY".into(), Zeroizing::new("hunter2".into()));
        assert!(values.left_over(&plan(&[("crm", "KEY")])).is_empty());
        let told = values.left_over(&plan(&[("crm", "OTHER")]));
        assert!(told[0].starts_with("KEY of crm is not set from the file") && !told[0].contains("hunter2"), "{told:?}");
    }
}
