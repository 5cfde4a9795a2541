//! Denies a login outside of business hours, in the time zone of the user.

use jiff::civil::{Time, Weekday};
use jiff::{Timestamp, ZonedDateTime};
use vestibule_sdk::{Api, Error, Event, PostLogin, Result};

struct BusinessHours;

impl PostLogin for BusinessHours {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let now = i64::try_from(vestibule_sdk::now().as_millis())?;
        let now = Timestamp::from_millisecond(now)?.in_tz(&zone(event))?;
        if !is_open(event, &now)? {
            api.access().deny("Please come back during business hours.")?;
        }
        Ok(())
    }
}

/// The user's time zone: what the tenant knows of them, or where the request comes from, or the configuration's. Not what users say of
/// themselves: one could choose a zone where it is noon.
fn zone(event: &Event) -> String {
    let told = event.user().app_metadata().get("time_zone").and_then(|zone| zone.as_str().map(str::to_owned));
    told.or_else(|| event.request().geo_place().time_zone)
        .or_else(|| event.configuration("time_zone"))
        .unwrap_or_else(|| "UTC".to_owned())
}

fn is_open(event: &Event, now: &ZonedDateTime) -> Result<bool> {
    let time = |name: &str, default: &str| -> Result<Time> {
        let text = event.configuration(name).unwrap_or_else(|| default.to_owned());
        text.parse().map_err(|error| Error::new(format!("configuration `{name}`: {error}")))
    };
    let is_weekend = matches!(now.weekday(), Weekday::Saturday | Weekday::Sunday);
    let is_workday = !is_weekend || event.configuration("weekend").as_deref() == Some("open");
    Ok(is_workday && (time("opens", "08:00")?..time("closes", "18:00")?).contains(&now.time()))
}

vestibule_sdk::export!(BusinessHours);

#[cfg(test)]
mod tests {
    use super::*;
    use vestibule_sdk::json;
    use vestibule_sdk::testing::Login;

    /// A login from Vienna, which is an hour ahead of UTC in winter and two in summer.
    fn login_at(time: &str) -> Login {
        let from = json!({ "request": { "geoip": { "timeZone": "Europe/Vienna" } } });
        Login::new().with(from).at(time.parse().expect("a time"))
    }

    #[test]
    fn it_is_the_users_own_time_that_counts_in_winter_and_in_summer() {
        for open in ["2026-11-24T07:00:00Z", "2026-11-24T16:59:59Z", "2026-07-21T06:00:00Z"] {
            assert!(login_at(open).run::<BusinessHours>().is_allowed(), "{open}");
        }
        for closed in ["2026-11-24T06:59:59Z", "2026-11-24T17:00:00Z", "2026-07-21T16:00:00Z"] {
            let outcome = login_at(closed).run::<BusinessHours>();
            assert_eq!(outcome.denied(), Some("Please come back during business hours."), "{closed}");
        }
    }

    #[test]
    fn a_weekend_is_closed_unless_the_configuration_says_otherwise() {
        let saturday = login_at("2026-11-28T10:00:00Z");
        assert!(saturday.run::<BusinessHours>().denied().is_some());
        assert!(saturday.configuration("weekend", "open").run::<BusinessHours>().is_allowed());
    }

    #[test]
    fn what_the_tenant_knows_of_the_user_comes_before_where_the_request_comes_from() {
        let login = login_at("2026-11-24T03:00:00Z").with(json!({ "user": { "app_metadata": { "time_zone": "Asia/Tokyo" } } }));
        assert!(login.run::<BusinessHours>().is_allowed());
        let said = login_at("2026-11-24T03:00:00Z").with(json!({ "user": { "user_metadata": { "time_zone": "Asia/Tokyo" } } }));
        assert!(said.run::<BusinessHours>().denied().is_some());
    }

    #[test]
    fn hours_and_zones_that_are_none_fail_the_login() {
        let login = login_at("2026-11-24T10:00:00Z");
        assert!(login.clone().configuration("opens", "early").run::<BusinessHours>().failed().is_some());
        let nowhere = login.with(json!({ "request": { "geoip": { "timeZone": "Europe/Atlantis" } } }));
        assert!(nowhere.run::<BusinessHours>().failed().is_some());
    }
}
