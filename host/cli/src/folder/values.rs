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
        let in_file = self.0.get(action).and_then(|of| of.get(name)).cloned();
        in_file.or_else(|| std::env::var(variable(action, name)).ok().map(Zeroizing::new))
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
    let missing = plan.steps.iter().filter_map(|step| match step {
        Step::Secret { action, secret } if values.get(action, secret).is_none() => {
            Some(format!("{secret} of {action}, as {} or in the file", variable(action, secret)))
        }
        _ => None,
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
}
