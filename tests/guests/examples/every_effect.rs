//! Asks for every effect of the contract, and logs what each rule says when it is broken.

use std::time::Duration;

use vestibule_sdk::{Api, CookieMode, Event, PostLogin, Result, Timestamp, json, log};

pub(crate) struct EveryEffect;

impl PostLogin for EveryEffect {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let session = api.session();
        session.set_metadata("gone", "soon")?;
        session.evict_metadata()?;
        session.set_metadata("org_id", "org_1")?;
        session.set_metadata("other", "x")?;
        session.delete_metadata("other")?;
        let created_at = event.session().times().created_at.unwrap_or_default();
        session.set_expires_at(created_at.plus(Duration::from_secs(7_200)))?;
        session.set_idle_expires_at(created_at.plus(Duration::from_secs(3_600)))?;
        session.set_cookie_mode(CookieMode::Persistent)?;
        api.access_token().set_custom_claim("https://acme.example/roles", json!(["a", 1, null]))?;
        api.access_token().add_scope("read:orders")?;
        api.access_token().remove_scope("profile")?;
        api.id_token().set_custom_claim("https://acme.example/vip", true)?;
        api.user().set_user_metadata("theme", json!(null))?;
        api.user().set_app_metadata("seats", 3)?;
        api.transaction().set_metadata("risk", 0.25)?;
        api.transaction().set_metadata("step", "two")?;
        api.transaction().set_metadata("done", true)?;
        api.transaction().delete_metadata("step")?;

        let long = "x".repeat(2_000);
        let refusals = [
            session.set_metadata("", "v").map_err(|error| error.to_string()),
            session.set_metadata(&long, "v").map_err(|error| error.to_string()),
            session.set_metadata("a b", "v").map_err(|error| error.to_string()),
            session.set_metadata("k", &long).map_err(|error| error.to_string()),
            session.set_expires_at(Timestamp::from_millis(1)).map_err(|error| error.to_string()),
            session.revoke(&long, false).map_err(|error| error.to_string()),
            api.access().deny(&long).map_err(|error| error.to_string()),
            api.access_token().set_custom_claim("sub", 1).map_err(|error| error.to_string()),
            api.access_token().set_custom_claim("", 1).map_err(|error| error.to_string()),
            api.access_token().set_custom_claim("k", "x".repeat(100_000)).map_err(|error| error.to_string()),
            api.access_token().add_scope("a b").map_err(|error| error.to_string()),
            api.user().set_user_metadata("", 1).map_err(|error| error.to_string()),
            api.user().set_app_metadata("k", "x".repeat(33_000)).map_err(|error| error.to_string()),
            api.transaction().set_metadata("k", f64::NAN).map_err(|error| error.to_string()),
            api.transaction().set_metadata("k", "x".repeat(9_000)).map_err(|error| error.to_string()),
            api.validation().error("", "m").map_err(|error| error.to_string()),
        ];
        for refusal in refusals {
            log::warn(refusal.err().unwrap_or_else(|| "nothing was refused".to_owned()));
        }

        if event.configuration("mode").as_deref() == Some("reject") {
            api.validation().error("quota", "too many devices")?;
        }
        Ok(())
    }
}

vestibule_sdk::export!(EveryEffect);
