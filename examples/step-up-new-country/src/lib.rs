//! Requires a second factor when a session is used from a country where it hasn't been used before,
//! and remembers the country.

use vestibule_sdk::{Api, Event, PostLogin, Provider, Result, log};

/// The entry of session metadata that countries are remembered in, separated by commas, the newest
/// last.
const COUNTRIES: &str = "countries";
/// The number of country codes of two letters that, with commas, fit into a value of 255
/// characters.
const MOST: usize = 85;

struct StepUpNewCountry;

impl PostLogin for StepUpNewCountry {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let Some(country) = event.request().geo_country().code else { return Ok(()) };
        let remembered = event.session().metadata(COUNTRIES).unwrap_or_default();
        let mut countries: Vec<&str> = remembered.split(',').filter(|country| !country.is_empty()).collect();
        if countries.contains(&country.as_str()) {
            return Ok(());
        }
        // A session's first country is where it begins. And who has just used a second factor need
        // not do it again.
        let has_stepped_up = event.authentication().methods().iter().any(|method| method.name == "mfa");
        if !countries.is_empty() && !has_stepped_up {
            log::info!("{country} is new in this session");
            api.multifactor().enable(Provider::Any);
        }
        countries.push(&country);
        let newest = countries.len().saturating_sub(MOST);
        api.session().set_metadata(COUNTRIES, &countries[newest..].join(","))?;
        Ok(())
    }
}

vestibule_sdk::export!(StepUpNewCountry);

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::json;
    use vestibule_sdk::testing::{Login, Outcome};

    fn login(from: &str, remembered: &str) -> Login {
        Login::new().with(json!({
            "request": { "geoip": { "countryCode": from } },
            "session": { "metadata": { "countries": remembered } },
        }))
    }

    fn countries(outcome: &Outcome) -> Option<&str> {
        outcome.session.metadata.get(COUNTRIES)
    }

    #[test]
    fn the_first_country_is_remembered_and_requires_nothing() {
        let outcome = login("AT", "").run::<StepUpNewCountry>();
        assert_eq!((countries(&outcome), outcome.multifactor.is_some()), (Some("AT"), false));
    }

    #[test]
    fn a_new_country_requires_a_second_factor_and_is_remembered() {
        let outcome = login("FR", "AT,DE").run::<StepUpNewCountry>();
        assert_eq!(
            (countries(&outcome), outcome.multifactor.as_ref().map(|required| required.provider)),
            (Some("AT,DE,FR"), Some(Provider::Any))
        );
    }

    #[test]
    fn a_known_country_requires_nothing() {
        assert_eq!(login("DE", "AT,DE").run::<StepUpNewCountry>().multifactor, None);
    }

    #[test]
    fn who_has_used_a_second_factor_in_this_login_need_not_do_it_again() {
        let used = json!({ "authentication": { "methods": [{ "name": "mfa", "timestamp": "2026-01-01T00:00:00Z" }] } });
        let outcome = login("FR", "AT").with(used).run::<StepUpNewCountry>();
        assert_eq!((countries(&outcome), outcome.multifactor.is_some()), (Some("AT,FR"), false));
    }

    #[test]
    fn the_oldest_country_is_forgotten_before_the_entry_is_too_long() {
        let many =
            (0..MOST).map(|number| format!("{}{}", (b'A' + (number / 26) as u8) as char, (b'A' + (number % 26) as u8) as char));
        let outcome = login("ZZ", &many.collect::<Vec<_>>().join(",")).run::<StepUpNewCountry>();
        let remembered = countries(&outcome).expect("countries are remembered");
        assert!(remembered.starts_with("AB,") && remembered.ends_with(",ZZ") && remembered.len() <= 255, "{remembered}");
    }
}
