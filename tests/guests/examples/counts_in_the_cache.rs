//! Counts its runs in the cache, and then does what its configuration says.

use vestibule_sdk::{Api, Error, Event, PostLogin, Result};

struct CountsInTheCache;

impl PostLogin for CountsInTheCache {
    fn on_execute_post_login(event: &Event, api: &Api) -> Result {
        let before = api.cache().get("runs").and_then(|entry| entry.value.parse::<u32>().ok()).unwrap_or_default();
        api.cache().set("runs", &(before + 1).to_string())?;
        api.id_token().set_custom_claim("runs_before", before)?;
        match event.configuration("then").as_deref() {
            Some("fail") => Err(Error::new("the directory is closed")),
            Some("deny") => Ok(api.access().deny("not today")?),
            _ => Ok(()),
        }
    }
}

vestibule_sdk::export!(CountsInTheCache);
