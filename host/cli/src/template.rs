//! What `vestibule new` writes: a crate that builds, tests and runs as it is.

use clap::ValueEnum;

/// A kind of Action to begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// Remembers something of the login in the session's metadata
    SessionMetadata,
    /// Tells the tokens of roles and organization
    Claims,
    /// Lets only some logins pass
    Deny,
    /// Does nothing yet
    Blank,
}

/// What a template's placeholders stand for.
pub(crate) struct Filling<'a> {
    /// The crate's name.
    pub(crate) name: &'a str,
    /// The value of the SDK's dependency, in TOML.
    pub(crate) sdk: &'a str,
}

const MANIFEST: &str = include_str!("../templates/common/Cargo.toml.template");
const README: &str = include_str!("../templates/common/README.md.template");
const GITIGNORE: &str = include_str!("../templates/common/gitignore.template");
const EVENT: &str = include_str!("../templates/common/event.json");
const ALLOWED: &str = include_str!("../templates/common/allowed.json");

/// One case: its name, the e-mail address of its user, and what is expected.
type Case = (&'static str, &'static str, &'static str);

impl Template {
    /// What the Action does, as its README says it.
    fn what(self) -> &'static str {
        match self {
            Self::SessionMetadata => "it remembers the country and the organization of a login in the session's metadata",
            Self::Claims => "it tells the tokens of the user's roles and organization",
            Self::Deny => "it denies the login of users whose e-mail address is not of one domain",
            Self::Blank => "it does nothing yet",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::SessionMetadata => include_str!("../templates/session-metadata/lib.rs"),
            Self::Claims => include_str!("../templates/claims/lib.rs"),
            Self::Deny => include_str!("../templates/deny/lib.rs"),
            Self::Blank => include_str!("../templates/blank/lib.rs"),
        }
    }

    fn cases(self) -> &'static [Case] {
        const OURS: &str = "user@example.com";
        match self {
            Self::SessionMetadata => &[("a-login", OURS, include_str!("../templates/session-metadata/expected.json"))],
            Self::Claims => &[("a-login", OURS, include_str!("../templates/claims/expected.json"))],
            Self::Deny => &[
                ("a-work-address", OURS, ALLOWED),
                ("another-address", "user@elsewhere.example", include_str!("../templates/deny/expected-denied.json")),
            ],
            Self::Blank => &[("a-login", OURS, ALLOWED)],
        }
    }

    /// All files: where, and what stands in them.
    pub(crate) fn files(self, filling: &Filling<'_>) -> Vec<(String, String)> {
        let fill = |text: &str| {
            text.replace("{{name}}", filling.name)
                .replace("{{Name}}", &type_name(filling.name))
                .replace("{{sdk}}", filling.sdk)
                .replace("{{what}}", self.what())
        };
        let mut files = vec![
            ("Cargo.toml".to_owned(), fill(MANIFEST)),
            ("README.md".to_owned(), fill(README)),
            (".gitignore".to_owned(), GITIGNORE.to_owned()),
            ("src/lib.rs".to_owned(), fill(self.source())),
        ];
        for (name, email, expected) in self.cases() {
            files.push((format!("cases/{name}/event.json"), EVENT.replace("{{email}}", email)));
            files.push((format!("cases/{name}/expected.json"), (*expected).to_owned()));
        }
        files
    }
}

/// Types that a template's code or every Rust program has already.
const TAKEN: [&str; 12] =
    ["Api", "Box", "Err", "Event", "Login", "None", "Ok", "Option", "PostLogin", "Result", "Some", "String"];

/// `device-name` as `DeviceName`.
fn type_name(name: &str) -> String {
    let mut type_name = String::with_capacity(name.len());
    for word in name.split(['-', '_']) {
        let mut characters = word.chars();
        type_name.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        type_name.push_str(characters.as_str());
    }
    if TAKEN.contains(&type_name.as_str()) { type_name + "Action" } else { type_name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crates_name_becomes_a_types_name() {
        assert_eq!(type_name("device-name"), "DeviceName");
        assert_eq!(type_name("step_up-2fa"), "StepUp2fa");
        assert_eq!(type_name("login"), "LoginAction", "the native tests have a `Login` of their own");
    }

    #[test]
    fn no_placeholder_is_left() {
        for template in Template::value_variants() {
            for (file, text) in template.files(&Filling { name: "gate", sdk: "\"0.1\"" }) {
                assert!(!text.contains("{{"), "{template:?} {file}: {text}");
            }
        }
    }
}
