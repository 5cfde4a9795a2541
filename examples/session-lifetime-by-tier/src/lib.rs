//! Lets a session live as long as the tier of its organization allows.

use std::time::Duration;

use vestibule_sdk::{Api, Error, Event, PostLogin, Result};

/// Tier, lifetime, and lifetime without use: where the configuration doesn't say otherwise.
const TIERS: [(&str, &str, &str); 3] = [("free", "1h", "15m"), ("team", "8h", "1h"), ("enterprise", "24h", "8h")];

struct SessionLifetimeByTier;

impl PostLogin for SessionLifetimeByTier {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let Some(organization) = event.organization() else { return Ok(()) };
        let tier = organization.metadata.get("tier").unwrap_or("free");
        let Some((_, lifetime, idle)) = TIERS.iter().find(|(name, ..)| *name == tier) else {
            return Err(Error::new(format!("the organization's tier {tier:?} isn't one of free, team and enterprise")));
        };
        let now = vestibule_sdk::now();
        api.session().set_expires_at(now.plus(duration(event, tier, lifetime)?))?;
        api.session().set_idle_expires_at(now.plus(duration(event, &format!("{tier}_idle"), idle)?))?;
        Ok(())
    }
}

fn duration(event: &Event, name: &str, default: &str) -> Result<Duration> {
    let text = event.configuration(name).unwrap_or_else(|| default.to_owned());
    humantime::parse_duration(&text).map_err(|error| Error::new(format!("configuration `{name}`: {error}")))
}

vestibule_sdk::export!(SessionLifetimeByTier);

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::json;
    use vestibule_sdk::testing::Login;

    fn login_to(tier: &str) -> Login {
        Login::new().with(json!({ "organization": { "id": "org_1", "name": "acme", "metadata": { "tier": tier } } }))
    }

    /// Hours from the login, which is at the start of 2026, to the session's end, and to its end
    /// without use.
    fn hours(login: &Login) -> (f64, f64) {
        let outcome = login.run::<SessionLifetimeByTier>();
        let hours = |at: Option<vestibule_sdk::Timestamp>| {
            at.expect("a time").as_millis() as f64 / 3_600_000.0 - 1_767_225_600.0 / 3_600.0
        };
        (hours(outcome.session.expires_at), hours(outcome.session.idle_expires_at))
    }

    #[test]
    fn a_higher_tier_has_longer_sessions() {
        assert_eq!(hours(&login_to("free")), (1.0, 0.25));
        assert_eq!(hours(&login_to("team")), (8.0, 1.0));
        assert_eq!(hours(&login_to("enterprise")), (24.0, 8.0));
    }

    #[test]
    fn the_configuration_comes_before_the_defaults() {
        assert_eq!(hours(&login_to("team").configuration("team", "2days").configuration("team_idle", "90m")), (48.0, 1.5));
    }

    #[test]
    fn a_login_without_an_organization_is_left_alone() {
        let outcome = Login::new().run::<SessionLifetimeByTier>();
        assert_eq!(outcome.session.expires_at, None);
    }

    #[test]
    fn an_unknown_tier_and_a_wrong_duration_fail_the_login() {
        let failure = |login: Login| login.run::<SessionLifetimeByTier>().failed().map(ToString::to_string).unwrap_or_default();
        assert!(failure(login_to("gold")).contains("\"gold\" isn't one of free, team and enterprise"));
        assert!(failure(login_to("free").configuration("free", "soon")).starts_with("configuration `free`: "));
    }
}
