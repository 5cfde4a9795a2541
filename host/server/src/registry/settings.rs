//! An Action's settings as the registry keeps them, and what they are for the sandbox.

use serde_json::{Map, Value};
use vestibule::OnFailure;
use vestibule::http::Origin;
use vestibule::limits::Limits;
use vestibule::model::Values;

/// Values of an Action's configuration at most.
const MOST_VALUES: usize = 100;
/// Origins at most.
const MOST_ORIGINS: usize = 100;
/// The longest origin: a scheme, a name and a port.
const LONGEST_ORIGIN: usize = 300;

/// The members, each with what it is where nobody has said.
pub(crate) const CONFIGURATION: &str = "configuration";
pub(crate) const ORIGINS: &str = "allowed_origins";
pub(crate) const LIMITS: &str = "limits";
pub(crate) const ON_FAILURE: &str = "on_failure";

/// How an Action runs.
#[derive(Clone, Debug)]
pub(crate) struct RunSettings {
    pub(crate) configuration: Values,
    pub(crate) origins: Vec<Origin>,
    pub(crate) limits: Option<Limits>,
    pub(crate) on_failure: OnFailure,
}

impl RunSettings {
    /// Reads what is stored, on a host with these limits. A limit that is higher than the host's,
    /// which may have been lowered since, is the host's.
    pub(crate) fn read(settings: &Map<String, Value>, host: &Limits) -> Result<Self, String> {
        Self::parse(settings, host, false)
    }

    /// Reads what is to be stored. The error is for the caller.
    pub(crate) fn read_given(settings: &Map<String, Value>, host: &Limits) -> Result<Self, String> {
        Self::parse(settings, host, true)
    }

    fn parse(settings: &Map<String, Value>, host: &Limits, is_given: bool) -> Result<Self, String> {
        let mut configuration = Values::default();
        let given = object(settings, CONFIGURATION)?;
        if given.is_some_and(|given| given.len() > MOST_VALUES) {
            return Err(format!("`{CONFIGURATION}` has at most {MOST_VALUES} values"));
        }
        for (name, value) in given.into_iter().flatten() {
            let value = value.as_str().ok_or_else(|| format!("`{CONFIGURATION}.{name}` is a text"))?;
            if value.contains('\0') || name.contains('\0') {
                return Err(format!("`{CONFIGURATION}` holds a character of nought, which no text has"));
            }
            configuration.set(name, value.to_owned()).map_err(|error| format!("`{CONFIGURATION}`: {error}"))?;
        }
        let mut limits = None;
        if let Some(given) = object(settings, LIMITS)? {
            let mut lower = host.clone();
            for (name, amount) in given {
                let amount = match amount {
                    Value::String(text) => text.clone(),
                    Value::Number(number) => number.to_string(),
                    _ => return Err(format!("`{LIMITS}.{name}` is a number, or a text with a unit such as \"50 ms\"")),
                };
                let set = if is_given { lower.lower(name, &amount, host) } else { lower.set(name, &amount) };
                set.map_err(|error| format!("`{LIMITS}`: {error}; `vestibule limits` shows all limits"))?;
            }
            limits = (!given.is_empty()).then_some(lower);
        }
        let on_failure = match settings.get(ON_FAILURE) {
            None => OnFailure::default(),
            Some(Value::String(text)) if text == "fail-login" => OnFailure::FailLogin,
            Some(Value::String(text)) if text == "continue" => OnFailure::Continue,
            Some(_) => return Err(format!("`{ON_FAILURE}` is \"fail-login\" or \"continue\"")),
        };
        Ok(Self { configuration, origins: origins(settings)?, limits, on_failure })
    }
}

fn origins(settings: &Map<String, Value>) -> Result<Vec<Origin>, String> {
    let given = match settings.get(ORIGINS) {
        None => return Ok(Vec::new()),
        Some(given) => given.as_array().filter(|given| given.len() <= MOST_ORIGINS),
    };
    let given = given.ok_or_else(|| format!("`{ORIGINS}` is an array of at most {MOST_ORIGINS} origins"))?;
    let read = given.iter().map(|origin| {
        let text = origin.as_str().filter(|text| text.len() <= LONGEST_ORIGIN);
        let text = text.ok_or_else(|| format!("`{ORIGINS}` holds texts of at most {LONGEST_ORIGIN} characters"))?;
        Origin::parse(text).map_err(|error| format!("`{ORIGINS}`: {text:?} is none: {error}"))
    });
    read.collect()
}

fn object<'a>(settings: &'a Map<String, Value>, name: &str) -> Result<Option<&'a Map<String, Value>>, String> {
    match settings.get(name) {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(format!("`{name}` is an object")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(settings: Value) -> Result<RunSettings, String> {
        let Value::Object(settings) = settings else { unreachable!("an object") };
        RunSettings::read_given(&settings, &Limits::default())
    }

    #[test]
    fn a_limit_above_the_hosts_is_refused_and_a_stored_one_is_read() {
        let settings = json!({ "limits": { "cpu_time": "2 s" } });
        let error = read(settings.clone()).unwrap_err();
        assert!(error.contains("the limit `cpu_time` can't be 2 s here: at most 500 ms"), "{error}");
        assert!(RunSettings::read(settings.as_object().unwrap(), &Limits::default()).is_ok());
    }

    #[test]
    fn settings_are_read_as_they_are_kept() {
        let settings = read(json!({
            "configuration": { "tier": "gold" }, "allowed_origins": ["https://api.example.com"],
            "limits": { "cpu_time": "50 ms", "calls": 5 }, "on_failure": "continue",
        }))
        .unwrap();
        assert_eq!(settings.configuration.get("tier").map(|value| value.expose().to_owned()), Some("gold".to_owned()));
        assert_eq!(settings.origins, [Origin::parse("https://api.example.com").unwrap()]);
        assert_eq!(settings.limits.unwrap().calls, 5);
        assert_eq!(settings.on_failure, OnFailure::Continue);
        let nothing = read(json!({})).unwrap();
        assert!(nothing.limits.is_none() && nothing.origins.is_empty());
    }

    #[test]
    fn what_is_wrong_with_them_is_told() {
        for (settings, told) in [
            (json!({ "configuration": [] }), "`configuration` is an object"),
            (json!({ "configuration": { "a": 1 } }), "`configuration.a` is a text"),
            (json!({ "configuration": { "": "x" } }), "a name is empty"),
            (json!({ "allowed_origins": ["ftp://a"] }), "\"ftp://a\" is none"),
            (json!({ "allowed_origins": "https://a" }), "`allowed_origins` is an array"),
            (json!({ "limits": { "cpu": "1 s" } }), "there is no limit `cpu` here"),
            (json!({ "limits": { "cpu_time": true } }), "`limits.cpu_time` is a number"),
            (json!({ "on_failure": "stop" }), "\"fail-login\" or \"continue\""),
        ] {
            let error = read(settings).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
